"""Computes the squared distance from each surfel of one surface to the nearest surfel of another, however far.

A distance transform, one axis after another: for all columns along x at once, then for the rows along z in which there are
points, then for these points alone. Rows and points stop where nothing further away can be nearer. The squares of x, y and z
are added in this order, so that the last digit depends on nothing else.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

EXACT_FLOAT32 = 2**24
"""Integers below this are exact in float32, which the transform takes twice as many of at once."""


class Squares(NamedTuple):
    """Squared length of 0, 1, 2... steps along each axis, all float32 or all float64."""

    x: NDArray[np.floating[Any]]
    y: NDArray[np.floating[Any]]
    z: NDArray[np.floating[Any]]
    spacing_x: np.floating[Any]


def squares_for(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Squares:
    """For points in a volume of a shape; float32 only where no distance is rounded by it."""
    x, y, z = ((np.arange(n + 2) * float(s)) ** 2 for n, s in zip(shape, spacing, strict=True))
    whole = all(s == round(s) for s in spacing) and x[-1] + y[-1] + z[-1] < EXACT_FLOAT32
    dtype = np.float32 if whole else np.float64
    return Squares(x.astype(dtype), y.astype(dtype), z.astype(dtype), dtype(spacing[0]))


@njit(nogil=True, cache=True, inline="always")
def corner_of(surfel: Any) -> Any:
    """Corner (x, y, z) of a packed surfel."""
    mask = np.uint64(8191)
    return (
        np.int64((surfel >> np.uint64(26)) & mask),
        np.int64((surfel >> np.uint64(13)) & mask),
        np.int64(surfel & mask),
    )


@njit(nogil=True, cache=True)
def bounds_of(surfels: Any) -> Any:
    """Lowest and highest corner of some surfels, (2, 3)."""
    bounds = np.array([[8191, 8191, 8191], [-1, -1, -1]])
    for k in range(surfels.size):
        corner = corner_of(surfels[k])
        for axis in range(3):
            bounds[0, axis] = min(bounds[0, axis], corner[axis])
            bounds[1, axis] = max(bounds[1, axis], corner[axis])
    return bounds


@njit(nogil=True, cache=True)
def squared_distances(points: Any, surface: Any, squares: Any) -> Any:
    """Squared distance from each of `points` to the nearest of `surface`, float64; inf if that is empty."""
    result = np.full(points.size, np.inf, squares.x.dtype)
    if surface.size == 0 or points.size == 0:
        return result.astype(np.float64)
    bounds, own = bounds_of(surface), bounds_of(points)
    first = min(bounds[0, 0], own[0, 0])
    planes = _along_x(surface, bounds, (first, max(bounds[1, 0], own[1, 0])), squares)
    low = np.empty(planes.shape[2], planes.dtype)
    row_of = np.uint64((1 << 26) - 1) << np.uint64(13)
    start = 0
    while start < points.size:
        stop = start + 1
        while stop < points.size and (points[stop] & row_of) == (points[start] & row_of):
            stop += 1
        x, y, _ = corner_of(points[start])
        at = y - bounds[0, 1], bounds[0, 2]
        _nearest_to_row(points[start:stop], (planes[x - first], at, squares), low, result[start:stop])
        start = stop
    return result.astype(np.float64)


@njit(nogil=True, cache=True)
def _along_x(surface: Any, bounds: Any, span: Any, squares: Any) -> Any:
    """Squared distance along x alone, for all x of the span and the box around the surface along y and z."""
    first, last = span
    ny, nz = bounds[1, 1] - bounds[0, 1] + 1, bounds[1, 2] - bounds[0, 2] + 1
    planes = np.full((last - first + 1, ny, nz), np.inf, squares.x.dtype)
    for k in range(surface.size):
        x, y, z = corner_of(surface[k])
        planes[x - first, y - bounds[0, 1], z - bounds[0, 2]] = 0
    flat = planes.reshape(planes.shape[0], ny * nz)
    for x in range(1, len(flat)):
        _step(flat[x - 1], flat[x])
    for x in range(len(flat) - 2, -1, -1):
        _step(flat[x + 1], flat[x])
    _square(flat, squares.spacing_x)
    return planes


@njit(nogil=True, cache=True)
def _step(before: Any, steps: Any) -> None:
    """The number of steps to the nearest, given that of the plane before."""
    for k in range(steps.size):
        further = before[k] + np.float32(1)
        steps[k] = further if further < steps[k] else steps[k]


@njit(nogil=True, cache=True)
def _square(planes: Any, spacing: Any) -> None:
    for x in range(len(planes)):
        plane = planes[x]
        for k in range(plane.size):
            length = plane[k] * spacing
            plane[k] = length * length


@njit(nogil=True, cache=True)
def _nearest_to_row(points: Any, source: Any, low: Any, best: Any) -> None:
    """Lowers `best`, the squared distances of points that differ in z alone. `low`: room for a row."""
    plane, (y, z_first), squares = source
    ny, nz = plane.shape
    low[:] = np.inf
    start, stop, worst = 0, nz, low[0]
    first = max(-y, y - ny + 1, 0)  # the first step at which a row lies beside this one
    check, seen = first + 1, False
    for dy in range(first, max(y, ny - 1 - y) + 1):
        cost = squares.y[dy]
        if cost >= worst:
            break
        if 0 <= y - dy < ny:
            _lower(plane[y - dy, start:stop], cost, low[start:stop])
        if dy > 0 and 0 <= y + dy < ny:
            _lower(plane[y + dy, start:stop], cost, low[start:stop])
        seen = dy == check
        if seen:
            worst = _along_z(points, (low, z_first), squares.z, best)
            start, stop = _window(points, (z_first, nz), squares.z, worst)
            check += 2 + (_steps_below(squares.y, worst) - dy) // 2
    if not seen:
        _along_z(points, (low, z_first), squares.z, best)


@njit(nogil=True, cache=True)
def _lower(row: Any, cost: Any, low: Any) -> None:
    for z in range(row.size):
        squared = row[z] + cost
        low[z] = squared if squared < low[z] else low[z]


@njit(nogil=True, cache=True)
def _along_z(points: Any, row: Any, squares: Any, best: Any) -> Any:
    """Lowers `best` by what lies in one row; gives the largest of it."""
    low, z_first = row
    worst = squares[0]
    for k in range(points.size):
        z = corner_of(points[k])[2] - z_first
        both = min(z, low.size - 1 - z)  # steps in both directions; a point beside the row has none
        least = best[k]
        if both >= 0 and low[z] < least:
            least = low[z]
        dz = 1
        while dz <= both and squares[dz] < least:
            down, up = low[np.uint64(z - dz)], low[np.uint64(z + dz)]  # unsigned: not counted from the end
            nearer = (down if down < up else up) + squares[dz]
            least = nearer if nearer < least else least
            dz += 1
        direction = -1 if z > low.size - 1 - z else 1
        dz = max(dz, -z, z - low.size + 1)
        while 0 <= z + direction * dz < low.size and squares[dz] < least:
            nearer = low[z + direction * dz] + squares[dz]
            least = nearer if nearer < least else least
            dz += 1
        best[k] = least
        worst = max(worst, least)
    return worst


@njit(nogil=True, cache=True)
def _steps_below(squares: Any, worst: float) -> int:
    """The number of steps that are shorter than a squared distance."""
    steps = 0
    while steps < squares.size and squares[steps] < worst:
        steps += 1
    return steps


@njit(nogil=True, cache=True)
def _window(points: Any, row: Any, squares: Any, worst: float) -> Any:
    """The part of a row that can be nearer to one of the points than `worst`."""
    z_first, nz = row
    low, high = corner_of(points[0])[2], corner_of(points[0])[2]
    for k in range(1, points.size):
        z = corner_of(points[k])[2]
        low, high = min(low, z), max(high, z)
    reach = _steps_below(squares, worst)
    return max(low - z_first - reach, 0), min(high - z_first + reach + 1, nz)
