"""What metrics judge, and which way is better: what rankings, gates and the order of a report hang on."""

from lumirage.core.metrics import METRICS, direction, is_accuracy, is_regularity

REGULARITY = {
    "ndv_percent", "ndv_mm3", "non_diffeo_voxels", "non_diffeo_tetrahedra", "det_le0_percent", "sdlogj",
    "ndv_percent_lumir24", "ndv_percent_lumir25", "sdlogj_offset3",
}  # fmt: skip
NEITHER = {"inverse_consistency_mm", "ncc_fixed_moved", "mi_fixed_moved"}
MORE_IS_BETTER = {
    "dice_nearest_fg", "dice_lumir", "dice_argmax_fg", "dice_soft_fg", "ncc_fixed_moved", "mi_fixed_moved",
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
