"""Conditions in words: every axis of a track has some, and a name that no track makes is kept."""

import pytest

from lumirage.core.condition_words import AXES, axis_words, condition_words
from lumirage.core.track import SCAN_AXES, Prepare, Track

WORDS = {
    "reference": "reference",
    "affine_error-rotation_deg10": "affine off by 10 degrees",
    "affine_error-rotation_deg10-translation_mm5": "affine off by 10 degrees and 5 mm",
    "affine_error-translation_mm-2.5": "affine off by -2.5 mm",
    "oblique_deg--10": "grid turned by -10 degrees",
    "spacing_mm-1x1x3": "1 x 1 x 3 mm voxels",
    "spacing_mm-None_shape-144x192x160": "native voxel size, a grid of 144 x 192 x 160 voxels",
    "orientation-LPS_noise-0.05": "LPS orientation, 5 % noise",
    "intensity-zscore": "z-scored intensities",
    "inverted-True": "inverted contrast",
    "jitter-on": "grid turned and shifted by a little, trace of noise",
    "contrast-T2w": "T2w images",
    "contrast-T2starw": "T2*w images",
    "session-a_b": "session a_b",
    "noise": "noise",
    "odd_name-3": "odd_name-3",
}


@pytest.mark.parametrize(("name", "words"), WORDS.items())
def test_a_condition_is_said_in_words(name: str, words: str) -> None:
    assert condition_words(name) == words


def test_every_axis_that_a_track_can_vary_has_words() -> None:
    values = {
        "orientation": "LPS", "oblique_deg": 5, "spacing_mm": 2, "shape": [8, 9, 10], "crop_mm": 5, "divisible_by": 16,
        "affine": "rigid", "affine_error": {"rotation_deg": 5}, "skull": "stripped", "intensity": "minmax", "gamma": 1.5,
        "inverted": True, "bias_field": 0.3, "noise": 0.1, "jitter": "a secret", "contrast": "T2w", "session": "2",
    }  # fmt: skip
    assert set(values) == {*Prepare.model_fields, *SCAN_AXES}
    assert set(values) <= set(AXES)
    conditions = {"axes": {axis: [value] for axis, value in values.items()}}
    cells = Track.model_validate({"name": "t", "conditions": conditions}).cells()[1:]
    assert len(cells) == len(values)
    for cell in cells:
        assert "_" not in condition_words(cell.name)
        assert condition_words(cell.name) != cell.name
        assert axis_words(cell.axis) == AXES[cell.axis]
