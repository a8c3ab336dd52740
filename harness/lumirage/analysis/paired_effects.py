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
from lumirage.analysis.resampling import FloatArray, Resampling, jackknife_errors, spread


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
    jackknife_ci: FloatArray
    d_z: FloatArray
    d_z_ci: FloatArray
    d_av: FloatArray
    d_av_ci: FloatArray


def paired_effects(
    a: FloatArray, b: FloatArray, design: Design, resampling: Resampling, confidence: float = 0.95
) -> Effects:
    """Effects of a minus b; both are (n_pairs, k). A pair counts if both have a value.

    The interval is difference +/- t(n_units - 1) * SE, the SE from the node bootstrap; that of the jackknife likewise.
    The intervals of d_z and d_av come from the jackknife of their linearization (influence values).
    """
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = both.sum(axis=0)
        mean_a, mean_b = _mean(a, n), _mean(b, n)
        d = a - b
        difference = _mean(d, n)
        errors = spread(d, design, resampling)
        critical = stats.t.ppf(0.5 + confidence / 2, np.maximum(errors.n_units - 1, 1))
        centred = d - difference
        # Differences that are all equal have no spread to compare with, apart from rounding errors.
        sd = _sd(centred, n)
        sd = np.where(sd > 1e-12 * np.maximum(np.abs(mean_a), np.abs(mean_b)), sd, np.nan)
        d_z = difference / sd
        influence_z = centred / sd - d_z * ((centred / sd) ** 2 - 1) / 2
        variance = (_sd(a - mean_a, n) ** 2 + _sd(b - mean_b, n) ** 2) / 2
        d_av = difference / np.sqrt(variance)
        own = ((a - mean_a) ** 2 + (b - mean_b) ** 2) / 2
        influence_av = centred / np.sqrt(variance) - d_av * (own / variance - 1) / 2
        statistic = np.abs(difference / errors.node) + 0 * sd
        p = 2 * stats.t.sf(statistic, np.maximum(errors.n_units - 1, 1))
        return Effects(
            n_pairs=n,
            n_units=errors.n_units,
            mean_a=mean_a,
            mean_b=mean_b,
            difference=difference,
            se=errors.node,
            se_draws=errors.draws_sd,
            ci=_around(difference, errors.node * critical),
            p=np.asarray(p),
            jackknife_ci=_around(difference, errors.jackknife * critical),
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
