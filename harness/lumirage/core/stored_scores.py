"""Reads rows of the table of all scores; the others stay on disk."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lumirage.core.errors import DamagedFileError

OF_PAIR = pc.field("label").is_null(nan_is_null=True)
"""Rows of the whole pair. There are a hundred times more of single labels."""


def read_scores(table: Path, wanted: pc.Expression, columns: Sequence[str]) -> pd.DataFrame:
    """Rows of scores.parquet, those of `columns` that it has; text as categories, as each word is in many rows.

    Raises DamagedFileError.
    """
    try:
        file = ds.dataset(table)
        rows = file.to_table(columns=[name for name in columns if name in file.schema.names], filter=wanted)
    except (OSError, pa.ArrowException) as error:  # an ArrowInvalid is a ValueError too
        raise DamagedFileError(table, f"damaged, or cut off ({error})") from error
    return rows.to_pandas(strings_to_categorical=True)
