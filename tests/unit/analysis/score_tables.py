"""Tables of scores made in the test: SCORE_COLUMNS from a mapping method -> values per pair."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lumirage.core.model import SCORE_COLUMNS


def pairs_of(design: str, n: int) -> list[tuple[str, str]]:
    names = [f"sub{i:02d}" for i in range(n)]
    if design == "chain":
        return list(itertools.pairwise(names))
    if design == "all":
        return [(a, b) for a in names for b in names if a != b]
    if design == "star":
        return [("atlas", b) for b in names]
    if design == "within":
        return [(a, a) for a in names]
    if design == "separate":
        return list(zip(names[::2], names[1::2], strict=True))
    raise ValueError(design)


def scores(
    pairs: Sequence[tuple[str, str]],
    values: Mapping[str, Sequence[float] | np.ndarray],
    metric: str = "dice_nearest_fg",
    **columns: object,
) -> pd.DataFrame:
    """NaN is a failed run (crashed)."""
    rows = []
    for method, given in values.items():
        for (fixed, moving), value in zip(pairs, given, strict=True):
            failed = bool(np.isnan(value))
            rows.append(
                {
                    "track": "t1w", "condition": "reference", "repeat": 0, "method": method, "pair": f"{fixed}-{moving}",
                    "fixed": fixed, "moving": moving, "fixed_subject": fixed, "moving_subject": moving,
                    "outcome": "crashed" if failed else "ok", "preset": "strict", "settings": "", "scorer": "1",
                    "metric": metric, "source": "manual", "label": None, "name": "",
                    "value": None if failed else float(value), "unit": "1", "undefined": "crashed" if failed else "",
                }
                | columns
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(SCORE_COLUMNS))
    return table.astype({"label": "Int64", "value": "float64"})


def row(table: pd.DataFrame, **wanted: object) -> pd.Series:
    """The one row that has these values."""
    chosen = table
    for column, value in wanted.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1, f"{len(chosen)} rows for {wanted}"
    return chosen.iloc[0]
