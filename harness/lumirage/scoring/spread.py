"""Running sums over rows of determinants, and the statistics that they give. One sum for each place in a row vectorizes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.logarithm import log_row

_LOWEST, _HIGHEST = 1e-9, 1e9
_LOG4 = math.log(4.0)

SUMS = 7
"""Rows of running sums: NaNs, non-positive, det - 1, its square, minimum, maximum, and the logarithms' four in a second array."""


@dataclass(frozen=True)
class Spread:
    """Statistics of central-difference determinants; all NaN but the counts where there are none."""

    count: int
    nonpositive: int
    minimum: float
    maximum: float
    mean: float
    std: float
    sd_log: float
    """Standard deviation of log(det), det clipped to [1e-9, 1e9]."""
    sd_log_offset3: float
    """The official one: of log(det + 3), clipped alike."""


@njit(nogil=True, cache=True)
def new_sums(length: int) -> Any:
    """Empty sums for rows of a length: (10, length)."""
    sums = np.zeros((10, length))
    sums[4] = np.inf
    sums[5] = -np.inf
    return sums


@njit(nogil=True, cache=True)
def add_row(row: Any, sums: Any) -> None:
    """Adds one row of determinants to NaNs, non-positives, moments and extremes."""
    nans, nonpositive, first, second, low, high = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for k in range(row.size):
        d = row[k]
        nans[k] += np.float64(d != d)
        nonpositive[k] += np.float64(d <= 0)
        first[k] += d - 1.0
        second[k] += (d - 1.0) * (d - 1.0)
        low[k] = d if d < low[k] else low[k]
        high[k] = d if d > high[k] else high[k]


@njit(nogil=True, cache=True)
def add_logarithms(row: Any, work: Any, exact: bool, sums: Any) -> None:
    """Adds log(det) and log(det + 3) - log 4, both clipped, and their squares. `work`: (4, row length)."""
    clipped, logs = work[0], work[3]
    for offset in range(2):
        first, second = sums[6 + 2 * offset], sums[7 + 2 * offset]
        for k in range(row.size):
            d = row[k] + 3.0 * offset
            d = _LOWEST if d < _LOWEST else d
            clipped[k] = _HIGHEST if d > _HIGHEST else d
        if exact:
            for k in range(row.size):
                logs[k] = math.log(clipped[k])
        else:
            log_row(clipped, work[1:3], logs)
        for k in range(row.size):
            value = logs[k] - _LOG4 * offset
            first[k] += value
            second[k] += value * value


def spread_of(sums: list[NDArray[np.float64]], rows: int) -> Spread:
    """From the sums of all slabs over `rows` rows."""
    total = [math.fsum(float(np.sum(part[i])) for part in sums) for i in (0, 1)]
    count = rows * (sums[0].shape[1] if sums else 0)
    if not count:
        nan = float("nan")
        return Spread(0, 0, nan, nan, nan, nan, nan, nan)
    low, high = (min(float(np.min(p[4])) for p in sums), max(float(np.max(p[5])) for p in sums))
    moments = [float(np.sum([np.sum(part[i]) for part in sums])) for i in (2, 3, 6, 7, 8, 9)]
    if total[0]:
        low = high = float("nan")
    return Spread(
        count, int(total[1]), low, high, 1.0 + moments[0] / count,
        _std(moments[0], moments[1], count), _std(moments[2], moments[3], count), _std(moments[4], moments[5], count),
    )  # fmt: skip


def _std(first: float, second: float, count: int) -> float:
    """Standard deviation (of the population, as numpy's) from the sums of values and of their squares."""
    variance = second / count - (first / count) ** 2
    return math.sqrt(max(variance, 0.0)) if variance == variance else variance
