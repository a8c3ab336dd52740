"""Measures how often methods do not run: the share of failed runs, with an interval that knows that pairs share people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.resampling import FloatArray, jackknife_errors
from lumirage.analysis.score_matrices import pair_rows
from lumirage.core.errors import UsageError
from lumirage.core.model import Outcome
from lumirage.core.track import REFERENCE

MOST_PEOPLE = 100_000


@dataclass(frozen=True)
class FailureShare:
    """The share of runs that failed, of one method or of a family's methods together."""

    methods: tuple[str, ...]
    track: str
    condition: str
    share: float
    """0 to 1."""
    low: float
    high: float
    failed: int
    """Runs."""
    n_runs: int
    n_pairs: int
    n_people: int
    effective: float
    """Independent attempts that say as much as these runs do."""
    confidence: float

    @property
    def n_methods(self) -> int:
        """Methods."""
        return len(self.methods)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true share is at most the bound (exact binomial of the effective size)."""
        k = self.share * self.effective
        return float(stats.beta.cdf(bound, k, self.effective - k + 1)) if k > 0 else 1.0

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true share is at least the bound."""
        k = self.share * self.effective
        return float(stats.beta.sf(bound, k + 1, self.effective - k)) if k < self.effective else 1.0

    def people_needed(self, bound: float, alpha: float) -> int | None:
        """People with whom this share would differ from the bound significantly; None if even very many would not do."""
        each = self.effective / self.n_people
        for n in (int(n) for n in np.unique(np.geomspace(3, MOST_PEOPLE, 400).astype(int))):
            more = replace(self, effective=each * n)
            if 2 * min(more.p_above(bound), more.p_below(bound)) < alpha:
                return n
        return None


def failure_share(
    scores: pd.DataFrame,
    methods: Sequence[str],
    condition: str = REFERENCE,
    track: str = "",
    confidence: float = 0.95,
) -> FailureShare:
    """The failed share of the runs of some methods in one track and condition, from scores (columns SCORE_COLUMNS).

    A run fails if its outcome is not `ok`. The interval is Clopper and Pearson's with an effective number of attempts
    (Korn and Graubard, Survey Methodology 24(2), 1998): as many as have the jackknife's variance over people, at least
    one, and never more than there are pairs. Where every run failed, or none, it is the number of people: attempts of
    one person count once. Methods without scores are left out. Raises UsageError if no run is left, or for several tracks.
    """
    rows = pair_rows(scores)
    rows = rows[(rows["condition"] == condition) & rows["method"].isin(list(methods))]
    tracks = [track] if track else sorted(rows["track"].astype(str).unique())
    if len(tracks) > 1:
        raise UsageError(f"the scores have several tracks: choose one of {', '.join(tracks)}")
    rows = rows[rows["track"].isin(tracks)]
    if rows.empty:
        raise UsageError(f"no run of {', '.join(methods)} under the condition {condition}")
    names = ["pair", "fixed_subject", "moving_subject", "method", "repeat"]
    rows = rows.assign(failed=rows["outcome"].astype(str) != Outcome.OK).astype(dict.fromkeys(names[:4], str))
    runs = rows.groupby(names)["failed"].any().reset_index()
    pairs = runs.groupby(names[:3])["failed"].mean().reset_index()
    ends = list(zip(pairs["fixed_subject"], pairs["moving_subject"], strict=True))
    design = detect_design([fixed for fixed, _ in ends], [moving for _, moving in ends])
    values = pairs["failed"].to_numpy(dtype=np.float64)
    effective = effective_attempts(values, design)
    share = float(values.mean())
    low, high = share_interval(share, effective, confidence)
    return FailureShare(
        methods=tuple(sorted(set(runs["method"]))),
        track=tracks[0],
        condition=condition,
        share=share,
        low=low,
        high=high,
        failed=int(runs["failed"].sum()),
        n_runs=len(runs),
        n_pairs=len(pairs),
        n_people=len({name for pair in ends for name in pair}),
        effective=effective,
        confidence=confidence,
    )


def effective_attempts(values: FloatArray, design: Design) -> float:
    """Independent attempts that say as much about a share as the pairs' failed shares (n_pairs,), as in `failure_share`."""
    share, n_pairs, n_units = float(values.mean()), len(values), len(design.units)
    se = float(jackknife_errors(values[:, None], design)[0])
    if not se > 0:  # all or none failed, or too few people for a standard error
        return float(n_units)
    t = stats.t.ppf(0.975, [n_pairs - 1, n_units - 1])
    return float(np.clip(share * (1 - share) / se**2 * (t[0] / t[1]) ** 2, 1.0, n_pairs))


def share_interval(share: float, n: float, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of n attempts, with numbers that need not be whole."""
    tail, failed = (1 - confidence) / 2, share * n
    low = float(stats.beta.ppf(tail, failed, n - failed + 1)) if failed > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, failed + 1, n - failed)) if failed < n else 1.0
    return low, high
