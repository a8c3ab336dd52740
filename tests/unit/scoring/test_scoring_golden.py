"""Every published number of every golden case, through the same door as `score --case`."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lumirage.core.errors import InvalidAnswerError
from lumirage.scoring.pair_case import read_case, score_case

SHARED = Path(os.environ.get("LUMIRAGE_SHARED", Path(__file__).parents[4] / "shared"))
EXPECTED = json.loads((SHARED / "golden" / "expected.json").read_text())
SCORED = sorted(name for name, case in EXPECTED.items() if "error" not in case["expected"])

EXACT = 0.0
TOLERANCES = {
    "dice": EXACT, "hd95_spacing1": EXACT, "labels": EXACT,
    "tre_lumir_roi_centroid_vox": 1e-9, "tre_l2r_points_cubic": 1e-9, "tre_points_linear(not official)": 1e-9,
}  # fmt: skip
"""Relative; all else 1e-12."""


def path_of(name: str) -> Path:
    return SHARED / "golden" / "cases" / f"{name}.npz"


def compare(place: str, found: Any, wanted: Any, tolerance: float) -> list[str]:
    """Where two trees of numbers differ. "nan", "inf" are texts in both."""
    if isinstance(wanted, dict):
        return [line for key in wanted for line in compare(f"{place}.{key}", found[key], wanted[key], tolerance)]
    if isinstance(wanted, list):
        assert len(found) == len(wanted), place
        return [line for i, w in enumerate(wanted) for line in compare(f"{place}[{i}]", found[i], w, tolerance)]
    if isinstance(wanted, str) or found == wanted:
        return [] if found == wanted else [f"{place}: {found} for {wanted}"]
    near = not isinstance(found, str) and math.isclose(found, wanted, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
    return [] if near else [f"{place}: {found} for {wanted}"]


@pytest.mark.parametrize("name", SCORED)
def test_every_number_is_the_official_one(name: str) -> None:
    found = score_case(path_of(name), "lumir25", as_official=True)
    wanted = EXPECTED[name]["expected"]
    different = []
    for key, value in wanted.items():
        different += compare(key, found[key], value, TOLERANCES.get(key, 1e-12))
    assert different == []


@pytest.mark.parametrize("preset", ["lumir24", "learn2reg"])
def test_the_other_official_presets_give_the_same_numbers(preset: str) -> None:
    found = score_case(path_of("folded"), preset)
    assert compare("dice", found["dice"], EXPECTED["folded"]["expected"]["dice"], EXACT) == []
    assert found["preset"] == preset


def test_a_field_of_the_wrong_shape_is_refused_in_the_challenges_words() -> None:
    with pytest.raises(InvalidAnswerError) as refused:
        score_case(path_of("wrong_shape_size"), "lumir25", as_official=True)
    assert str(refused.value) == EXPECTED["wrong_shape_size"]["expected"]["message"]


def test_nan_is_an_invalid_answer_that_says_how_many_and_where() -> None:
    where = tuple(np.argwhere(np.isnan(np.moveaxis(read_case(path_of("nan_inside"))["displacement"], 0, -1)))[0][:3])
    with pytest.raises(InvalidAnswerError) as refused:
        score_case(path_of("nan_inside"), "lumir25")
    assert "1 NaN" in str(refused.value)
    assert str(tuple(int(i) for i in where)) in str(refused.value)


def test_what_does_not_exist_is_null_by_default() -> None:
    found = score_case(path_of("label_vanishes_after_warp"), "lumir25")
    assert found["hd95_spacing1"]["mean"] is None
    assert found["dice"]["detailed"][-1] == 0.0
    json.dumps(found, allow_nan=False)


def test_threads_change_nothing() -> None:
    assert score_case(path_of("folded"), "lumir25", threads=1) == score_case(path_of("folded"), "lumir25", threads=3)


def test_channel_last_and_half_precision_fields_are_the_same_answer(tmp_path: Path) -> None:
    case = read_case(path_of("translate_half"))
    field = case.pop("displacement_q1024").astype(np.float32) / 1024
    stored = tmp_path / "case.npz"
    np.savez(stored, displacement=np.moveaxis(field, 0, -1).astype(np.float16), **case)
    found = score_case(stored, "lumir25")
    wanted = EXPECTED["translate_half"]["expected"]
    assert compare("", found["dice"], wanted["dice"], EXACT) == []
    assert compare("", found["hd95_spacing1"], wanted["hd95_spacing1"], EXACT) == []


def test_strict_scores_of_a_case_are_rows_with_reasons() -> None:
    rows = score_case(path_of("label_missing_in_moving"), "strict")["scores"]
    reasons = {row["undefined"] for row in rows if row["metric"] == "dice_nearest_fg"}
    assert reasons == {"", "absent in the moving labels"}
