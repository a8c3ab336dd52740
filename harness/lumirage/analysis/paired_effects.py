"""Computes effects between two methods: raw paired difference, d_z and d_av, each with its interval.

d_z is the mean difference over the standard deviation of the differences; d_av is the mean difference over the root
mean square of the two methods' own standard deviations (what pingouin calls 'cohen' with paired=True). The same data
can give .767 and .289, so neither is ever called "Cohen's d" here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from lumirage.analysis.designs import Design
from lumirage.analysis.resampling import FloatArray, Resampling, jackknife_errors, spread, units_with_values
from lumirage.analysis.skewed_intervals import interval, p_two_sided


@dataclass(frozen=True)
class EffectSizes:
    """Differences in standard deviations; values are (k,), intervals (2, k), NaN if undefined."""

    d_z: FloatArray
    d_z_ci: FloatArray
    d_av: FloatArray
    d_av_ci: FloatArray


@dataclass(frozen=True)
class Effects:
    """Effects of k comparisons at once; every array is (k,). NaN for an undefined value."""

    n_pairs: npt.NDArray[np.int64]
    n_units: npt.NDArray[np.int64]
    mean_a: FloatArray
    mean_b: FloatArray
    difference: FloatArray
    se: FloatArray
    se_draws: FloatArray
    ci: FloatArray
    """(2, k)"""
    p: FloatArray
    df: FloatArray
    skew: FloatArray
    """Skewness of the difference as an estimate."""
    jackknife_ci: FloatArray
    d_z: FloatArray
    d_z_ci: FloatArray
    d_av: FloatArray
    d_av_ci: FloatArray


def paired_effects(
    a: FloatArray, b: FloatArray, design: Design, resampling: Resampling, confidence: float = 0.95
) -> Effects:
    """Effects of a minus b; both are (n_pairs, k). A pair counts if both have a value.

    The interval and p of the difference are those of `skewed_intervals`, its SE from the node bootstrap. The jackknife's
    interval is difference +/- t(n_units - 1) * SE.
    """
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = both.sum(axis=0)
        difference = _mean(a - b, n)
        errors = spread(a - b, design, resampling)
        critical = stats.t.ppf(0.5 + confidence / 2, np.maximum(errors.n_units - 1, 1))
        sizes = effect_sizes(a, b, design, confidence)
        # Differences that are all equal have no spread to compare with, and d_z is NaN.
        p = p_two_sided(difference / errors.node, errors.df, errors.skew) + 0 * sizes.d_z
        return Effects(
            n_pairs=n,
            n_units=errors.n_units,
            mean_a=_mean(a, n),
            mean_b=_mean(b, n),
            difference=difference,
            se=errors.node,
            se_draws=errors.draws_sd,
            ci=interval(difference, errors.node, errors.df, errors.skew, confidence),
            p=np.asarray(p),
            df=errors.df,
            skew=errors.skew,
            jackknife_ci=_around(difference, errors.jackknife * critical),
            d_z=sizes.d_z,
            d_z_ci=sizes.d_z_ci,
            d_av=sizes.d_av,
            d_av_ci=sizes.d_av_ci,
        )


def effect_sizes(a: FloatArray, b: FloatArray, design: Design, confidence: float = 0.95) -> EffectSizes:
    """d_z and d_av of a minus b, both (n_pairs, k) with the same pairs; intervals are of t, from the jackknife of their
    linearization (influence values)."""
    n = np.isfinite(a).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_a, mean_b = _mean(a, n), _mean(b, n)
        difference = _mean(a - b, n)
        centred = a - b - difference
        sd = _sd(centred, n)
        # Rounding errors are no spread.
        sd = np.where(sd > 1e-12 * np.maximum(np.abs(mean_a), np.abs(mean_b)), sd, np.nan)
        d_z = difference / sd
        influence_z = centred / sd - d_z * ((centred / sd) ** 2 - 1) / 2
        variance = (_sd(a - mean_a, n) ** 2 + _sd(b - mean_b, n) ** 2) / 2
        d_av = difference / np.sqrt(variance)
        own = ((a - mean_a) ** 2 + (b - mean_b) ** 2) / 2
        influence_av = centred / np.sqrt(variance) - d_av * (own / variance - 1) / 2
        critical = stats.t.ppf(0.5 + confidence / 2, np.maximum(units_with_values(a, design) - 1, 1))
        return EffectSizes(
            d_z=d_z,
            d_z_ci=_around(d_z, jackknife_errors(influence_z, design) * critical),
            d_av=d_av,
            d_av_ci=_around(d_av, jackknife_errors(influence_av, design) * critical),
        )


def _mean(values: FloatArray, n: npt.NDArray[np.int64]) -> FloatArray:
    return np.asarray(np.nansum(values, axis=0) / np.where(n > 0, n, np.nan))


def _sd(centred: FloatArray, n: npt.NDArray[np.int64]) -> FloatArray:
    return np.asarray(np.sqrt(np.nansum(centred**2, axis=0) / np.where(n > 1, n - 1.0, np.nan)))


def _around(centre: FloatArray, half: FloatArray) -> FloatArray:
    return np.stack([centre - half, centre + half])
