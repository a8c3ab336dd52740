"""Failed runs, and the policy that gives them a value. Analysis, report and summary all use these means.

Failures are never dropped silently. Every run that is not ok gets a value by a policy, for each repeat:

identity  the value of doing nothing on that pair, or that of the affine if it is worse
worst     the worst value of all methods and sentinels on that pair
drop      no value: the pair is left out of the comparison, and counted

So a failed run is never better than the affine. In metrics of regularity and consistency doing nothing is perfect, and
failing would be rewarded: there both `identity` and `worst` give the worst value of the methods on that pair, or on any
pair if all methods failed on that one. A run that is ok but has no value in a metric is not a failure: it stays without.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.core.metrics import direction, nothing_is_perfect
from lumirage.core.model import SENTINELS, Outcome

Policy = Literal["identity", "worst", "drop"]
POLICIES: tuple[Policy, ...] = ("identity", "worst", "drop")

COUNTED_AS: dict[str, str] = {
    "identity": "counts as doing nothing, or as the affine where that is worse",
    "worst": "counts as the worst that any method got",
    "drop": "was left out",
}
"""What happens to a failed run, in words."""

LARGEST = 1e100
"""Larger values count as failures, like infinite ones: their squares would be infinite."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Attempts:
    """The runs of one track and condition, for all metrics."""

    methods: tuple[str, ...]
    """Sentinels first."""
    not_ok: frozenset[tuple[str, str, int]]
    """Method, pair and repeat of the runs that are not ok."""
    repeats: tuple[int, ...]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Attempts":
        """From pair-level rows of scores, of any metrics (columns method, pair, repeat, outcome)."""
        found = sorted(map(str, rows["method"].unique()))
        methods = tuple(s for s in SENTINELS if s in found) + tuple(m for m in found if m not in SENTINELS)
        bad = rows.loc[rows["outcome"] != Outcome.OK, ["method", "pair", "repeat"]].drop_duplicates()
        not_ok = frozenset((str(m), str(p), int(r)) for m, p, r in bad.itertuples(index=False))
        return cls(methods, not_ok, tuple(sorted({int(r) for r in rows["repeat"].unique()})))


@dataclass(frozen=True)
class PolicyMean:
    """The mean of one method in one metric under a policy, and how many values come from the policy."""

    value: float
    """NaN where no pair has a value."""
    n_pairs: int
    """Number of pairs in the mean."""
    filled: int
    """How many of these have a value from the policy."""
    failed: int
    """Number of pairs with a failed run, whether filled or left out."""


@dataclass(frozen=True)
class RawValues:
    """The values of one metric, (methods, pairs, repeats), before a policy has filled the failures."""

    methods: tuple[str, ...]
    values: Floats
    """NaN where there is no value."""
    failed: Bools
    """Whether the run was not ok, or its value was infinite or larger than the limit above."""

    @classmethod
    def of(cls, rows: pd.DataFrame, attempts: Attempts, pairs: Sequence[str]) -> "RawValues":
        """From the rows of one metric, preset and source (columns method, pair, repeat, value); other rows are ignored."""
        place_m = {m: i for i, m in enumerate(attempts.methods)}
        place_p = {p: i for i, p in enumerate(pairs)}
        place_r = {r: i for i, r in enumerate(attempts.repeats)}
        values = np.full((len(place_m), len(place_p), len(place_r)), np.nan)
        failed = np.zeros(values.shape, dtype=np.bool_)
        rows = rows[rows["pair"].isin(list(pairs))]
        m, p, r = (_places(rows[c], at) for c, at in (("method", place_m), ("pair", place_p), ("repeat", place_r)))
        got = rows["value"].to_numpy(dtype=np.float64)
        values[m, p, r] = np.where(np.abs(got) <= LARGEST, got, np.nan)
        failed[m, p, r] = np.abs(got) > LARGEST
        for method, pair, repeat in attempts.not_ok:
            if pair in place_p:
                failed[place_m[method], place_p[pair], place_r[repeat]] = True
        values[failed] = np.nan
        return cls(attempts.methods, values, failed)

    def under(self, policy: Policy, metric: str) -> Floats:
        """(methods, pairs): failures filled by the policy, repeats averaged; NaN for a pair without any value."""
        filled = np.where(self.failed, self._substitutes(policy, metric)[None, :, None], self.values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a pair without any value is NaN, as it should be
            return np.asarray(np.nanmean(filled, axis=2))

    def filled(self, policy: Policy, metric: str) -> Bools:
        """(methods, pairs): whether the policy gave a value to a run of this method on this pair."""
        return np.asarray(self.failed.any(axis=2)) & np.isfinite(self._substitutes(policy, metric))[None, :]

    def means(self, policy: Policy, metric: str, pairs: Bools | None = None) -> dict[str, "PolicyMean"]:
        """Method -> its mean over all pairs, or over those of a mask. Every table, figure and sentence shows these means."""
        chosen = np.ones(self.values.shape[1], dtype=np.bool_) if pairs is None else pairs
        values, filled = self.under(policy, metric)[:, chosen], self.filled(policy, metric)[:, chosen]
        failed = np.asarray(self.failed.any(axis=2))[:, chosen]
        return {
            method: PolicyMean(
                value=float(row[np.isfinite(row)].mean()) if np.isfinite(row).any() else float("nan"),
                n_pairs=int(np.isfinite(row).sum()),
                filled=int(put_in.sum()),
                failed=int(lost.sum()),
            )
            for method, row, put_in, lost in zip(self.methods, values, filled, failed, strict=True)
        }

    def without_own(self) -> Bools:
        """(methods,): whether runs of a method failed and none has a value of its own, so that all come from the policy."""
        return np.asarray(self.failed.any(axis=(1, 2)) & ~np.isfinite(self.values).any(axis=(1, 2)))

    def _substitutes(self, policy: Policy, metric: str) -> Floats:
        """The value of a failed run, (pairs,); NaN where it is left out."""
        sign = direction(metric)
        nothing = np.full(self.values.shape[1], np.nan)
        if policy == "drop" or sign == 0:
            return nothing
        of_sentinels = np.array([m in SENTINELS for m in self.methods], dtype=np.bool_)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            if nothing_is_perfect(metric):
                values = sign * self.values[~of_sentinels]
                on_pair = np.nanmin(values, axis=(0, 2)) if len(values) else nothing
                anywhere = on_pair[np.isfinite(on_pair)].min(initial=np.inf)
                return sign * np.where(np.isfinite(on_pair) | ~np.isfinite(anywhere), on_pair, anywhere)
            if policy == "worst":
                return np.asarray(sign * np.nanmin(sign * self.values, axis=(0, 2)))
            if not of_sentinels.any():
                return nothing
            return np.asarray(sign * np.nanmin(sign * np.nanmean(self.values[of_sentinels], axis=2), axis=0))


def _places(column: "pd.Series[Any]", places: dict[Any, int]) -> npt.NDArray[np.int64]:
    return column.map(places).to_numpy(dtype=np.int64)
