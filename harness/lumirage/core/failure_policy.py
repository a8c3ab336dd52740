"""Failed runs, and the policy that fills them: the one rule by which analysis, report and summary make their means.

Failures are never dropped in silence. Every run that is not ok has a place, and a policy fills it, repeat by repeat:

identity  the failed run gets what doing nothing got on that pair, or what the affine got where that is worse
worst     it gets the worst that any method or sentinel got on that pair
drop      it is left out of the pairs that are compared, and counted

So failing is never ahead of the affine. In metrics of regularity and consistency doing nothing is perfect, so that
failing would be a reward: there both `identity` and `worst` give the worst value of the methods on that pair, or on any
pair where all failed on that one. A run that ended well and has no value in a metric is not a failure: it stays without.
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
"""What becomes of a failed run, in words."""

LARGEST = 1e100
"""Values beyond this are no measurement: they count as infinite ones do, as failures. Their squares would be infinite."""

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
class PolicyMean:
    """The mean of one method in one metric under a policy, and how much of it is the policy's."""

    value: float
    """NaN where no pair has a value."""
    n_pairs: int
    """That it is over."""
    filled: int
    """Of these, how many have a value that the policy put in."""
    failed: int
    """Pairs with a failed run, whether filled or left out."""


@dataclass(frozen=True)
class RawValues:
    """One metric before a policy has filled the failures; (methods, pairs, repeats)."""

    methods: tuple[str, ...]
    values: Floats
    """NaN where there is no value."""
    failed: Bools
    """The run was not ok, or its value was infinite or as good as that."""

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
        """(methods, pairs): whether the policy put a value in the place of some run of this method on this pair."""
        return np.asarray(self.failed.any(axis=2)) & np.isfinite(self._substitutes(policy, metric))[None, :]

    def means(self, policy: Policy, metric: str, pairs: Bools | None = None) -> dict[str, "PolicyMean"]:
        """Method -> its mean over all pairs, or those of a mask: what every table, figure and sentence shows."""
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
        """(methods,): whether runs of a method failed and no value is its own: whatever it shows, a policy put in."""
        return np.asarray(self.failed.any(axis=(1, 2)) & ~np.isfinite(self.values).any(axis=(1, 2)))

    def _substitutes(self, policy: Policy, metric: str) -> Floats:
        """What a failed run counts as, (pairs,); NaN where it is left out."""
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
