"""Turns the table of scores into matrices: one cell for each track, condition, metric, preset and label source.

Cells include failures; `lumirage.core.failure_policy` decides what a failed run counts as.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.resampling import FloatArray
from lumirage.core.errors import DataError
from lumirage.core.failure_policy import Attempts, Policy, RawValues
from lumirage.core.metrics import direction

KEY = ("track", "condition", "metric", "preset", "settings", "source")
NEEDED = (*KEY, "method", "pair", "repeat", "fixed_subject", "moving_subject", "outcome", "label", "value")

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cell:
    """The values of all methods on all pairs in one metric."""

    key: dict[str, str]
    """The columns KEY."""
    methods: tuple[str, ...]
    """Sentinels first."""
    pairs: tuple[str, ...]
    design: Design
    values: FloatArray
    """(methods, pairs), repeats averaged; NaN if there is no value."""
    failed: BoolArray
    """(methods, pairs): some run of this method on this pair was not ok, or its value was not finite."""
    filled: BoolArray
    """(methods, pairs): the value includes one that a policy put in place of a failed run."""
    without_own: BoolArray
    """(methods,): runs failed, and none of the values is the method's own."""

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.key["metric"]

    @property
    def direction(self) -> int:
        """1 if higher is better, -1 if lower is better, 0 if neither."""
        return direction(self.metric)

    def of(self, method: str) -> FloatArray:
        """The values of one method, (pairs,)."""
        return self.values[self.methods.index(method)]

    def among(self, methods: Sequence[str]) -> "Cell":
        """The cell with these methods alone."""
        kept = [self.methods.index(method) for method in methods]
        arrays = {name: getattr(self, name)[kept] for name in ("values", "failed", "filled", "without_own")}
        return replace(self, methods=tuple(methods), **arrays)


@dataclass(frozen=True)
class RawCell:
    """Like `Cell`, before a policy has filled the failures."""

    cell: Cell
    runs: RawValues

    def under(self, policy: Policy) -> Cell:
        """The cell with its failures filled by the policy, repeats averaged."""
        metric = self.cell.metric
        return replace(self.cell, values=self.runs.under(policy, metric), filled=self.runs.filled(policy, metric))


def cells_of(scores: pd.DataFrame, metric: str = "") -> Iterator[RawCell]:
    """All cells of a table of scores (columns SCORE_COLUMNS; rows of single labels are skipped), or those of one metric,
    sorted by key. Which runs failed is known from the rows of all metrics.

    Raises DataError if columns are missing or no pair-level row is left.
    """
    rows = pair_rows(scores)
    for (track, condition), group in rows.groupby(["track", "condition"], observed=True, sort=True):
        attempts = Attempts.of(group)
        for key, part in group.groupby(list(KEY[2:]), observed=True, sort=True):
            names = dict(zip(KEY, (str(track), str(condition), *map(str, key)), strict=True))
            if metric in ("", names["metric"]):
                yield _raw_cell(names, part, attempts)


def pair_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The pair-level rows with the columns NEEDED, text as categories, missing text as ''. Raises DataError."""
    missing = [c for c in NEEDED if c not in scores.columns]
    if missing:
        raise DataError(f"the table of scores lacks the columns {', '.join(missing)}: score again")
    rows = scores.loc[scores["label"].isna(), list(NEEDED)].drop(columns="label")
    if rows.empty:
        raise DataError("the table of scores has no pair-level row (label empty): score again")
    for column in rows.columns.difference(["value", "repeat"]):
        text = rows[column].astype("category")
        if text.isna().any():
            text = (text if "" in text.cat.categories else text.cat.add_categories("")).fillna("")
        rows[column] = text.cat.rename_categories([str(c) for c in text.cat.categories])
    rows["value"] = pd.to_numeric(rows["value"]).astype("float64")
    rows["repeat"] = pd.to_numeric(rows["repeat"]).fillna(0).astype("int64")
    return rows


def _raw_cell(key: dict[str, str], part: pd.DataFrame, attempts: Attempts) -> RawCell:
    subjects = part[["pair", "fixed_subject", "moving_subject"]].astype(str).drop_duplicates("pair").sort_values("pair")
    pairs = tuple(subjects["pair"])
    raw = RawValues.of(part, attempts, pairs)
    design = detect_design(list(subjects["fixed_subject"]), list(subjects["moving_subject"]))
    cell = Cell(
        key=key,
        methods=raw.methods,
        pairs=pairs,
        design=design,
        values=raw.values[:, :, 0],
        failed=np.asarray(raw.failed.any(axis=2)),
        filled=np.zeros(raw.values.shape[:2], dtype=np.bool_),
        without_own=raw.without_own(),
    )
    return RawCell(cell, raw)
