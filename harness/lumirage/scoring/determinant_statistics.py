"""Accumulates sums over rows of determinants, and computes statistics from them.

One sum for each position in a row, added up at the end, can be vectorized without reordering any addition. Values are summed
as differences from `Origin`, which keeps the precision of small spreads about a large mean.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.logarithm import log_row

_LOWEST, _HIGHEST = 1e-9, 1e9


@dataclass(frozen=True)
class Spread:
    """Statistics of central-difference determinants; if there are none, all but the counts are NaN."""

    count: int
    nonpositive: int
    minimum: float
    maximum: float
    mean: float
    std: float
    sd_log: float
    """Standard deviation of log(det), det clipped to [1e-9, 1e9]."""
    sd_log_offset3: float
    """The official one: of log(det + 3), clipped in the same way."""


class Origin(NamedTuple):
    """A typical determinant, its logarithm and that of it + 3."""

    determinant: float
    log: float
    log_offset3: float


def origin_of(determinant: float) -> Origin:
    """From any determinant of the field; from 1 if that is NaN."""
    typical = determinant if math.isfinite(determinant) else 1.0
    clipped = [min(max(d, _LOWEST), _HIGHEST) for d in (typical, typical + 3.0)]
    return Origin(typical, math.log(clipped[0]), math.log(clipped[1]))


@njit(nogil=True, cache=True)
def new_sums(length: int) -> Any:
    """Empty sums for rows of a length: NaNs, non-positive, det - 1 and its square, minimum, maximum, log and its
    square, log of det + 3 and its square.
    """
    sums = np.zeros((10, length))
    sums[4] = np.inf
    sums[5] = -np.inf
    return sums


@njit(nogil=True, cache=True)
def add_row(row: Any, origin: Any, sums: Any) -> None:
    """Adds one row of determinants to NaNs, non-positives, moments and extremes."""
    nans, nonpositive, first, second, low, high = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for k in range(row.size):
        d = row[k]
        nans[k] += np.float64(np.isnan(d))
        nonpositive[k] += np.float64(d <= 0)
        first[k] += d - origin.determinant
        second[k] += (d - origin.determinant) * (d - origin.determinant)
        low[k] = d if d < low[k] else low[k]
        high[k] = d if d > high[k] else high[k]


@njit(nogil=True, cache=True)
def logarithms(row: Any, work: Any, origin: Any, exact: bool, logs: Any) -> None:
    """logs[0] = log(det), logs[1] = log(det + 3), clipped, from the origin. `work`: (3, row length). `exact` can handle NaN."""
    log_from(row, work, (0.0, origin.log), exact, logs[0])
    log_from(row, work, (3.0, origin.log_offset3), exact, logs[1])


@njit(nogil=True, cache=True)
def log_from(row: Any, work: Any, shift: Any, exact: bool, out: Any) -> None:
    """out = log(det + offset), clipped, less a typical value: `shift` is (offset, typical value)."""
    clipped, (offset, away) = work[0], shift
    for k in range(row.size):
        d = row[k] + offset
        d = _LOWEST if d < _LOWEST else d
        clipped[k] = _HIGHEST if d > _HIGHEST else d
    if exact:
        for k in range(row.size):
            out[k] = math.log(clipped[k])
    else:
        log_row(clipped, work[1:3], out)
    for k in range(row.size):
        out[k] -= away


@njit(nogil=True, cache=True)
def add_moments(values: Any, first: Any, second: Any) -> None:
    """Adds values and their squares."""
    for k in range(values.size):
        first[k] += values[k]
        second[k] += values[k] * values[k]


@njit(nogil=True, cache=True)
def add_masked(values: Any, bits: Any, at: int, sums: Any) -> None:
    """Adds number, logarithm and its square of the positive determinants inside the first mask.

    `values`: determinants and logarithms of part of a row; `at`: where it begins in the sums.
    """
    row, logs = values
    count, first, second = sums[0, at : at + row.size], sums[1, at : at + row.size], sums[2, at : at + row.size]
    for k in range(row.size):
        weight = np.float64((row[k] > 0) & ((bits[k] & 1) == 1))
        count[k] += weight
        first[k] += weight * logs[k]
        second[k] += weight * logs[k] * logs[k]


def spread_of(sums: list[NDArray[np.float64]], rows: int, origin: Origin) -> Spread:
    """From the sums of all slabs over `rows` rows."""
    count = rows * (sums[0].shape[1] if sums else 0)
    nan = float("nan")
    if not count:
        return Spread(0, 0, nan, nan, nan, nan, nan, nan)
    nans, nonpositive, *moments = (total(sums, row) for row in (0, 1, 2, 3, 6, 7, 8, 9))
    low, high = (min(float(np.min(p[4])) for p in sums), max(float(np.max(p[5])) for p in sums))
    extremes = (nan, nan) if nans else (low, high)
    stds = [standard_deviation(moments[i], moments[i + 1], count) for i in (0, 2, 4)]
    return Spread(count, int(nonpositive), *extremes, origin.determinant + moments[0] / count, *stds)


def total(sums: list[NDArray[np.float64]], row: int) -> float:
    """One of the sums over all slabs and positions."""
    return float(np.sum([np.sum(part[row]) for part in sums]))


def standard_deviation(first: float, second: float, count: float) -> float:
    """The population standard deviation, as in numpy, from the sums of values and of their squares."""
    variance = second / count - (first / count) ** 2
    return math.nan if math.isnan(variance) else math.sqrt(max(variance, 0.0))
