"""What a case lacks is left out of its scores: labels, images."""

from pathlib import Path

import numpy as np

from lumirage.scoring.pair_case import score_case


def test_an_empty_list_of_labels_is_answered(tmp_path: Path) -> None:
    labels = np.zeros((9, 9, 9), np.int16)
    labels[3:6, 3:6, 3:6] = 1
    field = np.zeros((3, 9, 9, 9), np.float32)
    np.savez(tmp_path / "c.npz", fixed_seg=labels, moving_seg=labels, labels=np.array([], int), displacement=field)
    found = score_case(tmp_path / "c.npz", "lumir25")
    assert found["labels"] == []
    assert found["dice"] == found["hd95_spacing1"] == {"mean": None, "detailed": []}


def test_a_case_with_both_images_has_their_similarity(tmp_path: Path) -> None:
    fixed = np.random.default_rng(0).random((12, 12, 12), np.float32)
    labels = np.ones(fixed.shape, np.int16)
    case = {"fixed_seg": labels, "moving_seg": labels, "displacement": np.zeros((3, *fixed.shape), np.float32)}

    def ncc(**images: np.ndarray) -> list[float]:
        np.savez(tmp_path / "c.npz", **case, **images)
        rows = score_case(tmp_path / "c.npz", "strict")["scores"]
        return [row["value"] for row in rows if row["metric"] == "ncc_fixed_moved"]

    np.testing.assert_allclose(ncc(fixed_img=fixed, moving_img=1 - fixed), [-1.0], rtol=1e-6)
    assert ncc(fixed_img=fixed) == ncc(moving_img=fixed) == []
