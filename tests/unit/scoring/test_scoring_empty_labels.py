"""A case that asks for no label has an answer: nothing can be said of labels, the rest is scored."""

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
