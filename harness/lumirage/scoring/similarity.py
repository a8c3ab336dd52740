"""Measures the similarity of the native fixed image and the native moving image warped onto it. Not a measure of
accuracy: a method can raise it by moving anatomy wrongly."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.core.space import Single, Volume
from lumirage.scoring.displacement_planes import component_planes
from lumirage.scoring.displacement_rows import apply_affine, cell, cells_of_row, interpolate_row, row_buffers
from lumirage.scoring.native_label_warp import SNAP, WorldMap, voxel_matrices
from lumirage.scoring.order_statistics import percentiles
from lumirage.scoring.slabs import map_slabs

BINS = 64
"""Bins for each image in the joint histogram of mutual information."""
TAIL_PERCENT = 0.1
"""Percent of the intensities at either end that go into the first and the last bin, so that a few bright voxels of a
native image do not put all others into one bin."""


class Similarity(NamedTuple):
    """NaN if no voxel is left or an image is constant there."""

    ncc: float
    """Pearson's correlation."""
    mi: float
    """Mutual information in nats, of a joint histogram of BINS x BINS bins; each image's are of equal width between
    its percentiles TAIL_PERCENT and 100 - TAIL_PERCENT."""
    voxels: int
    """Number of voxels of the mask, without those that map outside the moving image."""


def similarity(fixed: Volume, moving: Volume, world: WorldMap, mask: NDArray[np.bool_], threads: int = 1) -> Similarity:
    """Similarity of the fixed image and the warped moving image, inside a mask on the fixed grid (X, Y, Z)."""
    a, b = _both(fixed, pull_image(moving, (mask, fixed.affine), world, threads), threads)
    if not a.size or a.min() == a.max() or b.min() == b.max():
        return Similarity(math.nan, math.nan, a.size)
    joint = _joint_histogram(a, b, _range(a), _range(b)) / a.size
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    mi = float((joint[filled] * np.log(joint[filled] / outer[filled])).sum())
    a -= a.mean()
    b -= b.mean()
    # numpy's own sums: the last digit of a BLAS product depends on threads and on the arrays' memory addresses
    return Similarity(float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())), mi, a.size)


def _both(fixed: Volume, moved: Single, threads: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The intensities of both images where the moved one has any."""
    data = np.ascontiguousarray(fixed.data)
    parts = map_slabs(lambda start, stop: _both_slab(start, stop, data, moved), moved.shape[0], threads)
    first, second = (np.concatenate(values) for values in zip(*parts, strict=True))
    return first, second


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """From where to where the bins reach; the first and the last also have the values beyond."""
    low, high = percentiles(values, (TAIL_PERCENT, 100 - TAIL_PERCENT))
    if low == high:  # nearly all voxels are equal: then the few others define the range
        return float(values.min()), float(values.max())
    return low, high


def pull_image(
    moving: Volume, at: tuple[NDArray[np.bool_], NDArray[np.float64]], world: WorldMap, threads: int = 1
) -> Single:
    """The moving image at A (x + u(x)), trilinear, for the voxels of a mask on a grid: `at`, mask and voxel to world.

    float32 (X, Y, Z); NaN outside the mask and for points beyond the centres of the outermost voxels.
    """
    mask, affine = at
    moved = np.full(mask.shape, np.nan, np.float32)
    source = np.ascontiguousarray(moving.data), component_planes(world.u), np.ascontiguousarray(mask)
    matrices = voxel_matrices(world, affine, moving.affine)
    map_slabs(lambda start, stop: _pull_slab(start, stop, source, matrices, moved), mask.shape[0], threads)
    return moved


@njit(nogil=True, cache=True)
def _pull_slab(start: int, stop: int, source: Any, matrices: Any, moved: Any) -> None:
    image, field, mask = source
    to_grid, to_moving, step = matrices
    top_x, top_y, top_z = image.shape[0] - 1 + SNAP, image.shape[1] - 1 + SNAP, image.shape[2] - 1 + SNAP
    cells, u = row_buffers(mask.shape[2])
    tilted = to_grid[2, 0] != 0 or to_grid[2, 1] != 0
    for x in range(start, stop):
        for y in range(mask.shape[1]):
            first, last = _span(mask[x, y])
            if tilted or (x == start and y == 0):
                cells_of_row(to_grid, (x, y), field.shape[3], cells)
            interpolate_row(field, to_grid, (x, y), (first, last), cells, u)
            for z in range(first, last):
                if not mask[x, y, z]:
                    continue
                i, j, k = apply_affine(to_moving, x, y, z)
                i += step[0, 0] * u[0, z] + step[0, 1] * u[1, z] + step[0, 2] * u[2, z]
                j += step[1, 0] * u[0, z] + step[1, 1] * u[1, z] + step[1, 2] * u[2, z]
                k += step[2, 0] * u[0, z] + step[2, 1] * u[1, z] + step[2, 2] * u[2, z]
                if -SNAP <= i <= top_x and -SNAP <= j <= top_y and -SNAP <= k <= top_z:
                    moved[x, y, z] = _sample(image, i, j, k)


@njit(nogil=True, cache=True)
def _both_slab(start: int, stop: int, fixed: Any, moved: Any) -> Any:
    first, second = fixed[start:stop].ravel(), moved[start:stop].ravel()
    size = 0
    for k in range(second.size):
        size += np.isfinite(second[k])
    a, b = np.empty(size), np.empty(size)
    size = 0
    for k in range(second.size):
        if np.isfinite(second[k]):
            a[size], b[size] = first[k], second[k]
            size += 1
    return a, b


@njit(nogil=True, cache=True)
def _joint_histogram(a: Any, b: Any, range_a: Any, range_b: Any) -> Any:
    """Of BINS equal intervals of each image."""
    joint = np.zeros((BINS, BINS), np.int64)
    scale_a, scale_b = BINS / (range_a[1] - range_a[0]), BINS / (range_b[1] - range_b[0])
    for k in range(a.size):
        i = np.int64(min(max((a[k] - range_a[0]) * scale_a, 0.0), BINS - 1.0))
        j = np.int64(min(max((b[k] - range_b[0]) * scale_b, 0.0), BINS - 1.0))
        joint[i, j] += 1
    return joint


@njit(nogil=True, cache=True, inline="always")
def _span(inside: Any) -> Any:
    """Where the voxels of a row that are in the mask begin and end."""
    first, last = 0, inside.size
    while first < last and not inside[first]:
        first += 1
    while last > first and not inside[last - 1]:
        last -= 1
    return first, last


@njit(nogil=True, cache=True, inline="always")
def _sample(image: Any, x: float, y: float, z: float) -> float:
    x0, x1, px = cell(x, image.shape[0])
    y0, y1, py = cell(y, image.shape[1])
    z0, z1, pz = cell(z, image.shape[2])
    a = _along(image, x0, y0, (z0, z1, pz)) * (1 - py) + _along(image, x0, y1, (z0, z1, pz)) * py
    b = _along(image, x1, y0, (z0, z1, pz)) * (1 - py) + _along(image, x1, y1, (z0, z1, pz)) * py
    return a * (1 - px) + b * px


@njit(nogil=True, cache=True, inline="always")
def _along(image: Any, x: int, y: int, z: Any) -> float:
    return np.float64(image[x, y, z[0]]) * (1 - z[2]) + np.float64(image[x, y, z[1]]) * z[2]
