"""A folder of challenge answers against a truth folder made here, against values computed by hand."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from lumirage.core.errors import DataError, InvalidAnswerError, UsageError
from lumirage.scoring.challenge_submission import (
    SubmissionOptions,
    _aggregates,
    _tracks,
    metrics_json,
    score_submission,
)

SHAPE = (12, 10, 8)


def save(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)


def box(low: int, high: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[low:high, 2:6, 2:6] = 7
    return labels


def configuration(name: str, pairs: list[tuple[str, str]], methods: list[dict]) -> dict:
    path = "./imagesVal/LUMIRMRI_{}_0000.nii.gz"
    return {
        "name": name, "expected_shape": [*SHAPE, 3], "evaluation_methods": methods, "eval_config_version": 0.0,
        "eval_pairs": [{"fixed": path.format(f), "moving": path.format(m)} for f, m in pairs], "masked_evaluation": False,
    }  # fmt: skip


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    folder = tmp_path / "ground truth"
    for subject, low in (("3455", 2), ("3456", 4), ("3457", 3)):
        save(folder / "labelsVal" / f"LUMIRMRI_{subject}_0000.nii.gz", box(low, low + 4))
        save(folder / "imagesVal" / f"LUMIRMRI_{subject}_0000.nii.gz", (box(low, low + 4) > 0).astype(np.float32))
        save(
            folder / "landmarksVal" / f"LUMIRMRI_{subject}_0000.nii.gz",
            np.where(box(low, low + 1) > 0, 3, 0).astype(np.uint8),
        )
    labels = [0, 7]
    segmentation = [
        {"name": "Non-diffeomorphic Volumes", "metric": "ndv"},
        {"name": "DSC", "metric": "dice", "labels": labels},
        {"name": "HD95", "metric": "hd95", "labels": labels},
    ]
    landmark = [{"name": "TRE_lm", "metric": "tre", "dest": "landmarks"}]
    pairs = [("3456", "3455"), ("3457", "3456")]
    write(folder / "LUMIR_VAL_Segmentation_evaluation_config.json", configuration("LUMIR", pairs, segmentation))
    write(folder / "LUMIR_VAL_Landmark_evaluation_config.json", configuration("LUMIR", pairs[:1], landmark))
    return folder


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """3456 <- 3455 is undone exactly (2 voxels along x); 3457 <- 3456 is left as it is."""
    folder = tmp_path / "answers"
    shift = np.zeros((3, *SHAPE), np.float32)
    shift[0] = -2
    save(folder / "disp_3456_3455.nii.gz", shift)
    save(folder / "disp_3457_3456.nii.gz", np.zeros((*SHAPE, 3), np.float32))
    return folder


def scored(submission: Path, truth: Path, **options: object) -> dict:
    chosen = SubmissionOptions(**options)
    return metrics_json(list(score_submission(submission, truth, chosen)), chosen)


def test_both_channel_orders_and_counted_dice(submission: Path, truth: Path) -> None:
    found = scored(submission, truth)
    cases = found["cases"]
    assert set(cases) == {"3456_0000<--3455_0000", "3457_0000<--3456_0000"}
    assert cases["3456_0000<--3455_0000"]["DSC"]["detailed"] == [1.0, 1.0]
    assert cases["3456_0000<--3455_0000"]["HD95"]["mean"] == 0.0
    assert cases["3457_0000<--3456_0000"]["DSC"]["detailed"][1] == 2 * 3 / 8
    assert found["aggregates"]["DSC"]["mean"] == np.mean([c["DSC"]["mean"] for c in cases.values()])
    assert found["aggregates"]["Non-diffeomorphic Volumes"]["mean"] == 0.0
    assert found["eval_version"] == "3.0"
    assert found["problems"] == {}


def test_robustness_is_the_30th_percentile_of_the_pairs_and_the_70th_of_landmark_errors() -> None:
    def result(track: str, dice: float) -> SimpleNamespace:
        return SimpleNamespace(truth=SimpleNamespace(track=track), numbers={"DSC": {"mean": dice}})

    cases = {name: {"DSC": {"mean": value}, "TRE_lm": {"mean": value}} for name, value in (("a", 0.0), ("b", 1.0))}
    found = _aggregates(cases, "lumir25")
    assert (found["DSC"]["30"], found["TRE_lm"]["30"]) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (found["DSC"]["mean"], found["DSC"]["std"]) == (0.5, 0.5)
    assert _aggregates(cases, "lumir24")["TRE_lm"]["30"] == pytest.approx(0.3)
    tracks = _tracks([result("ID", 0.0), result("ID", 1.0), result("MM", 0.25)], "lumir25")
    assert list(tracks) == ["ID_dice", "MM_dice"]
    assert tracks["ID_dice"]["30"] == pytest.approx(0.3)
    assert tracks["MM_dice"]["30"] == 0.25
    assert _tracks([result("ID", 0.0)], "lumir24") == {}


def test_metrics_of_a_pair_in_two_configurations_are_kept_but_officially_overwritten(
    submission: Path, truth: Path
) -> None:
    key = "3456_0000<--3455_0000"
    assert scored(submission, truth)["cases"][key]["TRE_lm"]["mean"] == 0.0
    official = scored(submission, truth, as_official=True)
    assert "TRE_lm" not in official["cases"][key]
    assert set(official) == {"name", "aggregates", "cases", "eval_version"}


def test_a_missing_answer_is_told_and_officially_fails_all(submission: Path, truth: Path) -> None:
    (submission / "disp_3457_3456.nii.gz").unlink()
    found = scored(submission, truth)
    assert list(found["cases"]) == ["3456_0000<--3455_0000"]
    assert "disp_3457_3456.nii.gz is missing" in found["problems"]["3457_0000<--3456_0000"]
    with pytest.raises(InvalidAnswerError, match=r"disp_3457_3456\.nii\.gz is missing"):
        scored(submission, truth, as_official=True)


def test_nan_is_told_and_officially_scored(submission: Path, truth: Path) -> None:
    field = np.zeros((*SHAPE, 3), np.float32)
    field[5, 4, 3, 1] = np.nan
    save(submission / "disp_3457_3456.nii.gz", field)
    assert "1 NaN" in scored(submission, truth)["problems"]["3457_0000<--3456_0000"]
    official = scored(submission, truth, as_official=True)["cases"]["3457_0000<--3456_0000"]
    assert math.isnan(official["Non-diffeomorphic Volumes"]["mean"])
    assert official["DSC"]["detailed"][1] == 2 * 47 / (64 + 63)


def test_a_wrong_shape_is_told_in_the_challenges_words(submission: Path, truth: Path) -> None:
    save(submission / "disp_3457_3456.nii.gz", np.zeros((3, 11, 10, 8), np.float32))
    problem = scored(submission, truth)["problems"]["3457_0000<--3456_0000"]
    assert "'11x10x8x3'" in problem
    assert "12x10x8x3" in problem


def test_the_two_years_mask_differently(submission: Path, truth: Path) -> None:
    folded = np.zeros((3, *SHAPE), np.float32)
    folded[0, 3] = 3.0  # behind the fixed mask of 3456 (x from 4), inside the moving mask of 3455 (x from 2)
    save(submission / "disp_3456_3455.nii.gz", folded)
    key = "3456_0000<--3455_0000"
    by_year = [
        scored(submission, truth, preset=p)["cases"][key]["Non-diffeomorphic Volumes"]["mean"]
        for p in ("lumir24", "lumir25")
    ]
    assert by_year[0] > by_year[1]


def test_two_workers_give_the_same(submission: Path, truth: Path) -> None:
    assert scored(submission, truth, workers=2) == scored(submission, truth)


def test_learn2reg_landmarks_are_points_in_mm(submission: Path, truth: Path) -> None:
    tre = [{"name": "TRE", "metric": "tre", "dest": "landmarks"}]
    for path in truth.glob("*.json"):
        path.unlink()
    write(truth / "config.json", configuration("L2R", [("3456", "3455")], tre))
    (truth / "landmarksVal" / "LUMIRMRI_3456_0000.csv").write_text("5,4,3\n6,4,3\n")
    (truth / "landmarksVal" / "LUMIRMRI_3455_0000.csv").write_text("3,4,3\n4,4,5\n")
    found = scored(submission, truth, preset="learn2reg")["cases"]["3456_0000<--3455_0000"]["TRE"]
    assert found["detailed"] == pytest.approx([0.0, 2.0], abs=1e-12)


def test_damaged_truth_and_unknown_presets_are_refused(submission: Path, truth: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no evaluation configuration"):
        scored(submission, tmp_path)
    with pytest.raises(UsageError, match="lumir25"):
        scored(submission, truth, preset="lumir52")
    (truth / "broken.json").write_text('{"eval_pairs": []}')
    with pytest.raises(DataError, match=r"broken\.json"):
        scored(submission, truth)
