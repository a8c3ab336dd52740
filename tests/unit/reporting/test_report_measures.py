"""The order of measures, and what is said where nothing measures accuracy."""

import pandas as pd
import pytest

from lumirage.reporting.displayed_measures import measures_of

EVERY = ["det_le0_percent", "dice_nearest_fg", "mi_fixed_moved", "ncc_fixed_moved", "tre_mm_linear"]


def table(known: list[str]) -> pd.DataFrame:
    rows = [("strict", "abc", metric, "", "1", 0.5 if metric in known else None) for metric in EVERY]
    return pd.DataFrame(rows, columns=["preset", "settings", "metric", "source", "unit", "value"])


@pytest.mark.parametrize(
    ("known", "first", "accuracy"),
    [
        (EVERY, ["dice_nearest_fg", "tre_mm_linear", "det_le0_percent"], True),
        (["tre_mm_linear", "ncc_fixed_moved"], ["tre_mm_linear", "ncc_fixed_moved"], True),
        (
            ["det_le0_percent", "mi_fixed_moved", "ncc_fixed_moved"],
            ["mi_fixed_moved", "ncc_fixed_moved", "det_le0_percent"],
            False,
        ),
    ],
)
def test_likeness_leads_only_where_nothing_measures_accuracy(
    known: list[str], first: list[str], accuracy: bool
) -> None:
    found = measures_of(table(known))
    assert [m.metric for m in found][: len(first)] == first
    assert any(m.is_accuracy for m in found if m.metric in known) is accuracy
