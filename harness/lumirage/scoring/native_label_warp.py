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
from lumirage.scoring.displacement_rows import apply_affine, cells_of_row, interpolate_row, row_buffers
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
    place: Any
    """An array of the integers that count the voxels of the moving map."""


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
        np.empty(0, np.int32 if moving.dense.ids.size < 2**31 else np.int64),
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


@njit(nogil=True, cache=True)
def _warp_slab(start: int, stop: int, call: Any, size: int) -> Any:
    joint = np.zeros((size, size), np.int64)
    cells, u = row_buffers(call.fixed.shape[2] - 2)
    tilted = call.to_grid[2, 0] != 0 or call.to_grid[2, 1] != 0
    at, labels = np.empty(u.shape[1], call.place.dtype), call.moving.ravel()
    for x in range(start, stop):
        for y in range(call.fixed.shape[1] - 2):
            fixed, out = call.fixed[x + 1, y + 1, 1:-1], call.warped[x + 1, y + 1, 1:-1]
            if tilted or (x == start and y == 0):
                cells_of_row(call.to_grid, (x, y), call.u.shape[3], cells)
            interpolate_row(call.u, call.to_grid, (x, y), (0, u.shape[1]), cells, u)
            _nearest_of_row(call, (x, y), u, at)
            for z in range(at.size):
                label = np.int64(labels[np.uint64(at[z])]) if at[z] >= 0 else np.int64(call.background)
                out[z] = label
                joint[np.uint64(fixed[z]), np.uint64(label)] += 1
    return joint


@njit(nogil=True, cache=True)
def _nearest_of_row(call: Any, row: Any, u: Any, at: Any) -> None:
    """The position in the framed moving map that each voxel of row (x, y) comes from, -1 outside the moving volume.

    In floating point, whose comparisons also hold for the coordinates of a field that explodes.
    """
    x, y = row
    nx, ny, nz = call.moving.shape
    m, step, upward = call.to_moving, call.step, call.upward
    up_x, up_y, up_z = upward[0], upward[1], upward[2]
    ux, uy, uz = u[0], u[1], u[2]
    for z in range(at.size):
        cx, cy, cz = apply_affine(m, x, y, z)
        i = _nearest(cx + step[0, 0] * ux[z] + step[0, 1] * uy[z] + step[0, 2] * uz[z], up_x)
        j = _nearest(cy + step[1, 0] * ux[z] + step[1, 1] * uy[z] + step[1, 2] * uz[z], up_y)
        k = _nearest(cz + step[2, 0] * ux[z] + step[2, 1] * uy[z] + step[2, 2] * uz[z], up_z)
        inside = (i >= 0) & (i < nx - 2) & (j >= 0) & (j < ny - 2) & (k >= 0) & (k < nz - 2)
        place = ((i + 1.0) * ny + (j + 1.0)) * nz + (k + 1.0)
        at[z] = place if inside else -1.0


@njit(nogil=True, cache=True, inline="always")
def _nearest(coordinate: Any, upward: Any) -> Any:
    """The nearest index, a float; half-way rounds up or down as given."""
    return np.floor(coordinate + 0.5 + SNAP) if upward else np.ceil(coordinate - 0.5 - SNAP)
