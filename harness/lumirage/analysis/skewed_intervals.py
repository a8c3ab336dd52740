"""Intervals and tests that know that effects may be skewed: those of t, made longer on the side where the skewness points.

The mean of skewed effects of few people is itself skewed, and a t interval misses the truth mostly on one side. Hall (J. R.
Statist. Soc. B 54(1), 1992) transforms t so that the skewness cancels. With a handful of people the skewness is estimated
badly, so nothing is taken away on the other side: an interval is the hull of both, a p value the larger one. All functions
take the statistic T = (estimate - bound) / SE and `skew`, the skewness of the estimate; arrays or numbers.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]

NO_SKEW = 1e-6
"""Below this, the transformation is the identity."""


def skewness_words(skew: float, n_units: int) -> str:
    """A note if people's effects are clearly skewed, beyond two standard errors of normal ones; else empty."""
    n = float(n_units)
    if n < 3 or not np.isfinite(skew):
        return ""
    skewness = float(skew) * np.sqrt(n)
    error = np.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    if abs(skewness) <= 2 * error:
        return ""
    return f"effects are skewed ({skewness:.1f}): the interval is longer on one side"


def transformed(statistic: npt.ArrayLike, skew: npt.ArrayLike) -> FloatArray:
    """Hall's monotone transformation of T, which has nearly the t distribution where T itself is skewed."""
    t, k = np.asarray(statistic, dtype=np.float64), np.nan_to_num(np.asarray(skew, dtype=np.float64))
    return np.asarray(t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6)


def untransformed(quantile: npt.ArrayLike, skew: npt.ArrayLike) -> FloatArray:
    """The T whose transformation is the quantile."""
    x, k = np.asarray(quantile, dtype=np.float64), np.nan_to_num(np.asarray(skew, dtype=np.float64))
    plain = np.abs(k) < NO_SKEW
    k = np.where(plain, 1.0, k)
    return np.where(plain, x, 3 / k * (np.cbrt(1 + k * (x - k / 6)) - 1))


def interval(
    value: npt.ArrayLike, se: npt.ArrayLike, df: npt.ArrayLike, skew: npt.ArrayLike, confidence: float
) -> FloatArray:
    """Both ends, (2, ...): the hull of the t interval and of Hall's."""
    value, se = np.asarray(value, dtype=np.float64), np.asarray(se, dtype=np.float64)
    critical = stats.t.ppf(0.5 + confidence / 2, df)
    longest = np.maximum(critical, untransformed(critical, skew))
    shortest = np.minimum(-critical, untransformed(-critical, skew))
    return np.stack([value - longest * se, value - shortest * se])


def p_above(statistic: npt.ArrayLike, df: npt.ArrayLike, skew: npt.ArrayLike) -> FloatArray:
    """One-sided p of the hypothesis that the true value is not above the bound."""
    return np.maximum(stats.t.sf(statistic, df), stats.t.sf(transformed(statistic, skew), df))


def p_below(statistic: npt.ArrayLike, df: npt.ArrayLike, skew: npt.ArrayLike) -> FloatArray:
    """One-sided p of the hypothesis that the true value is not below the bound."""
    return np.maximum(stats.t.cdf(statistic, df), stats.t.cdf(transformed(statistic, skew), df))


def p_two_sided(statistic: npt.ArrayLike, df: npt.ArrayLike, skew: npt.ArrayLike) -> FloatArray:
    """Two-sided p: below .05 where the 95 % interval does not hold the bound."""
    return np.minimum(1.0, 2 * np.minimum(p_above(statistic, df, skew), p_below(statistic, df, skew)))
