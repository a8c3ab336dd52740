"""What metrics judge, and which way is better: what rankings, gates and the order of a report hang on."""

import itertools

import numpy as np
import pytest

from lumirage.core.metrics import METRICS, direction, is_accuracy, is_regularity
from lumirage.core.space import Displacement, Volume
from lumirage.scoring.label_maps import LabelSet, relabel
from lumirage.scoring.pair_scores import score_pair
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_inputs import LabelMaps, ScoreInputs
from lumirage.scoring.surface import SurfaceOptions, surface_distances
from lumirage.scoring.surfels import surfel_areas

REGULARITY = {
    "ndv_percent", "ndv_mm3", "non_diffeo_voxels", "non_diffeo_tetrahedra", "det_le0_percent", "sdlogj",
    "ndv_percent_lumir24", "ndv_percent_lumir25", "sdlogj_offset3",
}  # fmt: skip
NEITHER = {"inverse_consistency_mm", "ncc_fixed_moved", "mi_fixed_moved"}
MORE_IS_BETTER = {
    "dice_nearest_fg", "nsd_1mm", "dice_lumir", "dice_argmax_fg", "dice_soft_fg", "ncc_fixed_moved", "mi_fixed_moved",
}  # fmt: skip


def test_doing_nothing_is_perfect_in_these_so_they_never_rank() -> None:
    assert {name for name in METRICS if is_regularity(name)} == REGULARITY


def test_all_else_is_accuracy_but_likeness_and_consistency() -> None:
    assert {name for name in METRICS if is_accuracy(name)} == METRICS.keys() - REGULARITY - NEITHER


def test_directions() -> None:
    assert {name for name in METRICS if direction(name) == 1} == MORE_IS_BETTER
    assert {name for name in METRICS if direction(name) == -1} == METRICS.keys() - MORE_IS_BETTER


def test_nobody_judges_by_an_unknown_metric() -> None:
    assert (direction("strange"), is_accuracy("strange"), is_regularity("strange")) == (0, False, False)


# -- normalized surface Dice -------------------------------------------------------------------------------------------


def surface_of(mask: np.ndarray, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and areas (n,) of the surface elements of a mask: the corners that not all eight voxels share."""
    padded = np.pad(mask, 1)
    code = np.zeros(tuple(n + 1 for n in mask.shape), int)
    for bit, (i, j, k) in enumerate(itertools.product((0, 1), repeat=3)):
        inside = padded[i : i + code.shape[0], j : j + code.shape[1], k : k + code.shape[2]]
        code |= inside.astype(int) << (7 - bit)
    at = np.argwhere((code > 0) & (code < 255))
    return at * spacing, surfel_areas(spacing)[code[tuple(at.T)]]


def surface_dice(first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...], tolerance: float) -> float:
    """The definition of Nikolov et al. 2018, section on performance metrics, by comparing all elements with all."""
    (a, of_a), (b, of_b) = surface_of(first, spacing), surface_of(second, spacing)
    apart = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1))
    near = of_a[apart.min(axis=1) <= tolerance].sum() + of_b[apart.min(axis=0) <= tolerance].sum()
    return float(near / (of_a.sum() + of_b.sum()))


def box(shift: int) -> np.ndarray:
    mask = np.zeros((26, 14, 14), np.uint8)
    mask[3 + shift : 11 + shift, 3:11, 3:11] = 1
    return mask


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.2, 0.7, 2.5), (0.5, 1.0, 1.0)])
@pytest.mark.parametrize("shift", [0, 1, 2, 3, 12])
def test_the_surface_dice_of_shifted_boxes_is_that_of_the_definition(shift: int, spacing: tuple) -> None:
    labels = LabelSet.of([1])
    found = surface_distances(relabel(box(0), labels), relabel(box(shift), labels), SurfaceOptions(spacing=spacing))
    wanted = surface_dice(box(0) == 1, box(shift) == 1, spacing, 1.0)
    assert found.surface_dice[0] == pytest.approx(wanted, rel=1e-12)
    if shift * spacing[0] <= 1:
        assert found.surface_dice[0] == 1  # a distance of exactly 1 mm is within the tolerance


def test_a_label_that_was_lost_has_a_surface_dice_of_0_and_an_absent_one_has_none() -> None:
    fixed, moving = (np.zeros((26, 14, 14), np.uint8) for _ in range(2))
    fixed[3:8, 3:8, 3:8], moving[3:8, 3:8, 3:8] = 1, 1
    fixed[20:22, 3:8, 3:8], moving[0:1, 3:8, 3:8] = 2, 2  # the warp pushes it out of the image
    fixed[12:14, 3:8, 3:8] = 3
    u = np.zeros((*fixed.shape, 3), np.float32)
    u[..., 0] = 1
    maps = LabelMaps(Volume(fixed, np.eye(4)), Volume(moving, np.eye(4)), scored=(1, 2, 3))
    rows = score_pair(ScoreInputs(Displacement(u, np.eye(4)), np.eye(4), {"x": maps}), [preset_named("strict")])
    found = {row.label: row for row in rows["strict"] if row.metric == "nsd_1mm"}
    assert [found[label].value for label in (1, 2, 3)] == [1, 0, None]
    assert found[3].undefined == "absent in the moving labels"
    assert (found[None].value, found[None].n) == (0.5, 2)
