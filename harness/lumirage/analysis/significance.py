"""Computes tests besides the effects: on subjects (secondary), equivalence, Holm's correction, and as in the literature."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from lumirage.analysis.resampling import FloatArray
from lumirage.core.errors import UsageError

INTERPOLATION_EFFECT = 0.0071
"""Change of mean Dice by the choice of label interpolation alone (measured: nearest .8347, soft linear .8311, argmax of
linear one-hot .8382)."""

EXACT_UNITS = 12
"""Up to this many units all 2^n flips are tried."""

FLIPS = 1999
"""Number of random flips for more units."""

CHUNK = 256

EXACT_PAIRS = 13
"""Up to this many pairs Wilcoxon's test tries all 2^n flips, as scipy does if there are ties."""


@dataclass(frozen=True)
class Literature:
    """One comparison as in papers: pairs treated as independent. Flagged wherever it is shown."""

    n_pairs: int
    difference: float
    ci_low: float
    ci_high: float
    p_t: float
    p_wilcoxon: float
    cohen_d: float
    """Pooled: mean difference over the root mean square of the two standard deviations."""


def wilcoxon_p(differences: FloatArray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test against 0; NaN values are left out. NaN if all are 0 or there is none."""
    d = differences[np.isfinite(differences)]
    if d.size == 0 or not d.any():
        return float("nan")
    if d.size > EXACT_PAIRS:
        return float(stats.wilcoxon(d).pvalue)
    # scipy does the same if there are ties or zeros, but one flip at a time: 0.1 s for each test.
    moved = d[d != 0]
    ranks = stats.rankdata(np.abs(moved))
    sums = (_all_signs(np.arange(2**moved.size), moved.size) > 0) @ ranks
    observed = ranks[moved > 0].sum()
    return float(min(2 * min((sums <= observed).mean(), (sums >= observed).mean()), 1.0))


def sign_flip_p(contributions: FloatArray, seed: int) -> FloatArray:
    """Two-sided p of the sign-flip permutation test on the units' contributions, (n_units, k) -> (k,).

    All 2^n flips up to 12 units, else 1,999 random ones with the identity counted in. NaN below three units.
    """
    there = np.isfinite(contributions)
    filled = np.where(there, contributions, 0.0)
    n_units = contributions.shape[0]
    observed = np.abs(filled.sum(axis=0))
    reached = np.zeros(contributions.shape[1])
    # Sums that differ only by rounding count as equal.
    least = observed * (1 - 1e-12)
    exact = n_units <= EXACT_UNITS
    n_flips = 2**n_units if exact else FLIPS
    rng = np.random.default_rng(seed)
    for start in range(0, n_flips, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, n_flips))
        signs = _all_signs(numbers, n_units) if exact else _random_signs(rng, (len(numbers), n_units))
        reached += (np.abs(signs @ filled) >= least).sum(axis=0)
    p = reached / n_flips if exact else (reached + 1) / (n_flips + 1)
    return np.where(there.sum(axis=0) < 3, np.nan, p)


def tost_p(difference: float, se: float, df: float, margin: float) -> float:
    """p of two one-sided t tests that the difference lies within +/- margin. Raises UsageError for a margin <= 0."""
    if margin <= 0:
        raise UsageError(f"an equivalence margin must be positive, not {margin:g}")
    lower = stats.t.sf((difference + margin) / se, df)
    upper = stats.t.cdf((difference - margin) / se, df)
    return float(max(lower, upper))


def check_margin(metric: str, margin: float, interpolation_effect: float = INTERPOLATION_EFFECT) -> None:
    """Raises UsageError for a margin below the measurement's own variation: equivalence would mean nothing there."""
    if margin <= 0:
        raise UsageError(f"the equivalence margin of {metric} must be positive, not {margin:g}")
    if metric.lower().startswith("dice") and margin < interpolation_effect:
        raise UsageError(
            f"the equivalence margin {margin:g} of {metric} is below {interpolation_effect:g}, the change of "
            "mean Dice by the choice of label interpolation alone: two methods closer than that differ less than two ways of "
            f"scoring one method. Choose {interpolation_effect:g} or more."
        )


def holm(p: npt.ArrayLike) -> FloatArray:
    """Holm's step-down adjusted p values; NaN stays NaN and is not counted."""
    given = np.asarray(p, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    there = np.flatnonzero(np.isfinite(given))
    order = there[np.argsort(given[there], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def as_in_the_literature(a: FloatArray, b: FloatArray, confidence: float = 0.95) -> Literature:
    """Naive paired t test, Wilcoxon and pooled Cohen's d over pairs (n_pairs,), as if no two pairs shared a subject."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    n, d = len(a), a - b
    if n < 2:
        nan = float("nan")
        return Literature(n, float(d.mean()) if n else nan, nan, nan, nan, nan, nan)
    mean, se = float(d.mean()), float(d.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * se
    p = float(2 * stats.t.sf(abs(mean) / se, n - 1)) if se > 0 else float("nan")
    pooled = float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    return Literature(
        n, mean, mean - half, mean + half, p, wilcoxon_p(d), mean / pooled if pooled > 0 else float("nan")
    )


def _all_signs(numbers: npt.NDArray[np.int64], n_units: int) -> FloatArray:
    bits = (numbers[:, None] >> np.arange(n_units)) & 1
    return np.where(bits == 1, 1.0, -1.0)


def _random_signs(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.asarray(2.0 * rng.integers(0, 2, size=shape, dtype=np.int8) - 1.0, dtype=np.float64)
