"""Computes the Dice of linearly interpolated labels, as in the LUMirage paper (Jena, Chaudhari, Gee 2026).

Each label of the moving map is a volume of ones and zeros that is warped linearly. Hard Dice takes the label with
the largest share in each voxel; soft Dice adds the shares up.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.slabs import map_slabs


class SoftOverlap(NamedTuple):
    """Dice of each scored label; NaN if it is absent in the fixed or the moving map."""

    hard: NDArray[np.float64]
    soft: NDArray[np.float64]


class _Call(NamedTuple):
    field: Any
    moving: Any
    fixed: Any
    background: int


def soft_overlap(fixed: DenseLabels, moving: DenseLabels, field: Field, threads: int = 1) -> SoftOverlap:
    """Both Dices of the moving map warped by d (3, X, Y, Z), in voxels on the fixed grid.

    Outside the moving volume all is label 0. For equal shares the lowest label wins, as in argmax. Soft Dice is
    2 sum(F W) / (sum F + sum W).
    """
    count = fixed.labels.other
    call = _Call(field, moving.ids, fixed.ids, fixed.labels.background)
    parts = map_slabs(lambda start, stop: _slab(start, stop, call, count + 1), fixed.shape[0], threads)
    hard_both, hard_size, soft_both, soft_size = np.sum(parts, axis=0)[:, :count]
    present = (fixed.counts > 0) & (moving.counts > 0)
    hard, soft = np.full(count, np.nan), np.full(count, np.nan)
    hard[present] = (2 * hard_both / np.maximum(fixed.counts + hard_size, 1))[present]
    soft[present] = (2 * soft_both / np.maximum(fixed.counts + soft_size, 1))[present]
    return SoftOverlap(hard, soft)


@njit(nogil=True, cache=True)
def _slab(start: int, stop: int, call: Any, size: int) -> Any:
    """Hard intersections and sizes, soft intersections and sizes of each id."""
    sums = np.zeros((4, size))
    shares, ids, weights = np.zeros(size), np.zeros(8, np.int64), np.zeros(8)
    field = call.field
    for x in range(start, stop):
        for y in range(field.shape[2]):
            for z in range(field.shape[3]):
                cx, cy, cz = (
                    x + np.float64(field[0, x, y, z]),
                    y + np.float64(field[1, x, y, z]),
                    z + np.float64(field[2, x, y, z]),
                )
                fixed = np.int64(call.fixed[x + 1, y + 1, z + 1])
                label = _only_label(call.moving, cx, cy, cz)
                if label >= 0:
                    for n in range(4):
                        sums[n, label] += (n & 1) | (label == fixed)
                else:
                    _neighbours(call.moving, (cx, cy, cz), call.background, ids, weights)
                    _add(fixed, (ids, weights), shares, sums)
    return sums


@njit(nogil=True, cache=True, inline="always")
def _only_label(moving: Any, cx: Any, cy: Any, cz: Any) -> Any:
    """The id of all eight voxels around a point, or -1 if they differ or are not all inside."""
    i, j, k = np.int64(np.floor(cx)) + 1, np.int64(np.floor(cy)) + 1, np.int64(np.floor(cz)) + 1
    if i < 1 or j < 1 or k < 1 or i > moving.shape[0] - 3 or j > moving.shape[1] - 3 or k > moving.shape[2] - 3:
        return np.int64(-1)
    first = moving[i, j, k]
    differ = (first ^ moving[i, j, k + 1]) | (first ^ moving[i, j + 1, k]) | (first ^ moving[i, j + 1, k + 1])
    differ |= (first ^ moving[i + 1, j, k]) | (first ^ moving[i + 1, j, k + 1])
    differ |= (first ^ moving[i + 1, j + 1, k]) | (first ^ moving[i + 1, j + 1, k + 1])
    return np.int64(-1) if differ else np.int64(first)


@njit(nogil=True, cache=True)
def _neighbours(moving: Any, at: Any, background: int, ids: Any, weights: Any) -> None:
    """Ids and weights of the eight voxels around a point; outside the volume the background."""
    low = (np.int64(np.floor(at[0])), np.int64(np.floor(at[1])), np.int64(np.floor(at[2])))
    part = (at[0] - low[0], at[1] - low[1], at[2] - low[2])
    for n in range(8):
        i, j, k = low[0] + (n >> 2), low[1] + ((n >> 1) & 1), low[2] + (n & 1)
        inside = 0 <= i < moving.shape[0] - 2 and 0 <= j < moving.shape[1] - 2 and 0 <= k < moving.shape[2] - 2
        ids[n] = np.int64(moving[i + 1, j + 1, k + 1]) if inside else background
        wx = part[0] if n >> 2 else 1.0 - part[0]
        wy = part[1] if (n >> 1) & 1 else 1.0 - part[1]
        wz = part[2] if n & 1 else 1.0 - part[2]
        weights[n] = wx * wy * wz


@njit(nogil=True, cache=True)
def _add(fixed: int, around: Any, shares: Any, sums: Any) -> None:
    """Adds one voxel with the neighbours around its source."""
    ids, weights = around
    for n in range(8):
        shares[ids[n]] += weights[n]
    best, most = ids[0], -1.0
    for n in range(8):
        label = ids[n]
        share = shares[label]
        if share > most or (share == most and label < best):
            best, most = label, share
    for n in range(8):
        label = ids[n]
        sums[3, label] += shares[label]
        if label == fixed:
            sums[2, label] += shares[label]
        shares[label] = 0.0
    sums[1, best] += 1
    if best == fixed:
        sums[0, best] += 1
