"""Computes the squared distance from surfels to the nearest surfel of a surface that lies far away.

Both surfaces are cut into tiles of TILE voxels, with the tight box around the surfels of each. For all surfels of a tile,
only those tiles of the other surface can have the nearest surfel whose box is not entirely further away than another's.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.nearest_surface import bounds_of, corner_of

TILE = 8
"""Width of a tile in voxels, along each axis."""
RUN = 16
"""Tiles that have one more box around them all, so that most tiles of a large surface are never looked at."""


class Tiles(NamedTuple):
    """Surfels ordered by tile; corners and boxes in voxels."""

    order: NDArray[np.int64]
    """Positions of the surfels in their list."""
    corners: NDArray[np.float64]
    """(3, n), in that order."""
    begin: NDArray[np.int64]
    """The surfels of tile t are begin[t] to begin[t + 1]."""
    boxes: NDArray[np.float64]
    """(tiles, 6): the lowest and the highest corner of the surfels in a tile."""
    runs: NDArray[np.float64]
    """(runs, 6): the same for RUN tiles in succession."""


def resolve(points: NDArray[np.uint64], surface: NDArray[np.uint64], spacing: NDArray[np.float64], found: Any) -> None:
    """Replaces the infinite ones among the squared distances `found` of `points`; `surface` must not be empty."""
    far = np.flatnonzero(np.isinf(found))
    if far.size:
        _search(_tiles(points[far]), _tiles(surface), spacing, (far, found))


def _tiles(surfels: NDArray[np.uint64]) -> Tiles:
    numbers = _tile_numbers(surfels, bounds_of(surfels))
    order = np.argsort(numbers, kind="stable")
    begin = np.flatnonzero(np.diff(numbers[order], prepend=-1, append=np.iinfo(np.int64).max))
    corners = _corners(surfels[order])
    boxes = _boxes(corners, begin[:-1], corners)
    runs = _boxes(boxes[:, :3].T, np.arange(0, len(boxes), RUN), boxes[:, 3:].T)
    return Tiles(order, corners, begin, boxes, runs)


def _boxes(low: NDArray[np.float64], starts: NDArray[np.int64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Around each stretch of columns (3, n) that begins at one of `starts`."""
    both = np.minimum.reduceat(low, starts, axis=1), np.maximum.reduceat(high, starts, axis=1)
    return np.ascontiguousarray(np.concatenate(both).T)


@njit(nogil=True, cache=True)
def _tile_numbers(surfels: Any, bounds: Any) -> Any:
    ny, nz = (bounds[1, 1] - bounds[0, 1]) // TILE + 1, (bounds[1, 2] - bounds[0, 2]) // TILE + 1
    numbers = np.empty(surfels.size, np.int64)
    for k in range(surfels.size):
        x, y, z = corner_of(surfels[k])
        i, j, m = (x - bounds[0, 0]) // TILE, (y - bounds[0, 1]) // TILE, (z - bounds[0, 2]) // TILE
        numbers[k] = (i * ny + j) * nz + m
    return numbers


@njit(nogil=True, cache=True)
def _corners(surfels: Any) -> Any:
    corners = np.empty((3, surfels.size))
    for k in range(surfels.size):
        corners[0, k], corners[1, k], corners[2, k] = corner_of(surfels[k])
    return corners


@njit(nogil=True, cache=True, inline="always")
def _squared(dx: float, dy: float, dz: float, spacing: Any) -> Any:
    """In the order of operations of `nearest_surface`, so that both give the same last digit."""
    return (dx * spacing[0]) ** 2 + (dy * spacing[1]) ** 2 + (dz * spacing[2]) ** 2


@njit(nogil=True, cache=True, inline="always")
def _between(a: Any, b: Any, spacing: Any) -> Any:
    """The least and a greatest squared distance between a point of box `a` and one of box `b`.

    No point of `a` is further than the second from all points of `b`, as `b` is not empty. Rounding does not matter: all
    operations are monotonic.
    """
    least = _squared(
        max(a[0] - b[3], b[0] - a[3], 0.0),
        max(a[1] - b[4], b[1] - a[4], 0.0),
        max(a[2] - b[5], b[2] - a[5], 0.0),
        spacing,
    )
    most = _squared(
        max(a[3] - b[0], b[3] - a[0]), max(a[4] - b[1], b[4] - a[1]), max(a[5] - b[2], b[5] - a[2]), spacing
    )
    return least, most


@njit(nogil=True, cache=True)
def _search(points: Any, surface: Any, spacing: Any, target: Any) -> None:
    which, found = target
    tiles, least = np.empty(surface.begin.size, np.int64), np.empty(surface.begin.size)
    for a in range(points.begin.size - 1):
        count = _candidates(points.boxes[a], surface, spacing, (tiles, least))
        rank = np.argsort(least[:count])
        for k in range(points.begin[a], points.begin[a + 1]):
            x, y, z = points.corners[0, k], points.corners[1, k], points.corners[2, k]
            best = np.inf
            for n in range(count):
                if least[rank[n]] >= best:
                    break
                best = min(best, _nearest_in_tile((x, y, z), surface, tiles[rank[n]], spacing, best))
            found[which[points.order[k]]] = best


@njit(nogil=True, cache=True)
def _candidates(box: Any, surface: Any, spacing: Any, out: Any) -> int:
    """Writes the tiles that may have the nearest surfel of a point in a box and their least squared distance; gives their
    number."""
    tiles, least = out
    limit = np.inf
    for run in range(len(surface.runs)):
        limit = min(limit, _between(box, surface.runs[run], spacing)[1])
    count = 0
    for run in range(len(surface.runs)):
        if _between(box, surface.runs[run], spacing)[0] > limit:
            continue
        for tile in range(RUN * run, min(RUN * (run + 1), len(surface.boxes))):
            near, far = _between(box, surface.boxes[tile], spacing)
            if near <= limit:
                tiles[count], least[count] = tile, near
                count += 1
                limit = min(limit, far)
    kept = 0
    for n in range(count):
        if least[n] <= limit:
            tiles[kept], least[kept] = tiles[n], least[n]
            kept += 1
    return kept


@njit(nogil=True, cache=True, inline="always")
def _nearest_in_tile(point: Any, surface: Any, tile: int, spacing: Any, best: float) -> Any:
    x, y, z = point
    box = surface.boxes[tile]
    outside = _squared(
        max(box[0] - x, x - box[3], 0.0), max(box[1] - y, y - box[4], 0.0), max(box[2] - z, z - box[5], 0.0), spacing
    )
    if outside >= best:
        return best
    for n in range(surface.begin[tile], surface.begin[tile + 1]):
        best = min(
            best, _squared(surface.corners[0, n] - x, surface.corners[1, n] - y, surface.corners[2, n] - z, spacing)
        )
    return best
