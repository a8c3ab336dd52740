"""Estimates the uncertainty of means over pairs that share subjects: node bootstrap, delete-one-subject jackknife.

A pair's weight in a bootstrap draw is the product of how often its two subjects were drawn. A pair's own noise is then
counted three times in the variance of the draws (E[w^2]^2 - 1 = 3 for w ~ Poisson(1); Owen, Ann. Appl. Stat. 1(2),
2007) and twice in the jackknife, because every pair goes with either of two subjects. The excess is
subtracted (Aronow, Samii and Assenova, Political Analysis 23(4), 2015, for the same point in the sandwich
estimator), and no standard error is smaller than that of independent pairs. Without this, nominal 95 % intervals
cover 99 % and more if subjects matter little; benchmarks/intervals.md has the figures of all variants.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from lumirage.analysis.designs import MINIMUM_UNITS, NOBODY, Design

FloatArray = npt.NDArray[np.float64]

CHUNK_NUMBERS = 2_000_000
"""Pair weights held at once: 16 MB."""
KEPT_NUMBERS = 300_000_000
"""Most pair weights that are kept for the next metric, as bytes: those of 150,000 pairs in 2,000 draws."""


@dataclass(frozen=True)
class Resampling:
    """Settings of the draws. The same draws, seed and number of subjects give the same weights, for all methods and metrics."""

    draws: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Spread:
    """Standard errors of column means, each of shape (k,); NaN if fewer than three units are left."""

    node: FloatArray
    """Node bootstrap, pairs counted once."""
    jackknife: FloatArray
    """Delete-one-subject jackknife, pairs counted once."""
    draws_sd: FloatArray
    """Standard deviation of the bootstrap draws, uncorrected."""
    n_units: npt.NDArray[np.int64]
    """Units with at least one value in the column."""
    df: FloatArray
    """Degrees of freedom of `node`: the units' less one, or more if pairs' own noise is much of it (Satterthwaite)."""
    skew: FloatArray
    """Skewness of the column mean, from that of the units' contributions; 0 where these are all the same."""


@lru_cache(maxsize=4)
def _unit_counts(n_units: int, draws: int, seed: int) -> npt.NDArray[np.int16]:
    # Cached, because every metric and policy of a track uses the same draws.
    rng = np.random.default_rng(seed)
    counts = np.empty((draws, n_units), dtype=np.int16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, n_units, size=n_units), minlength=n_units)
    return counts


def pair_weights(design: Design, resampling: Resampling) -> Iterator[FloatArray]:
    """Weights of the pairs in the bootstrap draws, in chunks of shape (some draws, n_pairs)."""
    kept = None
    if design.n_pairs * resampling.draws <= KEPT_NUMBERS:
        kept = _kept_weights(design, resampling)
    for some in _chunks(design, resampling):
        yield (_weights(design, resampling, some) if kept is None else kept[some]).astype(np.float64)


def _chunks(design: Design, resampling: Resampling) -> Iterator[slice]:
    step = max(1, CHUNK_NUMBERS // design.n_pairs)
    return (slice(start, start + step) for start in range(0, resampling.draws, step))


@lru_cache(maxsize=1)
def _kept_weights(design: Design, resampling: Resampling) -> npt.NDArray[np.uint8] | None:
    # Every metric and policy of a track has the same design, and finding the weights takes longer than using them.
    kept = np.empty((resampling.draws, design.n_pairs), dtype=np.uint8)
    for some in _chunks(design, resampling):
        weights = _weights(design, resampling, some)
        if weights.max(initial=0) > np.iinfo(np.uint8).max:
            return None
        kept[some] = weights
    return kept


def _weights(design: Design, resampling: Resampling, some: slice) -> npt.NDArray[np.int32]:
    """Those of some draws, (draws, n_pairs)."""
    counts = _unit_counts(len(design.units), resampling.draws, resampling.seed)[some].astype(np.int32)
    first, second = design.units_of_pair.T
    return np.asarray(counts[:, first] * np.where(second == NOBODY, 1, counts[:, second]))


def bootstrap_means(values: FloatArray, design: Design, resampling: Resampling) -> FloatArray:
    """Weighted means of the columns in every draw, (draws, k); NaN if a draw left a column without pairs.

    `values` is (n_pairs, k); NaN is a missing value, removed only from its column.
    """
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0)
    complete = bool(present.all())
    parts = []
    for weights in pair_weights(design, resampling):
        total = weights.sum(axis=1, keepdims=True) if complete else weights @ present.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append((weights @ filled) / total)
    return np.concatenate(parts)


