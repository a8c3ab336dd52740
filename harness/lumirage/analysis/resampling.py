"""Estimates the uncertainty of means over pairs that share subjects: node bootstrap, delete-one-subject jackknife.

A pair's weight in a bootstrap draw is the product of how often its two subjects were drawn. A pair's own noise is then
counted three times in the variance of the draws (E[w^2]^2 - 1 = 3 for w ~ Poisson(1); Owen, Ann. Appl. Stat. 1(2),
2007) and twice in the jackknife, because every pair goes with either of two subjects. The excess is
subtracted (Aronow, Samii and Assenova, Political Analysis 23(4), 2015, for the same point in the sandwich
estimator), and no standard error is smaller than that of independent pairs. Without this, nominal 95 % intervals
cover 99 % and more if subjects matter little; benchmarks/intervals.md has the figures of all variants.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from lumirage.analysis.designs import MINIMUM_UNITS, NOBODY, Design

FloatArray = npt.NDArray[np.float64]

CHUNK_NUMBERS = 2_000_000
"""Pair weights held at once: 16 MB."""


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
    """Units with at least one value in the column; the degrees of freedom are one less."""


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
    counts = _unit_counts(len(design.units), resampling.draws, resampling.seed)
    first, second = design.units_of_pair.T
    single = second == NOBODY
    step = max(1, CHUNK_NUMBERS // design.n_pairs)
    for start in range(0, resampling.draws, step):
        some = counts[start : start + step]
        weights = some[:, first].astype(np.float64)
        yield weights * np.where(single, 1.0, some[:, second])


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
    n_units = np.asarray((units @ present.astype(np.float64) > 0).sum(axis=0), dtype=np.int64)
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
        return Spread(np.sqrt(node) + undefined, np.sqrt(jackknife) + undefined, np.sqrt(drawn) + undefined, n_units)


def jackknife_errors(values: FloatArray, design: Design) -> FloatArray:
    """Only the jackknife standard errors of `spread`, without draws."""
    present = np.isfinite(values)
    n_values = present.sum(axis=0).astype(np.float64)
    units = _incidence(design)
    n_units = np.asarray((units @ present.astype(np.float64) > 0).sum(axis=0), dtype=np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = _jackknife(values, present, units, n_units)
        if design.crossed:
            floor, own = _own_noise(values, present, n_values, design)
            variance = np.maximum(variance - own, floor)
        return np.asarray(np.sqrt(variance) + np.where(n_units < MINIMUM_UNITS, np.nan, 0.0))


@dataclass(frozen=True)
class JointSpread:
    """Uncertainty of the difference between the column means of two tables of pairs; (k,) each."""

    se: FloatArray
    """NaN with fewer than three units in either table."""
    df: FloatArray


def joint_spread(a: FloatArray, design_a: Design, b: FloatArray, design_b: Design) -> JointSpread:
    """Of mean(a) - mean(b), where the tables have pairs of their own and some or all units in common.

    `a` is (n_pairs_a, k) and `b` (n_pairs_b, k), without missing values; units are matched by name. Delete-one-unit
    jackknife: a unit in both tables leaves both at once. A pair's own noise is counted once, as in `spread`. Degrees of
    freedom: units less one if all are in both tables, Welch's if none is, else those of the table with fewer units.
    """
    index = [_pair_names(design) for design in (design_a, design_b)]
    parts = [_influences(values, design) for values, design in ((a, design_a), (b, design_b))]
    units = _merged(design_a.units, parts[0][0], design_b.units, parts[1][0])
    crossed = design_a.crossed or design_b.crossed
    variance = (units**2).sum(axis=0)
    if crossed:
        couples = [[tuple(sorted(pair)) for pair in names] for names in index]
        own = (_merged(couples[0], parts[0][1], couples[1], parts[1][1]) ** 2).sum(axis=0)
        floor = (_merged(index[0], parts[0][2], index[1], parts[1][2]) ** 2).sum(axis=0)
        variance = np.maximum(variance - own, floor)
    n_a, n_b = len(design_a.units), len(design_b.units)
    shared = set(design_a.units) & set(design_b.units)
    if shared:
        df = np.full(variance.shape, min(n_a, n_b) - 1.0)
    else:
        of_a, of_b = (jackknife_errors(v, d) ** 2 for v, d in ((a, design_a), (b, design_b)))
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (of_a + of_b) ** 2 / (of_a**2 / (n_a - 1) + of_b**2 / (n_b - 1))
    undefined = np.nan if min(n_a, n_b) < MINIMUM_UNITS else 0.0
    return JointSpread(np.sqrt(variance) + undefined, df)


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


def _influences(values: FloatArray, design: Design) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Whose sums of squares are the jackknife variance (units), a pair's own part and that of independent pairs (pairs)."""
    n_units, n_pairs = len(design.units), design.n_pairs
    pseudo = unit_contributions(values, design)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = (pseudo - pseudo.mean(axis=0)) / np.sqrt(n_units * (n_units - 1.0))
        residuals = (values - values.mean(axis=0)) / n_pairs
        own = residuals if design.crossed else 0 * residuals
        return units, own, residuals * np.sqrt(n_pairs / (n_pairs - 1.0))


def _pair_names(design: Design) -> list[tuple[str, str]]:
    units = (*design.units, "")  # the place of NOBODY
    return [(units[first], units[second]) for first, second in design.units_of_pair]


def _merged(
    names_a: Sequence[Hashable], rows_a: FloatArray, names_b: Sequence[Hashable], rows_b: FloatArray
) -> FloatArray:
    """Sums of the rows of a less those of b, by name."""
    place = {name: i for i, name in enumerate(dict.fromkeys([*names_a, *names_b]))}
    merged = np.zeros((len(place), rows_a.shape[1]))
    np.add.at(merged, [place[name] for name in names_a], rows_a)
    np.subtract.at(merged, [place[name] for name in names_b], rows_b)
    return merged


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
