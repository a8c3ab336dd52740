"""Writes the table of all scores: scores.parquet, scores.tsv and their dictionary, some rows at a time."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.manifest import list_files
from lumirage.core.model import Outcome
from lumirage.scoring.score_store import STORED_COLUMNS, TABLE_SCHEMA, RunKey

ORDER = ("track", "condition", "repeat", "method", "pair", "preset", "settings", "metric", "source", "label")
"""What the rows are sorted by; no two rows have all of these in common."""
LINES = 100_000
"""Lines of the text made at once: 30 MB."""
NOTHING = "n/a"
SPECIAL = re.compile(r'[\t"\n]')


class ScoreTable:
    """The table while it is written: rows are added in their order."""

    def __init__(self, parquet: pq.ParquetWriter, tsv: BinaryIO) -> None:
        self._parquet, self._tsv = parquet, tsv
        tsv.write("\t".join(STORED_COLUMNS).encode() + b"\n")

    def add(self, rows: pa.Table) -> None:
        """Rows that come after all that were added, as `in_order` gives them."""
        rows = rows.select(list(STORED_COLUMNS)).cast(TABLE_SCHEMA)
        self._parquet.write_table(rows)
        for start in range(0, len(rows), LINES):
            self._tsv.write(_lines(rows.slice(start, LINES)))


@contextmanager
def score_table(layout: Layout) -> Iterator[ScoreTable]:
    """The table of this tree, anew. All of it is there at the end, or the old one where this ends with an exception."""
    with (
        written_aside(layout.score_table) as parquet_file,
        written_aside(layout.score_tsv) as tsv_file,
        pq.ParquetWriter(parquet_file, TABLE_SCHEMA, compression="zstd") as parquet,
        tsv_file.open("wb") as tsv,
    ):
        yield ScoreTable(parquet, tsv)
    write_text(layout.score_dictionary, json.dumps(DICTIONARY, indent=1) + "\n")
    list_files(layout, "scores", (layout.score_table, layout.score_tsv, layout.score_dictionary))


def _lines(rows: pa.Table) -> pa.Buffer:
    """As pandas writes them, in a quarter of the time: numbers as Python does, quotation marks only where they are needed."""
    *first, last = (_texts(column.combine_chunks()) for column in rows.columns)
    ends = pc.binary_join_element_wise(last, "", "\n")
    lines = pc.binary_join_element_wise(*first, ends, "\t")
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return lines.buffers()[2].slice(offsets[0], offsets[-1] - offsets[0])


def _texts(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        there = [None if value is None or math.isnan(value) else repr(value) for value in column.to_pylist()]
        return pa.array(there, pa.string()).fill_null(NOTHING)
    if pa.types.is_string(column.type):
        coded = column.dictionary_encode()
        words = pa.array([_quoted(word) for word in coded.dictionary.to_pylist()], pa.string())
        return words.take(coded.indices).fill_null(NOTHING)
    return column.cast(pa.string()).fill_null(NOTHING)


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"' if SPECIAL.search(word) else word


def write_tables(layout: Layout, table: pd.DataFrame) -> pd.DataFrame:
    """Write the whole table at once, from rows in any order (STORED_COLUMNS); gives it in order."""
    rows = in_order(pa.Table.from_pandas(table, TABLE_SCHEMA, preserve_index=False))
    with score_table(layout) as written:
        written.add(rows)
    return rows.to_pandas()


def in_order(rows: pa.Table) -> pa.Table:
    """Sorted by ORDER, nothing before anything; of several rows about the same the first."""
    keys = [ranks for name in ORDER if np.ptp(ranks := _ranks(rows[name])) > 0] if len(rows) else []
    if not keys:
        return rows.slice(0, 1)
    order = np.lexsort(keys[::-1])
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = np.any([ranks[order[1:]] != ranks[order[:-1]] for ranks in keys], axis=0)
    return rows.take(pa.array(order[new]))


def _ranks(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of the values; the smallest for none."""
    if not pa.types.is_string(column.type):
        return column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min // 2).to_numpy()
    coded = column.combine_chunks().dictionary_encode()
    places = np.argsort(np.argsort(np.array(coded.dictionary.to_pylist(), dtype=object)))
    return np.append(places, -1)[coded.indices.fill_null(-1).to_numpy()]


def rows_of_failures(sentinel: pd.DataFrame, failed: Mapping[RunKey, Outcome]) -> pd.DataFrame:
    """The null rows of failed runs: one for each pair-level row that doing nothing has on that pair."""
    sentinel = sentinel[(sentinel["method"] == "identity") & sentinel["label"].isna()].drop(
        columns=["method", "repeat", "outcome"]
    )
    keys = pd.DataFrame(
        [(*key, outcome.value) for key, outcome in failed.items()],
        columns=["method", "condition", "repeat", "pair", "outcome"],
    )
    rows = keys.merge(sentinel, on=["condition", "pair"], how="inner")
    rows["value"] = float("nan")
    rows["undefined"] = "the run ended as " + rows["outcome"]
    return rows[list(STORED_COLUMNS)]


DICTIONARY = {
    "track": {"Description": "the experiment"},
    "condition": {"Description": "the preparation; 'reference' is the track's own"},
    "repeat": {"Description": "0 for the first run of a pair"},
    "method": {
        "Description": "method or variant; 'identity' (nothing done) and 'affine' are scored by the harness itself"
    },
    "pair": {"Description": "id of the ordered pair, as in pairs.tsv"},
    "fixed": {"Description": "BIDS name of the fixed scan"},
    "moving": {"Description": "BIDS name of the moving scan"},
    "fixed_subject": {"Description": "subject label of the fixed scan"},
    "moving_subject": {"Description": "subject label of the moving scan"},
    "outcome": {"Description": "how the run ended", "Levels": {o.value: "" for o in Outcome}},
    "preset": {"Description": "the way of scoring"},
    "settings": {"Description": "hash of all that the preset means"},
    "scorer": {"Description": "version of the scorer"},
    "metric": {"Description": "defined in specs/metrics.md"},
    "source": {"Description": "label source; empty for metrics of the field and of landmarks"},
    "label": {"Description": "label value; below 0 a group of labels taken as one; n/a for values of the whole pair"},
    "name": {"Description": "name of the label or landmark"},
    "value": {"Description": "the value, in the unit of its row; n/a where it does not exist"},
    "unit": {"Description": "unit of the value"},
    "undefined": {"Description": "why there is no value, or what a mean leaves out"},
    "pair_warning": {"Description": "what is doubtful about the pair, whatever the method; empty where nothing is"},
}
