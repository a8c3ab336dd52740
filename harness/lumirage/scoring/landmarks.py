"""Measures the target registration error: the distance between landmarks after registration."""

from typing import Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.label_warp import warp_voxels

Points = NDArray[np.float64]


def error_of_points(fixed: Points, moving: Points, displacement: Points, spacing: Points) -> Points:
    """|(p_fixed + d(p_fixed) - p_moving) * spacing| of each of (n, 3) points in voxels; as Learn2Reg, in mm of the
    moving image."""
    return cast(Points, np.linalg.norm((fixed + displacement - moving) * spacing, axis=1))


def sample_linear(field: Field, points: Points) -> Points:
    """d at (n, 3) voxel points from planes (3, X, Y, Z), trilinear; 0 outside the grid, as in `map_coordinates`."""
    return _outside_zero(field, points, np.stack([_sample_clamped(plane, points) for plane in field], axis=-1))


def sample_clamped(field: NDArray[Any], points: Points) -> Points:
    """u at (n, 3) voxel points from (X, Y, Z, 3), trilinear; the value at the edge outside the grid."""
    return np.stack([_sample_clamped(field[..., c], points) for c in range(3)], axis=-1)


def _sample_clamped(plane: NDArray[Any], points: Points) -> Points:
    top = np.array(plane.shape) - 1
    at = np.clip(points, 0, top)
    low = np.minimum(at.astype(np.int64), np.maximum(top - 1, 0))
    high = np.minimum(low + 1, top)
    part = at - low
    result = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        index = np.where(np.array(corner) > 0, high, low)
        weight = np.prod(np.where(np.array(corner) > 0, part, 1 - part), axis=1)
        result += weight * plane[tuple(index.T)].astype(np.float64)
    return result


def sample_cubic(field: Field, points: Points) -> Points:
    """d at (n, 3) voxel points by the interpolating cubic spline through all voxels; 0 outside the grid.

    As `map_coordinates(order=3)`, whose filter runs over the whole volume; here the spline is a weight for
    each voxel of each axis, so only the voxels around a point are read. A NaN anywhere in a component makes all of it
    NaN, as the filter does. Source: Learn2Reg's evaluation (MDL-UzL/L2R).
    """
    filters = [ndimage.spline_filter1d(np.eye(n), order=3, axis=0, mode="mirror") if n > 1 else np.eye(1)
               for n in field.shape[1:]]  # fmt: skip
    result = np.zeros((len(points), 3))
    spoiled = [not np.isfinite(plane.sum(dtype=np.float64)) for plane in field]
    for index, point in enumerate(points):
        if not all(0 <= c <= n - 1 for c, n in zip(point, field.shape[1:], strict=True)):
            continue
        parts = [_axis_weights(c, f) for c, f in zip(point, filters, strict=True)]
        (x, wx), (y, wy), (z, wz) = parts
        result[index] = np.einsum("cijk,i,j,k->c", field[:, x, y, z].astype(np.float64), wx, wy, wz, optimize=True)
        result[index, spoiled] = np.nan
    return result


def _axis_weights(coordinate: float, filters: NDArray[np.float64]) -> tuple[slice, Points]:
    """The voxels of an axis that contribute at a coordinate, with their weights: the spline basis times the
    interpolation filter."""
    n = len(filters)
    base = int(np.floor(coordinate)) - 1
    distance = np.abs(coordinate - (base + np.arange(4)))
    basis = np.where(distance < 1, 2 / 3 - distance**2 * (2 - distance) / 2, np.maximum(2 - distance, 0) ** 3 / 6)
    mirrored = np.abs(base + np.arange(4)) if n > 1 else np.zeros(4, np.int64)
    mirrored = np.where(mirrored > n - 1, 2 * (n - 1) - mirrored, mirrored)
    weights = basis @ filters[mirrored]
    near = slice(max(base - 30, 0), min(base + 34, n))
    return near, weights[near]


def _outside_zero(field: Field, points: Points, values: Points) -> Points:
    inside = np.all((points >= 0) & (points <= np.array(field.shape[1:]) - 1), axis=1)
    values[~inside] = 0
    return values


def error_of_centroids(fixed: DenseLabels, moving: DenseLabels, field: Field, threads: int = 1) -> Points:
    """LUMIR's TRE: distance in voxels between the centroids of each landmark's region, the moving map warped nearest
    neighbour.

    One value for each label of the maps, NaN if the fixed or the warped map lacks it. Source: calc_TRE of
    JHU-MedImage-Reg/LUMIR_L2R.
    """
    overlap = warp_voxels(fixed, moving, field, threads)
    count = fixed.labels.other
    with np.errstate(invalid="ignore"):
        apart = _centroids(overlap.warped.ids, count) - _centroids(overlap.fixed.ids, count)
    return cast(Points, np.sqrt((apart**2).sum(axis=1)))


def _centroids(ids: NDArray[Any], count: int) -> Points:
    sums = _sum_positions(ids, count)
    return cast(Points, sums[:, :3] / sums[:, 3:])


@njit(nogil=True, cache=True)
def _sum_positions(ids: Any, count: int) -> Any:
    """For each id the sums of its voxels' indices, and their number."""
    sums = np.zeros((count, 4))
    for x in range(1, ids.shape[0] - 1):
        for y in range(1, ids.shape[1] - 1):
            row = ids[x, y]
            for z in range(1, row.size - 1):
                label = np.int64(row[z])
                if label < count:
                    sums[label, 0] += x - 1
                    sums[label, 1] += y - 1
                    sums[label, 2] += z - 1
                    sums[label, 3] += 1
    return sums
