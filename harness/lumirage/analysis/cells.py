"""From the table of scores to matrices: one cell a track, condition, metric, preset and label source, with its failures.

Failures are never dropped in silence. Every run that is not ok has a place in the matrix, and a policy fills it:

identity  the failed run gets what doing nothing got on that pair
worst     it gets the worst that any method or sentinel got on that pair
drop      it is left out of the pairs that are compared, and counted

In metrics of regularity doing nothing is perfect, so that failing would be a reward: there both `identity` and `worst`
give the worst value.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.resampling import FloatArray
from lumirage.errors import DataError
from lumirage.metrics import direction, is_regularity
from lumirage.model import SENTINELS, Outcome

Policy = Literal["identity", "worst", "drop"]
POLICIES: tuple[Policy, ...] = ("identity", "worst", "drop")

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
    """(methods, pairs), repeats averaged; NaN where there is no value."""
    failed: BoolArray
    """(methods, pairs): some run of this method on this pair was not ok, or its value was not finite."""

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.key["metric"]

    @property
    def direction(self) -> int:
        """1 where higher is better, -1 where lower is, 0 where neither."""
        return direction(self.metric)

    def of(self, method: str) -> FloatArray:
        """The values of one method, (pairs,)."""
        return self.values[self.methods.index(method)]


@dataclass(frozen=True)
class RawCell:
    """As `Cell`, before a policy has filled the failures; (methods, pairs, repeats)."""

    cell: Cell
    values: FloatArray
    failed: BoolArray

    def under(self, policy: Policy) -> Cell:
        """The cell with its failures filled by the policy, repeats averaged."""
        values = self.values if policy == "drop" else self._filled(policy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a pair without any value is NaN, as it should be
            return replace(self.cell, values=np.nanmean(values, axis=2))

    def _filled(self, policy: Policy) -> FloatArray:
        sign = self.cell.direction
        if sign == 0:
            return self.values
        worst = is_regularity(self.cell.metric) or policy == "worst"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            if worst:
                substitute = sign * np.nanmin(sign * self.values, axis=(0, 2))
            elif "identity" in self.cell.methods:
                substitute = np.nanmean(self.values[self.cell.methods.index("identity")], axis=1)
            else:
                substitute = np.full(len(self.cell.pairs), np.nan)
        return np.where(self.failed, substitute[None, :, None], self.values)


def cells_of(scores: pd.DataFrame) -> Iterator[RawCell]:
    """All cells of a table of scores (columns SCORE_COLUMNS; rows of single labels are passed over), sorted by key.

    Raises DataError when columns are missing or no pair-level row is left.
    """
    rows = pair_rows(scores)
    for (track, condition), group in rows.groupby(["track", "condition"], observed=True, sort=True):
        runs = _Runs.of(group)
        for key, part in group.groupby(list(KEY[2:]), observed=True, sort=True):
            names = dict(zip(KEY, (str(track), str(condition), *map(str, key)), strict=True))
            yield _raw_cell(names, part, runs)


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


@dataclass(frozen=True)
class _Runs:
    """Who ran what in one track and condition, whatever the metric."""

    methods: tuple[str, ...]
    not_ok: frozenset[tuple[str, str, int]]
    repeats: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, group: pd.DataFrame) -> "_Runs":
        found = sorted(set(group["method"].astype(str)))
        methods = tuple(s for s in SENTINELS if s in found) + tuple(m for m in found if m not in SENTINELS)
        bad = group.loc[group["outcome"].astype(str) != Outcome.OK, ["method", "pair", "repeat"]].drop_duplicates()
        not_ok = frozenset((str(m), str(p), int(r)) for m, p, r in bad.itertuples(index=False))
        repeats = {str(m): tuple(sorted(set(g))) for m, g in group.groupby("method", observed=True)["repeat"]}
        return cls(methods, not_ok, repeats)


def _raw_cell(key: dict[str, str], part: pd.DataFrame, runs: _Runs) -> RawCell:
    subjects = part[["pair", "fixed_subject", "moving_subject"]].astype(str).drop_duplicates("pair").sort_values("pair")
    pairs = tuple(subjects["pair"])
    place_m = {m: i for i, m in enumerate(runs.methods)}
    place_p = {p: i for i, p in enumerate(pairs)}
    all_repeats = sorted({r for repeats in runs.repeats.values() for r in repeats})
    place_r = {r: i for i, r in enumerate(all_repeats)}
    values = np.full((len(runs.methods), len(pairs), len(all_repeats)), np.nan)
    failed = np.zeros(values.shape, dtype=np.bool_)
    m = part["method"].map(place_m).to_numpy(dtype=np.int64)
    p = part["pair"].map(place_p).to_numpy(dtype=np.int64)
    r = part["repeat"].map(place_r).to_numpy(dtype=np.int64)
    got = part["value"].to_numpy(dtype=np.float64)
    values[m, p, r] = np.where(np.isfinite(got), got, np.nan)
    failed[m, p, r] = np.isinf(got)
    for method, pair, repeat in runs.not_ok:
        if pair in place_p:
            failed[place_m[method], place_p[pair], place_r[repeat]] = True
    values[failed] = np.nan
    design = detect_design(list(subjects["fixed_subject"]), list(subjects["moving_subject"]))
    return RawCell(
        Cell(key, runs.methods, pairs, design, values[:, :, 0], np.asarray(failed.any(axis=2))), values, failed
    )