def spread(values: FloatArray, design: Design, resampling: Resampling) -> Spread:
    """Standard errors of the column means of `values` (n_pairs, k), NaN for missing; see the module's docstring."""
    present = np.isfinite(values)
    n_values = present.sum(axis=0).astype(np.float64)
    units = _incidence(design)
    n_units = units_with_values(values, design)
    draws = bootstrap_means(values, design, resampling)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = _nanvar(draws)
        n = n_units.astype(np.float64)
        floor, own = _own_noise(values, present, n_values, design)
        small_sample = n / (n - 1)
        # One factor for the bootstrap of a mean, one for each of two centred subject indices.
        node = drawn * small_sample**3 - 2 * own if design.crossed else drawn * small_sample
        jackknife = _jackknife(values, present, units, n_units) - (own if design.crossed else 0.0)
        if design.crossed:
            node, jackknife = np.maximum(node, floor), np.maximum(jackknife, floor)
        undefined = np.where(n_units < MINIMUM_UNITS, np.nan, 0.0)
        return Spread(
            node=np.sqrt(node) + undefined,
            jackknife=np.sqrt(jackknife) + undefined,
            draws_sd=np.sqrt(drawn) + undefined,
            n_units=n_units,
            df=degrees_of_freedom(node, floor if design.crossed else 0 * floor, n - 1, n_values - 1),
            skew=skewness_of_mean(unit_influences(values, design), n),
        )


def units_with_values(values: FloatArray, design: Design) -> npt.NDArray[np.int64]:
    """Number of units with at least one value in the column, (k,)."""
    there = _incidence(design) @ np.isfinite(values).astype(np.float64) > 0
    return np.asarray(there.sum(axis=0), dtype=np.int64)


def jackknife_errors(values: FloatArray, design: Design) -> FloatArray:
    """Only the jackknife standard errors of `spread`, without draws."""
    present = np.isfinite(values)
    n_values = present.sum(axis=0).astype(np.float64)
    units = _incidence(design)
    n_units = units_with_values(values, design)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = _jackknife(values, present, units, n_units)
        if design.crossed:
            floor, own = _own_noise(values, present, n_values, design)
            variance = np.maximum(variance - own, floor)
        return np.asarray(np.sqrt(variance) + np.where(n_units < MINIMUM_UNITS, np.nan, 0.0))


def unit_contributions(values: FloatArray, design: Design) -> FloatArray:
    """The contribution of every unit to the column means: delete-one pseudo-values n m - (n - 1) m_without, (n_units, k).

    If every unit has its own pairs, these are the units' mean values. If pairs are shared, plain means over each subject's
    pairs are too close together, and tests on them call up to a third of nulls significant; pseudo-values avoid this.
    NaN for a unit without values.
    """
    present = np.isfinite(values)
    units = _incidence(design)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = _means_without(values, present, units)
        n = np.isfinite(left).sum(axis=0)
        mean = np.nansum(values, axis=0) / present.sum(axis=0)
        return np.asarray(n * mean - (n - 1) * left)


def unit_influences(values: FloatArray, design: Design) -> FloatArray:
    """The units' contributions, centred and scaled so that their squares add up to the jackknife variance, (n_units, k)."""
    contributions = unit_contributions(values, design)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = np.isfinite(contributions).sum(axis=0)
        return np.asarray((contributions - np.nansum(contributions, axis=0) / n) / np.sqrt(n * (n - 1.0)))


