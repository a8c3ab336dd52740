"""Warps native labels by the working-grid displacement and the prepared affine in one pass: labels are interpolated
once, nearest neighbour.

fixed voxel -> fixed world x -> x + u(x), u linear on the working grid -> affine -> moving world -> moving voxel ->
its label.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.core.model import Grid
from lumirage.core.space import Volume, make_grid, same_grid
from lumirage.scoring.displacement_planes import component_planes
from lumirage.scoring.label_maps import DenseLabels, LabelSet, relabel
from lumirage.scoring.label_warp import Overlap, overlap_of
from lumirage.scoring.slabs import map_slabs

Matrix4 = NDArray[np.float64]

SNAP = 1e-4
"""Voxels. A point this near to the plane half-way between two voxels counts as on it, despite rounding: headers in float32
move an image by up to 3e-5 mm, and by another amount if it is stored in another direction."""


@dataclass(frozen=True)
class PlacedLabels:
    """Dense labels and their voxel-to-world matrix, RAS+ mm."""

    dense: DenseLabels
    affine: Matrix4


@dataclass(frozen=True)
class WorldMap:
    """x -> affine @ (x + u(x)), fixed world to moving world, mm."""

    u: NDArray[np.float32]
    """(X, Y, Z, 3) on the working grid, mm; outside the grid the edge value is used."""
    grid_affine: Matrix4
    """Working voxel to fixed world."""
    affine: Matrix4

    @classmethod
    def without_displacement(cls, affine: Matrix4) -> "WorldMap":
        """An affine alone."""
        return cls(np.zeros((1, 1, 1, 3), np.float32), np.eye(4), affine)


class _WorldWarp(NamedTuple):
    u: Any
    to_grid: Any
    """Fixed voxel to working voxel, (3, 4)."""
    to_moving: Any
    """Fixed voxel to moving voxel by the affines alone, (3, 4)."""
    step: Any
    """u to moving voxels, (3, 3)."""
    upward: Any
    """For each moving axis whether half-way goes to the higher index."""
    moving: Any
    fixed: Any
    warped: Any
    background: int


def warp_world(fixed: PlacedLabels, moving: PlacedLabels, world: WorldMap, threads: int = 1) -> Overlap:
    """The moving labels on the fixed labels' grid, and their overlap; label 0 outside the moving volume.

    Half-way between two voxels the one further right, anterior or superior is taken, however the moving map is
    stored; so results do not depend on the storage order of either image.
    """
    labels = fixed.dense.labels
    warped = labels.framed(fixed.dense.shape)
    call = _WorldWarp(
        component_planes(world.u), *voxel_matrices(world, fixed.affine, moving.affine),
        np.array(upward_axes(moving.affine)), moving.dense.ids, fixed.dense.ids, warped, labels.background,
    )  # fmt: skip
    size = labels.other + 1
    parts = map_slabs(lambda start, stop: _warp_slab(start, stop, call, size), fixed.dense.shape[0], threads)
    return overlap_of(fixed.dense, warped, moving.dense.counts, np.sum(parts, axis=0, dtype=np.int64))


def voxel_matrices(world: WorldMap, fixed: Matrix4, moving: Matrix4) -> tuple[Matrix4, Matrix4, Matrix4]:
    """Fixed voxel to working voxel and, by the affines alone, to moving voxel, (3, 4) each; u to moving voxels, (3, 3).

    `fixed` and `moving` are the voxel-to-world matrices of the two grids. Rounded to the digits that a distant origin leaves,
    so that the same images in another place give the same numbers.
    """
    to_moving = np.linalg.inv(moving) @ world.affine
    to_grid = np.linalg.inv(world.grid_affine) @ fixed
    return _rounded(to_grid), _rounded(to_moving @ fixed), _rounded(to_moving)[:, :3].copy()


def _rounded(affine: Matrix4) -> Matrix4:
    """The first three rows, the linear part to 1e-12 and the offset to 1e-9 voxels."""
    rows = np.empty((3, 4))
    rows[:, :3], rows[:, 3] = np.round(affine[:3, :3], 12), np.round(affine[:3, 3], 9)
    return rows


def upward_axes(affine: Matrix4) -> list[bool]:
    """For each array axis whether its index rises to the right, to the front or upwards."""
    return [bool(affine[np.argmax(np.abs(affine[:3, axis])), axis] > 0) for axis in range(3)]


def pull_labels(
    moving: PlacedLabels, grid: tuple[tuple[int, int, int], Matrix4], world: WorldMap, threads: int = 1
) -> DenseLabels:
    """Labels resampled onto a grid (shape, voxel to world), nearest neighbour."""
    shape, affine = grid
    blank = moving.dense.labels.framed(shape)
    blank[1:-1, 1:-1, 1:-1] = moving.dense.labels.other
    empty = DenseLabels(blank, np.zeros(moving.dense.labels.other, np.int64), moving.dense.labels)
    return warp_world(PlacedLabels(empty, affine), moving, world, threads).warped


def on_grid(
    volume: Volume, grid: Grid, labels: LabelSet, threads: int, affine: NDArray[np.float64] | None = None
) -> DenseLabels:
    """A native map on a grid: unchanged if it is on it, else nearest neighbour; `affine` maps the grid's world to the
    map's."""
    affine = np.eye(4) if affine is None else affine
    dense = relabel(volume.data, labels, threads)
    if same_grid(make_grid(dense.shape, np.linalg.inv(affine) @ volume.affine), grid):
        return dense
    world = WorldMap.without_displacement(affine)
    return pull_labels(PlacedLabels(dense, volume.affine), (grid.shape, np.array(grid.affine)), world, threads)


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
def cells_of_row(to_grid: Any, at: Any, size: int, cells: Any) -> None:
    """The cells along z of the working grid in which the voxels of row `at` (x, y) lie: low, high, part of the upper one."""
    low, high, part = cells
    for z in range(part.size):
        low[z], high[z], part[z] = cell(apply_affine(to_grid, at[0], at[1], z)[2], size)


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
        for c in range(3):
            _blend_row(planes[c], around, span, cells, out[c])
        return
    for z in range(span[0], span[1]):
        gx, gy, _ = apply_affine(to_grid, x, y, z)
        around = cell(gx, planes.shape[1]), cell(gy, planes.shape[2])
        for c in range(3):
            _blend_row(planes[c], around, (z, z + 1), cells, out[c])


