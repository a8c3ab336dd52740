"""Measures the error of a registration against the known true one, and against its own inverse."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.core.space import Displacement, Single
from lumirage.scoring.displacement_rows import apply_affine, interpolate
from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.native_label_warp import WorldMap
from lumirage.scoring.slabs import map_slabs


class ErrorLengths(NamedTuple):
    """Lengths in mm over the voxels of a mask; NaN if it is empty."""

    mean: float
    p95: float
    maximum: float
    voxels: int


def true_errors(world: WorldMap, truth: Displacement, threads: int = 1) -> Single:
    """|A (x + u(x)) - (x + u_true(x))| in mm of the native moving world, at each voxel of the true displacement's
    lattice (X, Y, Z), which is the native fixed image's."""
    lengths = np.empty(truth.u.shape[:3], np.float32)
    fields = np.ascontiguousarray(world.u), np.ascontiguousarray(truth.u)
    matrices = np.linalg.inv(world.grid_affine) @ truth.affine, truth.affine, world.affine
    map_slabs(lambda start, stop: _error_slab(start, stop, fields, matrices, lengths), len(lengths), threads)
    return lengths


def error_in(lengths: Single, mask: NDArray[np.bool_]) -> ErrorLengths:
    """Their summary inside a mask (X, Y, Z)."""
    return _summary(lengths[mask])


def error_by_label(lengths: Single, labels: DenseLabels) -> list[ErrorLengths]:
    """The same inside each label of a map on that grid, in the order of its labels; NaN if a label has no voxel there."""
    ids = labels.ids[1:-1, 1:-1, 1:-1]
    inside = ids < labels.labels.other
    ordered = lengths[inside][np.argsort(ids[inside], kind="stable")]
    return [_summary(part) for part in np.split(ordered, np.cumsum(labels.counts)[:-1])]


def inverse_consistency(
    forward: WorldMap, backward: WorldMap, mask: NDArray[np.bool_], threads: int = 1
) -> ErrorLengths:
    """Distance in mm of a point from itself after fixed to moving and back, for the working-grid voxels of a mask.

    `forward` maps the fixed world to the moving one, `backward` the reverse; x -> y = A (x + u(x)) -> B (y + v(y)).
    """
    lengths = np.full(forward.u.shape[:3], np.nan)
    u, v = np.ascontiguousarray(forward.u), np.ascontiguousarray(backward.u)
    maps = (forward.grid_affine, forward.affine, np.linalg.inv(backward.grid_affine), backward.affine)
    map_slabs(lambda start, stop: _return_slab(start, stop, (u, v), maps, lengths), u.shape[0], threads)
    return _summary(lengths[mask])


def _summary(lengths: NDArray[Any]) -> ErrorLengths:
    if not lengths.size:
        return ErrorLengths(np.nan, np.nan, np.nan, 0)
    mean = float(lengths.mean(dtype=np.float64))
    return ErrorLengths(mean, float(np.percentile(lengths, 95)), float(lengths.max()), lengths.size)


@njit(nogil=True, cache=True)
def _error_slab(start: int, stop: int, fields: Any, matrices: Any, lengths: Any) -> None:
    u, truth = fields
    to_grid, native, affine = matrices
    for x in range(start, stop):
        for y in range(truth.shape[1]):
            for z in range(truth.shape[2]):
                p = apply_affine(native, x, y, z)
                at = apply_affine(to_grid, x, y, z)
                d = interpolate(u, at[0], at[1], at[2])
                q = apply_affine(affine, p[0] + d[0], p[1] + d[1], p[2] + d[2])
                t = truth[x, y, z]
                apart = (q[0] - p[0] - t[0]) ** 2 + (q[1] - p[1] - t[1]) ** 2 + (q[2] - p[2] - t[2]) ** 2
                lengths[x, y, z] = np.sqrt(apart)


@njit(nogil=True, cache=True)
def _return_slab(start: int, stop: int, fields: Any, maps: Any, lengths: Any) -> None:
    u, v = fields
    grid, affine, to_grid, back = maps
    for x in range(start, stop):
        for y in range(u.shape[1]):
            for z in range(u.shape[2]):
                p = apply_affine(grid, x, y, z)
                d = u[x, y, z]
                q = apply_affine(affine, p[0] + d[0], p[1] + d[1], p[2] + d[2])
                at = apply_affine(to_grid, q[0], q[1], q[2])
                e = interpolate(v, at[0], at[1], at[2])
                r = apply_affine(back, q[0] + e[0], q[1] + e[1], q[2] + e[2])
                lengths[x, y, z] = np.sqrt((r[0] - p[0]) ** 2 + (r[1] - p[1]) ** 2 + (r[2] - p[2]) ** 2)
