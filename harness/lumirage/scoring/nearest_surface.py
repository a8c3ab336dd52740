"""Computes the squared distance from each surfel of one surface to the nearest surfel of another, however far.

A distance transform, one axis after another: for all columns along x at once, then along y and z for the rows in which there
are points. A row looks near first, and stops where nothing further away can be nearer. The squares of x, y and z are added in
this order, so that the last digit depends on nothing else.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.surface_rows import AT_ONCE, lower_by_rows, lower_by_sides, room_for, steps_below
from lumirage.scoring.surfels import bounds_of, corner_of

EXACT_FLOAT32 = 2**24
"""Integers below this are exact in float32, which the transform takes twice as many of at once."""

MARGIN = 8
"""Steps around the points in which a surface that reaches further is looked at first."""
WORTHWHILE = 4
"""How much smaller that part must be."""

FIRST_STEPS = 4
"""Steps in which a row is looked at first: surfaces of good answers lie no further apart."""
FURTHER = 16
"""How much larger the next limit of the squared distance is."""


class Squares(NamedTuple):
    """Squared length of 0, 1, 2... steps along each axis, all float32 or all float64."""

    x: NDArray[np.floating[Any]]
    y: NDArray[np.floating[Any]]
    z: NDArray[np.floating[Any]]
    spacing_x: np.floating[Any]


def squares_for(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Squares:
    """For points in a volume of a shape; float32 only where no distance is rounded by it."""
    x, y, z = ((np.arange(n + AT_ONCE) * float(s)) ** 2 for n, s in zip(shape, spacing, strict=True))
    whole = all(s == round(s) for s in spacing) and x[-1] + y[-1] + z[-1] < EXACT_FLOAT32
    dtype = np.float32 if whole else np.float64
    return Squares(x.astype(dtype), y.astype(dtype), z.astype(dtype), dtype(spacing[0]))


@njit(nogil=True, cache=True)
def squared_distances(points: Any, surface: Any, squares: Any) -> Any:
    """Squared distance from each of `points` to the nearest of `surface`, float64; inf if that is empty.

    Both in the order in which they were scanned. If the surface reaches far beyond the points, as that of a scattered label,
    they are compared with the part near them first; only what may have something nearer outside that part is compared with
    more.
    """
    result = np.full(points.size, np.inf, squares.x.dtype)
    if surface.size == 0 or points.size == 0:
        return result.astype(np.float64)
    bounds, margin = bounds_of(surface), MARGIN
    left = np.arange(points.size)
    while left.size:
        some = points if left.size == points.size else points[left]
        own = bounds_of(some)
        part, inside = surface, _held(bounds, own, margin)
        whole = _cells(bounds, own) <= WORTHWHILE * _cells(inside, own)
        if not whole:
            part = _inside(surface, inside)
        found = _to_surface(some, part, squares)
        certain = np.inf if whole else _beyond(bounds, inside, margin, squares)
        kept = np.empty(left.size, np.int64)
        size = 0
        for k in range(left.size):
            result[left[k]] = found[k]
            if found[k] > certain:
                kept[size] = left[k]
                size += 1
        left, margin = kept[:size], 2 * margin
    return result.astype(np.float64)


@njit(nogil=True, cache=True)
def _held(bounds: Any, own: Any, margin: int) -> Any:
    """The part of the box around a surface that lies within a number of steps of the box around points."""
    held = bounds.copy()
    for axis in range(3):
        held[0, axis] = max(bounds[0, axis], own[0, axis] - margin)
        held[1, axis] = min(bounds[1, axis], own[1, axis] + margin)
    return held


@njit(nogil=True, cache=True)
def _beyond(bounds: Any, inside: Any, margin: int, squares: Any) -> Any:
    """The least squared distance from the points to what was left out."""
    least = np.inf
    for axis in range(3):
        if inside[0, axis] > bounds[0, axis] or inside[1, axis] < bounds[1, axis]:
            along = squares.x if axis == 0 else squares.y if axis == 1 else squares.z
            least = min(least, along[margin + 1])
    return least


@njit(nogil=True, cache=True)
def _cells(bounds: Any, own: Any) -> int:
    """The size of the transform, in voxels: all x of both boxes, y and z of the surface's."""
    x = max(bounds[1, 0], own[1, 0]) - min(bounds[0, 0], own[0, 0]) + 1
    return x * max(bounds[1, 1] - bounds[0, 1] + 1, 0) * max(bounds[1, 2] - bounds[0, 2] + 1, 0)


