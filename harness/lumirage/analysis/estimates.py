"""Holds an estimate with its standard error and interval, and the tests that it allows."""

import math
from dataclasses import dataclass, replace

from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A difference with its uncertainty; NaN for what is undefined, and `reason` says why."""

    value: float
    se: float = math.nan
    df: float = math.nan
    """Degrees of freedom of the t interval."""
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    """Two-sided, against 0."""
    reason: str = ""
    """Why there is no interval; empty if there is one."""

    def times(self, sign: int) -> "Estimate":
        """The estimate seen from the other side, if the sign is -1."""
        low, high = sorted((sign * self.low, sign * self.high)) if self.se >= 0 else (self.low, self.high)
        return replace(self, value=sign * self.value, low=low, high=high)

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is not above the bound; NaN without a spread."""
        return float(stats.t.sf((self.value - bound) / self.se, self.df)) if self.se > 0 else math.nan

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is not below the bound; NaN without a spread."""
        return float(stats.t.cdf((self.value - bound) / self.se, self.df)) if self.se > 0 else math.nan


def estimate(value: float, se: float, df: float, confidence: float, reason: str = "") -> Estimate:
    """The estimate with its t interval, value +/- t(df) * se; without one if the standard error is NaN."""
    if not math.isfinite(se):
        return Estimate(value, reason=reason or "no standard error")
    half = float(stats.t.ppf(0.5 + confidence / 2, df)) * se
    p = float(2 * stats.t.sf(abs(value) / se, df)) if se > 0 else math.nan
    return Estimate(value, se, df, value - half, value + half, p)
