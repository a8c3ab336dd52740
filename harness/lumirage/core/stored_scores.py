"""Reads rows of the table of all scores; the others stay on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lumirage.core.errors import DamagedFileError

OF_PAIR = pc.field("label").is_null(nan_is_null=True)
"""Rows of the whole pair. There are a hundred times more of single labels."""


def read_scores(table: Path, wanted: pc.Expression, columns: Sequence[str]) -> pd.DataFrame:
    """Rows of scores.parquet, those of `columns` that it has; text as categories, in the order in which they appear.

    Raises DamagedFileError.
    """
    try:
        schema = ds.dataset(table).schema
        there = [name for name in columns if name in schema.names]
        words = {name for name in there if pa.types.is_string(schema.field(name).type)}
        # each word is in very many rows: read as codes from the start, text is never there once a row
        coded = ds.dataset(table, format=ds.ParquetFileFormat(dictionary_columns=words))
        rows = coded.to_table(columns=there, filter=wanted)
    except (OSError, pa.ArrowException) as error:  # an ArrowInvalid is a ValueError too
        raise DamagedFileError(table, f"damaged, or cut off ({error})") from error
    frame = rows.to_pandas(self_destruct=True)
    for name in words:
        frame[name] = _only_those_that_appear(frame[name])
    return frame


def _only_those_that_appear(words: "pd.Series[Any]") -> "pd.Series[Any]":
    """Without the categories of rows that were not wanted."""
    codes = pd.unique(words.cat.codes.to_numpy())
    return words.cat.set_categories(words.cat.categories[codes[codes >= 0]])