@njit(nogil=True, cache=True, inline="always")
def _blend_row(plane: Any, around: Any, span: Any, cells: Any, out: Any) -> None:
    (x0, x1, px), (y0, y1, py) = around
    low_z, high_z, part = cells
    a, b, c, d = plane[x0, y0], plane[x0, y1], plane[x1, y0], plane[x1, y1]
    for z in range(span[0], span[1]):
        z0, z1, pz = low_z[z], high_z[z], part[z]
        qz = 1.0 - pz
        low = (1.0 - py) * (qz * a[z0] + pz * a[z1]) + py * (qz * b[z0] + pz * b[z1])
        high = (1.0 - py) * (qz * c[z0] + pz * c[z1]) + py * (qz * d[z0] + pz * d[z1])
        out[z] = (1.0 - px) * low + px * high


@njit(nogil=True, cache=True)
def row_buffers(length: int) -> Any:
    """Space for the cells of a row and its displacements (3, length)."""
    cells = np.empty(length, np.int64), np.empty(length, np.int64), np.empty(length)
    return cells, np.empty((3, length))


@njit(nogil=True, cache=True, inline="always")
def _nearest(coordinate: Any, upward: Any) -> Any:
    """The nearest index; half-way rounds up or down as given."""
    return np.int64(np.floor(coordinate + 0.5 + SNAP)) if upward else np.int64(np.ceil(coordinate - 0.5 - SNAP))


@njit(nogil=True, cache=True)
def _warp_slab(start: int, stop: int, call: Any, size: int) -> Any:
    joint = np.zeros((size, size), np.int64)
    nx, ny, nz = call.moving.shape[0] - 2, call.moving.shape[1] - 2, call.moving.shape[2] - 2
    step, upward = call.step, call.upward
    cells, u = row_buffers(call.fixed.shape[2] - 2)
    tilted = call.to_grid[2, 0] != 0 or call.to_grid[2, 1] != 0
    for x in range(start, stop):
        for y in range(call.fixed.shape[1] - 2):
            fixed, out = call.fixed[x + 1, y + 1], call.warped[x + 1, y + 1]
            if tilted or (x == start and y == 0):
                cells_of_row(call.to_grid, (x, y), call.u.shape[3], cells)
            interpolate_row(call.u, call.to_grid, (x, y), (0, u.shape[1]), cells, u)
            for z in range(u.shape[1]):
                cx, cy, cz = apply_affine(call.to_moving, x, y, z)
                i = _nearest(cx + step[0, 0] * u[0, z] + step[0, 1] * u[1, z] + step[0, 2] * u[2, z], upward[0])
                j = _nearest(cy + step[1, 0] * u[0, z] + step[1, 1] * u[1, z] + step[1, 2] * u[2, z], upward[1])
                k = _nearest(cz + step[2, 0] * u[0, z] + step[2, 1] * u[1, z] + step[2, 2] * u[2, z], upward[2])
                label = np.int64(call.background)
                if 0 <= i < nx and 0 <= j < ny and 0 <= k < nz:
                    label = np.int64(call.moving[i + 1, j + 1, k + 1])
                out[z + 1] = label
                joint[fixed[z + 1], label] += 1
    return joint
