"""Rows of the table of scores: those that are wanted, with the words of these rows alone."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lumirage.core.errors import DamagedFileError
from lumirage.core.stored_scores import OF_PAIR, read_scores

ROWS = {
    "metric": ["sdlogj", "dice", "dice", "sdlogj", "hd95"],
    "method": ["greedy", "greedy", "oracle", "affine", None],
    "label": [None, 3.0, None, None, float("nan")],
    "value": [0.4, 0.8, 1.0, 0.0, 7.5],
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table(ROWS), path, row_group_size=2)  # each group of rows has a dictionary of its own
    return path


@pytest.mark.parametrize(
    "wanted", [OF_PAIR, ~OF_PAIR, pc.field("metric") == "dice", OF_PAIR & (pc.field("method") != "greedy")]
)
def test_the_rows_are_those_of_the_whole_table(table: Path, wanted: pc.Expression) -> None:
    found = read_scores(table, wanted, ["value", "method", "metric", "not there"])
    expected = pq.read_table(table, filters=wanted, columns=["value", "method", "metric"]).to_pandas()
    assert len(found) > 0
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_categorical=False)
    for name in ("method", "metric"):
        assert list(found[name].cat.categories) == list(expected[name].dropna().unique()), "in order of appearance"


def test_a_table_that_is_cut_off_is_damage(table: Path) -> None:
    table.write_bytes(table.read_bytes()[:-40])
    with pytest.raises(DamagedFileError, match="damaged, or cut off"):
        read_scores(table, OF_PAIR, ["value"])
