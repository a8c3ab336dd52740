"""Computes percentiles of many values without sorting them."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BINS = 4096
"""Equal intervals between the least and the greatest value; only those with a wanted value are sorted."""


def percentiles(values: NDArray[np.float64], percents: tuple[float, ...]) -> tuple[float, ...]:
    """Like `numpy.percentile`, to the last digit: linear between two values. Values must be finite, and not all equal."""
    low, high = float(values.min()), float(values.max())
    counts = _counts(values, low, BINS / (high - low))
    below = np.concatenate([[0], np.cumsum(counts)])
    found = []
    for percent in percents:
        place = (values.size - 1) * (percent / 100)
        rank = min(int(place), values.size - 1)
        a, b = (_ranked(values, (low, high), below, n) for n in (rank, min(rank + 1, values.size - 1)))
        share = place - rank
        # the two directions of numpy's own interpolation
        found.append(b - (b - a) * (1 - share) if share >= 0.5 else a + (b - a) * share)
    return tuple(found)


def _ranked(values: NDArray[np.float64], ends: tuple[float, float], below: NDArray[np.int64], rank: int) -> float:
    """The value with a rank, counted from 0."""
    bin_ = int(np.searchsorted(below, rank, side="right")) - 1
    inside = _in_bin(values, (ends[0], BINS / (ends[1] - ends[0])), bin_, int(below[bin_ + 1] - below[bin_]))
    return float(np.partition(inside, rank - below[bin_])[rank - below[bin_]])


@njit(nogil=True, cache=True, inline="always")
def _bin_of(value: float, low: float, scale: float) -> Any:
    return min(np.int64((value - low) * scale), BINS - 1)


@njit(nogil=True, cache=True)
def _counts(values: Any, low: float, scale: float) -> Any:
    counts = np.zeros(BINS, np.int64)
    for k in range(values.size):
        counts[_bin_of(values[k], low, scale)] += 1
    return counts


@njit(nogil=True, cache=True)
def _in_bin(values: Any, bins: Any, wanted: int, size: int) -> Any:
    inside = np.empty(size)
    count = 0
    for k in range(values.size):
        if _bin_of(values[k], bins[0], bins[1]) == wanted:
            inside[count] = values[k]
            count += 1
    return inside