@njit(nogil=True, cache=True)
def _inside(surface: Any, bounds: Any) -> Any:
    """The surfels inside a box."""
    kept = np.empty_like(surface)
    size = 0
    for k in range(surface.size):
        x, y, z = corner_of(surface[k])
        kept[size] = surface[k]
        size += (
            (x >= bounds[0, 0]) & (x <= bounds[1, 0])
            & (y >= bounds[0, 1]) & (y <= bounds[1, 1])
            & (z >= bounds[0, 2]) & (z <= bounds[1, 2])
        )  # fmt: skip
    return kept[:size]


@njit(nogil=True, cache=True)
def _to_surface(points: Any, surface: Any, squares: Any) -> Any:
    """Squared distance from each of `points` to the nearest of all of `surface`.

    A row of points first looks at what is nearer than a limit, and further only for points that may have something nearer
    beyond it. Arrays are neither cut nor packed inside the loop: numba counts references to each part.
    """
    result = np.full(points.size, np.inf, squares.x.dtype)
    if surface.size == 0:
        return result
    bounds, own = bounds_of(surface), bounds_of(points)
    first_x, first_y, first_z = min(bounds[0, 0], own[0, 0]), bounds[0, 1], bounds[0, 2]
    planes = _along_x(surface, bounds, (first_x, max(bounds[1, 0], own[1, 0])), squares)
    _, ny, nz = planes.shape
    flat, lowest = planes.ravel(), _lowest_of_rows(planes)
    room, aside = room_for(nz, (own[0, 2] - first_z, own[1, 2] - first_z), squares)
    squares_y, squares_z = squares.y, squares.z
    near = max(squares.x[FIRST_STEPS], squares_y[FIRST_STEPS], squares_z[FIRST_STEPS])
    end = 0
    while end < points.size:
        start, end = end, _end_of_row(points, end)
        first, stop, limit, worst = start, end, near, result[start]
        x, y, _ = corner_of(points[start])
        at = (x - first_x) * ny, y - first_y, ny, nz
        while stop > first:
            z_low, z_high = corner_of(points[first])[2] - first_z, corner_of(points[stop - 1])[2] - first_z
            along = steps_below(squares_z, limit)
            window = max(z_low - along + 1, 0), min(z_high + along, nz)
            if window[0] < window[1]:
                gap = max(-z_high, z_low - nz + 1, 0)  # the steps along z that all points are away at least
                rows = (steps_below(squares_y, limit), window, aside)
                lower_by_rows(flat, lowest, squares_y, room, (at, rows, (squares_z[gap], worst)))
                sides = ((first, stop), (first_z, z_low, z_high), (gap, along), window, aside)
                worst = lower_by_sides(room, squares_z, points, result, sides)
            first, stop = _unsure(result, first, stop, limit)
            limit = min(worst, limit * FURTHER)
    return result


@njit(nogil=True, cache=True)
def _end_of_row(points: Any, start: int) -> int:
    """The end of the points that differ in z alone, in ascending order."""
    x, y, z = corner_of(points[start])
    k = start + 1
    while k < points.size:
        next_x, next_y, next_z = corner_of(points[k])
        if next_x != x or next_y != y or next_z < z:
            break
        z = next_z
        k += 1
    return k


@njit(nogil=True, cache=True)
def _unsure(best: Any, first: int, stop: int, limit: Any) -> Any:
    """From where to where points may have something nearer beyond a limit."""
    while first < stop and best[first] <= limit:
        first += 1
    while stop > first and best[stop - 1] <= limit:
        stop -= 1
    return first, stop


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


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})  # there is neither NaN nor -0: the order of comparisons is free
def _lowest_of_rows(planes: Any) -> Any:
    """The lowest value of each row, x by x."""
    nx, ny, nz = planes.shape
    lowest, values = np.empty(nx * ny, planes.dtype), planes.ravel()
    for r in range(lowest.size):
        least = values[r * nz]
        for z in range(nz):
            value = values[np.uint64(r * nz + z)]
            least = value if value < least else least
        lowest[r] = least
    return lowest
