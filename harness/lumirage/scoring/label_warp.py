"""Warps label maps by a displacement, nearest neighbour, fused with the overlap histogram: one pass over the
volume."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.label_maps import DenseLabels, LabelSet
from lumirage.scoring.slabs import map_slabs


@dataclass(frozen=True)
class Overlap:
    """A fixed label map and the moving one warped onto it."""

    fixed: DenseLabels
    warped: DenseLabels
    moving_counts: NDArray[np.int64]
    """Voxels of each scored label in the moving map before it was warped."""
    joint: NDArray[np.int64]
    """joint[f, w]: voxels with id f in the fixed and w in the warped map; the last row and column are "other"."""


class _VoxelWarp(NamedTuple):
    field: Any
    moving: Any
    fixed: Any
    warped: Any
    background: int


def warp_voxels(fixed: DenseLabels, moving: DenseLabels, field: Field, threads: int = 1) -> Overlap:
    """warped(x) = moving(x + d(x)), d in voxels (3, X, Y, Z) on the fixed grid.

    Like `scipy.ndimage.map_coordinates(order=0, mode="constant")`: the voxel floor(c + 0.5); a coordinate below 0 or
    above n - 1, even by 0.3, or NaN, gives label 0. Source: LUMIR's evaluation (JHU-MedImage-Reg/LUMIR_L2R) and
    Learn2Reg's (MDL-UzL/L2R).
    """
    labels = fixed.labels
    warped = labels.framed(fixed.shape)
    call = _VoxelWarp(field, moving.ids, fixed.ids, warped, labels.background)
    size = labels.other + 1
    parts = map_slabs(lambda start, stop: _warp_slab(start, stop, call, size), fixed.shape[0], threads)
    return overlap_of(fixed, warped, moving.counts, np.sum(parts, axis=0, dtype=np.int64))


def overlap_of(fixed: DenseLabels, warped: Any, moving_counts: NDArray[np.int64], joint: NDArray[np.int64]) -> Overlap:
    """Combines the results of a fused pass."""
    labels = fixed.labels
    return Overlap(fixed, DenseLabels(warped, joint[:, : labels.other].sum(axis=0), labels), moving_counts, joint)


def as_one(overlap: Overlap, values: Collection[int]) -> Overlap:
    """The overlap of some labels merged into one, as if merged in both maps before the warp: nearest neighbour and
    merging commute."""
    labels, one = overlap.fixed.labels, LabelSet((1,))
    inside = np.array([value in values for value in labels.values] + [False])
    table = np.append(np.where(inside, 0, one.other), one.outside).astype(one.dtype)
    rows = np.stack([overlap.joint[inside].sum(axis=0), overlap.joint[~inside].sum(axis=0)])
    joint = np.stack([rows[:, inside].sum(axis=1), rows[:, ~inside].sum(axis=1)], axis=1)
    fixed = DenseLabels(table[overlap.fixed.ids], joint.sum(axis=1)[:1], one)
    moving_counts = overlap.moving_counts[inside[:-1]].sum(keepdims=True)
    return overlap_of(fixed, table[overlap.warped.ids], moving_counts, joint)


@njit(nogil=True, cache=True)
def _warp_slab(start: int, stop: int, call: Any, size: int) -> Any:
    field, moving = call.field, call.moving
    joint = np.zeros((size, size), np.int64)
    top_x, top_y, top_z = moving.shape[0] - 3, moving.shape[1] - 3, moving.shape[2] - 3
    for x in range(start, stop):
        for y in range(field.shape[2]):
            row_x, row_y, row_z = field[0, x, y], field[1, x, y], field[2, x, y]
            fixed, out = call.fixed[x + 1, y + 1], call.warped[x + 1, y + 1]
            for z in range(row_x.size):
                cx, cy, cz = x + np.float64(row_x[z]), y + np.float64(row_y[z]), z + np.float64(row_z[z])
                inside = (cx >= 0) & (cx <= top_x) & (cy >= 0) & (cy <= top_y) & (cz >= 0) & (cz <= top_z)
                label = np.int64(call.background)
                if inside:
                    label = np.int64(moving[np.int64(cx + 0.5) + 1, np.int64(cy + 0.5) + 1, np.int64(cz + 0.5) + 1])
                out[z + 1] = label
                joint[fixed[z + 1], label] += 1
    return joint
