"""Collects doubts about pairs, whatever the method: an alignment that looks wrong, an image without a frame."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds

COLUMN = "pair_warning"


def read_pair_warnings(table: Path) -> dict[str, str]:
    """Pair id -> its doubts, from the table of scores; only pairs with doubts. Tables of older harnesses have none."""
    if not table.is_file():
        return {}
    scores = ds.dataset(table)
    if COLUMN not in scores.schema.names:
        return {}
    doubtful = ~pc.field(COLUMN).is_null() & (pc.field(COLUMN) != "")
    rows = scores.to_table(columns=["pair", COLUMN], filter=doubtful)  # of all labels: the same a hundred times
    told = rows.group_by(["pair", COLUMN]).aggregate([]).to_pandas()
    found: dict[str, list[str]] = {}
    for pair, warning in sorted(zip(told["pair"].astype(str), told[COLUMN].astype(str), strict=True)):
        found.setdefault(pair, []).append(warning)
    return {pair: "; ".join(dict.fromkeys("; ".join(texts).split("; "))) for pair, texts in found.items()}


def in_lines(warnings: Mapping[str, str], most: int) -> list[str]:
    """The first few, and how many more there are."""
    lines = [f"{pair}: {text}" for pair, text in list(warnings.items())[:most]]
    more = len(warnings) - len(lines)
    return [*lines, f"and {more} more pairs with warnings: column {COLUMN} of scores.tsv"] if more > 0 else lines
