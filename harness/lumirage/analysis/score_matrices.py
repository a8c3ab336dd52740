"""Turns the table of scores into matrices: one cell for each track, condition, metric, preset and label source.

Cells include failures; `lumirage.core.failure_policy` decides what a failed run counts as.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
Names = tuple[str, ...]
_Designs = dict[tuple[Names, Names, Names], tuple[Names, Design]]
"""Pairs, subjects of their fixed and of their moving scans -> the same pairs, and their design."""


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


Scores = pd.DataFrame | tuple[RawCell, ...]
"""What an analysis is made from: a table of scores (columns SCORE_COLUMNS), or its cells, made once for several analyses."""


def cells_of(scores: Scores, metric: str = "") -> Iterator[RawCell]:
    """All cells of a table of scores (columns SCORE_COLUMNS; rows of single labels are skipped), or those of one metric,
    sorted by key. Which runs failed is known from the rows of all metrics.

    Raises DataError if columns are missing or no pair-level row is left.
    """
    if isinstance(scores, tuple):
        yield from (raw for raw in scores if metric in ("", raw.cell.metric))
        return
    rows = pair_rows(scores)
    designs: _Designs = {}
    for (track, condition), group in rows.groupby(["track", "condition"], observed=True, sort=True):
        attempts = Attempts.of(group)
        for key, part in group.groupby(list(KEY[2:]), observed=True, sort=True):
            names = dict(zip(KEY, (str(track), str(condition), *map(str, key)), strict=True))
            if metric in ("", names["metric"]):
                yield _raw_cell(names, part, attempts, designs)


def pair_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The pair-level rows with the columns NEEDED, text as categories, missing text as ''. Raises DataError."""
    missing = [c for c in NEEDED if c not in scores.columns]
    if missing:
        raise DataError(f"the table of scores lacks the columns {', '.join(missing)}: score again")
    rows = scores.loc[scores["label"].isna(), list(NEEDED)].drop(columns="label")
    if rows.empty:
        raise DataError("the table of scores has no pair-level row (label empty): score again")
    for column in rows.columns.difference(["value", "repeat"]):
        rows[column] = as_categories(rows[column])
    rows["value"] = pd.to_numeric(rows["value"]).astype("float64")
    rows["repeat"] = pd.to_numeric(rows["repeat"]).fillna(0).astype("int64")
    return rows


def as_categories(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    """Text as categories in their order, missing text as ''."""
    coded: pd.Series[Any] = texts.astype("category")
    if coded.isna().any():
        coded = (coded if "" in coded.cat.categories else coded.cat.add_categories("")).fillna("")
    coded = coded.cat.rename_categories([str(c) for c in coded.cat.categories])
    known = coded.cat.categories
    return coded if known.is_monotonic_increasing else coded.cat.set_categories(sorted(known))


def _raw_cell(key: dict[str, str], part: pd.DataFrame, attempts: Attempts, designs: _Designs) -> RawCell:
    codes, first = np.unique(part["pair"].cat.codes, return_index=True)
    names = part["pair"].cat.categories.to_numpy(dtype=object)[codes]
    order = np.argsort(names)
    fixed, moving = (tuple(part[f"{role}_subject"].iloc[first[order]]) for role in ("fixed", "moving"))
    people = (tuple(names[order]), fixed, moving)
    if people not in designs:  # most metrics have the same pairs
        designs[people] = people[0], detect_design(fixed, moving)
    pairs, design = designs[people]
    raw = RawValues.of(part, attempts, pairs)
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
