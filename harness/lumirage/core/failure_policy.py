"""Failed runs, and the policy that fills them: the one rule by which analysis, report and summary make their means.

Failures are never dropped in silence. Every run that is not ok has a place, and a policy fills it, repeat by repeat:

identity  the failed run gets what doing nothing got on that pair
worst     it gets the worst that any method or sentinel got on that pair
drop      it is left out of the pairs that are compared, and counted

In metrics of regularity doing nothing is perfect, so that failing would be a reward: there both `identity` and `worst`
give the worst value. A run that ended well and has no value in a metric is not a failure: it stays without one.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.core.metrics import direction, is_regularity
from lumirage.core.model import SENTINELS, Outcome

Policy = Literal["identity", "worst", "drop"]
POLICIES: tuple[Policy, ...] = ("identity", "worst", "drop")

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Attempts:
    """Who ran what in one track and condition, whatever the metric."""

    methods: tuple[str, ...]
    """Sentinels first."""
    not_ok: frozenset[tuple[str, str, int]]
    """Method, pair and repeat of the runs that did not end well."""
    repeats: tuple[int, ...]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Attempts":
        """From pair-level rows of scores, of any metrics (columns method, pair, repeat, outcome)."""
        found = sorted(set(rows["method"].astype(str)))
        methods = tuple(s for s in SENTINELS if s in found) + tuple(m for m in found if m not in SENTINELS)
        bad = rows.loc[rows["outcome"].astype(str) != Outcome.OK, ["method", "pair", "repeat"]].drop_duplicates()
        not_ok = frozenset((str(m), str(p), int(r)) for m, p, r in bad.itertuples(index=False))
        return cls(methods, not_ok, tuple(sorted({int(r) for r in rows["repeat"].unique()})))


@dataclass(frozen=True)
class RawValues:
    """One metric before a policy has filled the failures; (methods, pairs, repeats)."""

    methods: tuple[str, ...]
    values: Floats
    """NaN where there is no value."""
    failed: Bools
    """The run was not ok, or its value was not finite."""

    @classmethod
    def of(cls, rows: pd.DataFrame, attempts: Attempts, pairs: Sequence[str]) -> "RawValues":
        """From the rows of one metric, preset and source (columns method, pair, repeat, value); others are passed over."""
        place_m = {m: i for i, m in enumerate(attempts.methods)}
        place_p = {p: i for i, p in enumerate(pairs)}
        place_r = {r: i for i, r in enumerate(attempts.repeats)}
        values = np.full((len(place_m), len(place_p), len(place_r)), np.nan)
        failed = np.zeros(values.shape, dtype=np.bool_)
        rows = rows[rows["pair"].isin(list(pairs))]
        m, p, r = (_places(rows[c], at) for c, at in (("method", place_m), ("pair", place_p), ("repeat", place_r)))
        got = rows["value"].to_numpy(dtype=np.float64)
        values[m, p, r] = np.where(np.isfinite(got), got, np.nan)
        failed[m, p, r] = np.isinf(got)
        for method, pair, repeat in attempts.not_ok:
            if pair in place_p:
                failed[place_m[method], place_p[pair], place_r[repeat]] = True
        values[failed] = np.nan
        return cls(attempts.methods, values, failed)

    def under(self, policy: Policy, metric: str) -> Floats:
        """(methods, pairs): failures filled by the policy, repeats averaged; NaN for a pair without any value."""
        values = self.values if policy == "drop" else self._filled(policy, metric)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a pair without any value is NaN, as it should be
            return np.asarray(np.nanmean(values, axis=2))

    def _filled(self, policy: Policy, metric: str) -> Floats:
        sign = direction(metric)
        if sign == 0:
            return self.values
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            if is_regularity(metric) or policy == "worst":
                substitute = sign * np.nanmin(sign * self.values, axis=(0, 2))
            elif "identity" in self.methods:
                substitute = np.nanmean(self.values[self.methods.index("identity")], axis=1)
            else:
                substitute = np.full(self.values.shape[1], np.nan)
        return np.where(self.failed, substitute[None, :, None], self.values)


def _places(column: "pd.Series[Any]", places: dict[Any, int]) -> npt.NDArray[np.int64]:
    return column.map(places).to_numpy(dtype=np.int64)
