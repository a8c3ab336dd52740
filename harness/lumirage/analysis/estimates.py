"""Holds an estimate with its standard error and interval, and the tests that it allows."""

import math
from dataclasses import dataclass, replace

from lumirage.analysis import skewed_intervals as skewed


@dataclass(frozen=True)
class Estimate:
    """A difference with its uncertainty; NaN for what is undefined, and `reason` says why."""

    value: float
    se: float = math.nan
    df: float = math.nan
    """Degrees of freedom."""
    skew: float = 0.0
    """Skewness of the estimate: that of the people's contributions, over the root of their number."""
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    """Two-sided, against 0."""
    reason: str = ""
    """Why there is no interval; empty if there is one."""

    def times(self, sign: int) -> "Estimate":
        """The estimate seen from the other side, if the sign is -1."""
        low, high = sorted((sign * self.low, sign * self.high)) if self.se >= 0 else (self.low, self.high)
        return replace(self, value=sign * self.value, skew=sign * self.skew, low=low, high=high)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is not above the bound; NaN without a spread."""
        return float(skewed.p_above((self.value - bound) / self.se, self.df, self.skew)) if self.se > 0 else math.nan

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is not below the bound; NaN without a spread."""
        return float(skewed.p_below((self.value - bound) / self.se, self.df, self.skew)) if self.se > 0 else math.nan

    def p_within(self, margin: float) -> float:
        """p of two one-sided tests (TOST) that the true value lies within +/- margin; NaN without a spread or a margin."""
        return max(self.p_above(-margin), self.p_below(margin)) if margin > 0 else math.nan


@dataclass(frozen=True)
class Precision:
    """How exactly an estimate is known."""

    se: float
    df: float
    skew: float = 0.0


def estimate(value: float, precision: Precision, confidence: float, reason: str = "") -> Estimate:
    """The estimate with its interval and p (see `skewed_intervals`); without them if the standard error is NaN."""
    se, df, skew = precision.se, precision.df, precision.skew
    if not math.isfinite(se):
        return Estimate(value, reason=reason or "no standard error")
    low, high = map(float, skewed.interval(value, se, df, skew, confidence))
    p = float(skewed.p_two_sided(value / se, df, skew)) if se > 0 else math.nan
    return Estimate(value, se, df, skew, low, high, p)
