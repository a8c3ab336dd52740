"""Interpolates a displacement at the voxels of another grid, trilinear, a row of voxels at once."""

from typing import Any

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, inline="always")
def apply_affine(m: Any, x: float, y: float, z: float) -> Any:
    """A matrix of at least three rows applied to a point."""
    return (
        m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3],
        m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3],
        m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3],
    )


@njit(nogil=True, cache=True, inline="always")
def cell(coordinate: Any, n: Any) -> Any:
    """Lower neighbour, upper neighbour and the share of the upper one, the coordinate clipped to 0..n-1."""
    held = min(max(coordinate, 0.0), n - 1.0)
    low = min(np.int64(held), max(n - 2, 0))
    return low, min(low + 1, n - 1), held - low


@njit(nogil=True, cache=True, inline="always")
def _blend(a: Any, b: Any, part: float) -> Any:
    rest = 1.0 - part
    return (
        rest * np.float64(a[0]) + part * np.float64(b[0]),
        rest * np.float64(a[1]) + part * np.float64(b[1]),
        rest * np.float64(a[2]) + part * np.float64(b[2]),
    )


@njit(nogil=True, cache=True)
def interpolate(u: Any, x: float, y: float, z: float) -> Any:
    """u (X, Y, Z, 3) at a voxel point, trilinear, edge value outside."""
    x0, x1, px = cell(x, u.shape[0])
    y0, y1, py = cell(y, u.shape[1])
    z0, z1, pz = cell(z, u.shape[2])
    low = _blend(_blend(u[x0, y0, z0], u[x0, y0, z1], pz), _blend(u[x0, y1, z0], u[x0, y1, z1], pz), py)
    high = _blend(_blend(u[x1, y0, z0], u[x1, y0, z1], pz), _blend(u[x1, y1, z0], u[x1, y1, z1], pz), py)
    return _blend(low, high, px)


@njit(nogil=True, cache=True)
def row_buffers(length: int) -> Any:
    """Space for the cells of a row and its displacements (3, length)."""
    cells = np.empty(length, np.int64), np.empty(length, np.int64), np.empty(length), np.zeros(2, np.int64)
    return cells, np.empty((3, length))


@njit(nogil=True, cache=True)
def cells_of_row(to_grid: Any, at: Any, size: int, cells: Any) -> None:
    """The cells along z of the working grid in which the voxels of row `at` (x, y) lie: low, high, part of the upper one;
    and from where to where each cell follows the one before it, as on grids of one spacing."""
    low, high, part, succession = cells
    for z in range(part.size):
        low[z], high[z], part[z] = cell(apply_affine(to_grid, at[0], at[1], z)[2], size)
    first = last = part.size // 2
    while first > 0 and low[first - 1] == low[first] - 1:
        first -= 1
    while last < part.size and low[last] == low[first] + last - first and high[last] == low[last] + 1:
        last += 1
    succession[0], succession[1] = first, last


@njit(nogil=True, cache=True)
def interpolate_row(planes: Any, to_grid: Any, at: Any, span: Any, cells: Any, out: Any) -> None:
    """u (3, X, Y, Z) at voxels (x, y, z) of row `at` (x, y), start <= z < stop of `span`, into `out` (3, Z).

    `cells` are those of the row, which all rows share where the working grid's z depends on z alone. The digits are those
    of `interpolate`, as the operations and their order are the same.
    """
    x, y = at
    if to_grid[0, 2] == 0 and to_grid[1, 2] == 0:
        gx, gy, _ = apply_affine(to_grid, x, y, 0)
        around = cell(gx, planes.shape[1]), cell(gy, planes.shape[2])
        first = min(max(cells[3][0], span[0]), span[1])
        last = max(min(cells[3][1], span[1]), first)
        for c in range(3):
            _blend_row(planes[c], around, (span[0], first), cells, out[c])
            _blend_succession(planes[c], around, (first, last), cells, out[c])
            _blend_row(planes[c], around, (last, span[1]), cells, out[c])
        return
    for z in range(span[0], span[1]):
        gx, gy, _ = apply_affine(to_grid, x, y, z)
        around = cell(gx, planes.shape[1]), cell(gy, planes.shape[2])
        for c in range(3):
            _blend_row(planes[c], around, (z, z + 1), cells, out[c])


@njit(nogil=True, cache=True, inline="always")
def _blend_row(plane: Any, around: Any, span: Any, cells: Any, out: Any) -> None:
    (x0, x1, px), (y0, y1, py) = around
    low_z, high_z, part, _ = cells
    a, b, c, d = plane[x0, y0], plane[x0, y1], plane[x1, y0], plane[x1, y1]
    for z in range(span[0], span[1]):
        z0, z1, pz = low_z[z], high_z[z], part[z]
        qz = 1.0 - pz
        low = (1.0 - py) * (qz * a[z0] + pz * a[z1]) + py * (qz * b[z0] + pz * b[z1])
        high = (1.0 - py) * (qz * c[z0] + pz * c[z1]) + py * (qz * d[z0] + pz * d[z1])
        out[z] = (1.0 - px) * low + px * high


@njit(nogil=True, cache=True)
def _blend_succession(plane: Any, around: Any, span: Any, cells: Any, out: Any) -> None:
    """The same where each cell follows the one before: without an index for each voxel it can be vectorized."""
    (x0, x1, px), (y0, y1, py) = around
    start, n = cells[0][min(span[0], out.size - 1)], span[1] - span[0]
    here, next_ = (start, start + n), (start + 1, start + 1 + n)
    a, aa = plane[x0, y0, here[0] : here[1]], plane[x0, y0, next_[0] : next_[1]]
    b, bb = plane[x0, y1, here[0] : here[1]], plane[x0, y1, next_[0] : next_[1]]
    c, cc = plane[x1, y0, here[0] : here[1]], plane[x1, y0, next_[0] : next_[1]]
    d, dd = plane[x1, y1, here[0] : here[1]], plane[x1, y1, next_[0] : next_[1]]
    part, blended = cells[2][span[0] : span[1]], out[span[0] : span[1]]
    for k in range(n):
        pz = part[k]
        qz = 1.0 - pz
        low = (1.0 - py) * (qz * a[k] + pz * aa[k]) + py * (qz * b[k] + pz * bb[k])
        high = (1.0 - py) * (qz * c[k] + pz * cc[k]) + py * (qz * d[k] + pz * dd[k])
        blended[k] = (1.0 - px) * low + px * high