def skewness_of_mean(influences: FloatArray, n_units: npt.ArrayLike) -> FloatArray:
    """Skewness of an estimate from its units' influences (n_units, k): scipy's unbiased skewness over the root of n."""
    n = np.asarray(n_units, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.nansum(influences**3, axis=0) / np.nansum(influences**2, axis=0) ** 1.5
        skew = ratio * np.sqrt(n * (n - 1)) / (n - 2)
    return np.where(np.isfinite(skew), skew, 0.0)


def degrees_of_freedom(
    variance: FloatArray, pairs: FloatArray, of_units: npt.ArrayLike, of_pairs: npt.ArrayLike
) -> FloatArray:
    """Those of the units, or more where the variance is hardly above `pairs`, that of independent pairs (Satterthwaite's).

    There it is the noise of pairs, of which there are more. From twice that of independent pairs on, units alone count; this
    was chosen by simulation (benchmarks/families.md), because how a variance is split is an estimate too.
    """
    units = np.maximum(np.asarray(of_units, dtype=np.float64), 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.clip(2 * pairs - variance, 0, variance)
        df = variance**2 / ((variance - own) ** 2 / units + own**2 / np.maximum(of_pairs, units))
    return np.where(np.isfinite(df), df, units)


def _incidence(design: Design) -> sparse.csr_array:
    rows = design.units_of_pair.T.ravel()
    columns = np.tile(np.arange(design.n_pairs), 2)
    there = rows != NOBODY
    ones = np.ones(int(there.sum()))
    return sparse.csr_array((ones, (rows[there], columns[there])), shape=(len(design.units), design.n_pairs))


def _own_noise(
    values: FloatArray, present: npt.NDArray[np.bool_], n_values: FloatArray, design: Design
) -> tuple[FloatArray, FloatArray]:
    """Variance of the mean of independent pairs, and the pairs' own part of it (both directions of a pair as one)."""
    residuals = np.where(present, values - np.nansum(values, axis=0) / n_values, 0.0)
    low, high = np.sort(design.units_of_pair, axis=1).T
    crossed = low != NOBODY
    _, couple = np.unique(low[crossed] * len(design.units) + high[crossed], return_inverse=True)
    n_couples = int(couple.max()) + 1 if couple.size else 0
    ones = np.ones(couple.size)
    together = sparse.csr_array((ones, (couple, np.flatnonzero(crossed))), shape=(n_couples, design.n_pairs))
    own = ((together @ residuals) ** 2).sum(axis=0) / n_values**2
    return (residuals**2).sum(axis=0) / (n_values - 1) / n_values, np.asarray(own)


def _jackknife(
    values: FloatArray, present: npt.NDArray[np.bool_], units: sparse.csr_array, n_units: npt.NDArray[np.int64]
) -> FloatArray:
    left = _means_without(values, present, units)
    centred = left - np.nansum(left, axis=0) / n_units
    return np.asarray(np.nansum(centred**2, axis=0) * (n_units - 1) / n_units)


def _means_without(values: FloatArray, present: npt.NDArray[np.bool_], units: sparse.csr_array) -> FloatArray:
    filled = np.where(present, values, 0.0)
    counted = present.astype(np.float64)
    unit_counts = np.asarray(units @ counted)
    left = (filled.sum(axis=0) - units @ filled) / (counted.sum(axis=0) - unit_counts)
    return np.asarray(np.where(unit_counts > 0, left, np.nan))


def _nanvar(draws: FloatArray) -> FloatArray:
    there = np.isfinite(draws)
    n = there.sum(axis=0)
    mean = np.where(there, draws, 0.0).sum(axis=0) / n
    return np.asarray((np.where(there, draws - mean, 0.0) ** 2).sum(axis=0) / (n - 1))
