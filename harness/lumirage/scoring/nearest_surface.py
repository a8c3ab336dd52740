"""Computes the squared distance from each surfel of one surface to the nearest surfel of another.

Registered surfaces are close together, so the search around each surfel comes first: the other surface is a set of bit
rows along z, and columns are visited by rising distance until none can be nearer. Distances beyond `REACH` come from
`far_surface`.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

REACH = 10
"""Range of the search, in units of the largest spacing."""

WINDOW = 32
"""Voxels along z that one read of a bit row covers in either direction."""

UNRESOLVED = np.inf
"""In place of a squared distance: beyond the range of the search."""


class Columns(NamedTuple):
    """Columns around a point by rising distance: offsets along x and y, and their squared distance."""

    dx: NDArray[np.int64]
    dy: NDArray[np.int64]
    cost: NDArray[np.float64]
    spacing_z: float
    limit: float
    """Squared distance below which a result is certain."""


def columns_for(spacing: NDArray[np.float64]) -> Columns:
    """The search pattern for a voxel spacing."""
    reach = REACH * float(np.max(spacing))
    nx, ny = (int(reach / s) for s in spacing[:2])
    dx, dy = (a.ravel() for a in np.meshgrid(np.arange(-nx, nx + 1), np.arange(-ny, ny + 1), indexing="ij"))
    cost = (dx * spacing[0]) ** 2 + (dy * spacing[1]) ** 2
    order = np.argsort(cost, kind="stable")
    order = order[cost[order] <= reach * reach]
    limit = min(reach * reach, float(((WINDOW - 1) * spacing[2]) ** 2))
    return Columns(dx[order], dy[order], cost[order], float(spacing[2]), limit)


@intrinsic
def _trailing_zeros(_typing: Any, _value: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), build


@intrinsic
def _leading_zeros(_typing: Any, _value: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), build


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
def _bit_rows(surfels: Any, bounds: Any) -> Any:
    """The corners as bits, (x, y, words): bit 64 + z of a row is the corner at z, both from the lower bound."""
    extent = bounds[1] - bounds[0] + 1
    rows = np.zeros((extent[0], extent[1], (extent[2] + 64) // 64 + 2), np.uint64)
    for k in range(surfels.size):
        x, y, z = corner_of(surfels[k])
        bit = z - bounds[0, 2] + 64
        rows[x - bounds[0, 0], y - bounds[0, 1], bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    return rows


@njit(nogil=True, cache=True, inline="always")
def _nearest_in_row(words: Any, bit: int) -> Any:
    """Distance in voxels along z from a bit to the nearest set one of its row, or WINDOW if there is none that
    near."""
    start = bit - 31
    word, shift = start >> 6, np.uint64(start & 63)
    # The second shift in two steps: by 64 at once it would be undefined.
    window = (words[word] >> shift) | ((words[word + 1] << np.uint64(1)) << (np.uint64(63) - shift))
    above = np.int64(_trailing_zeros(window >> np.uint64(31)))
    below = np.int64(_leading_zeros(window << np.uint64(32)))
    return min(above, below, 32)


@njit(nogil=True, cache=True)
def squared_distances(points: Any, surface: Any, columns: Any) -> Any:
    """Squared distance from each of `points` to the nearest of `surface`; UNRESOLVED where it exceeds the columns'
    limit."""
    result = np.full(points.size, np.inf)
    if surface.size == 0:
        return result
    bounds = bounds_of(surface)
    rows = _bit_rows(surface, bounds)
    nx, ny, row_bits = rows.shape[0], rows.shape[1], 64 * rows.shape[2]
    reach_z = bounds[1, 2] - bounds[0, 2] + 32
    words, dx, dy, cost, spacing_z = rows.ravel(), columns.dx, columns.dy, columns.cost, columns.spacing_z
    for k in range(points.size):
        px, py, pz = corner_of(points[k])
        x, y, z = px - bounds[0, 0], py - bounds[0, 1], pz - bounds[0, 2]
        if z < -32 or z >= reach_z:
            continue
        best = np.inf
        for c in range(cost.size):
            if cost[c] >= best:
                break
            i, j = x + dx[c], y + dy[c]
            if i >= 0 and j >= 0 and i < nx and j < ny:
                step = _nearest_in_row(words, (i * ny + j) * row_bits + z + 64)
                if step < 32:
                    best = min(best, cost[c] + (step * spacing_z) ** 2)
        if best <= columns.limit:
            result[k] = best
    return result
