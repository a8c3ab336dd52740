"""Errors of a displacement against a known one, and of a registration against its own inverse."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.labels import DenseLabels
from lumirage.scoring.slabs import map_slabs
from lumirage.scoring.worldwarp import WorldMap, interpolate


class ErrorLengths(NamedTuple):
    """Lengths in mm over the voxels of a mask; NaN where it is empty."""

    mean: float
    p95: float
    maximum: float


def displacement_error(u: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_]) -> ErrorLengths:
    """|u - u_true| of two displacements (X, Y, Z, 3) in mm on one grid, inside a mask (X, Y, Z)."""
    apart = u[mask].astype(np.float64) - truth[mask]
    return _summary(np.sqrt((apart * apart).sum(axis=-1)))


def displacement_error_by_label(u: NDArray[Any], truth: NDArray[Any], labels: DenseLabels) -> list[ErrorLengths]:
    """The same inside each label of a map on that grid, in the order of its labels; NaN where one has no voxel there."""
    ids = labels.ids[1:-1, 1:-1, 1:-1]
    inside = ids < labels.labels.other
    apart = u[inside].astype(np.float64) - truth[inside]
    order = np.argsort(ids[inside], kind="stable")
    lengths = np.sqrt((apart * apart).sum(axis=-1))[order]
    return [_summary(part) for part in np.split(lengths, np.cumsum(labels.counts)[:-1])]


def inverse_consistency(
    forward: WorldMap, backward: WorldMap, mask: NDArray[np.bool_], threads: int = 1
) -> ErrorLengths:
    """How far a point is from itself after fixed to moving and back, in mm, for the working-grid voxels of a mask.

    `forward` maps the fixed world to the moving one, `backward` the reverse; x -> y = A (x + u(x)) -> B (y + v(y)).
    """
    lengths = np.full(forward.u.shape[:3], np.nan)
    u, v = np.ascontiguousarray(forward.u), np.ascontiguousarray(backward.u)
    maps = (forward.grid_affine, forward.affine, np.linalg.inv(backward.grid_affine), backward.affine)
    map_slabs(lambda start, stop: _return_slab(start, stop, (u, v), maps, lengths), u.shape[0], threads)
    return _summary(lengths[mask])


def _summary(lengths: NDArray[np.float64]) -> ErrorLengths:
    if not lengths.size:
        return ErrorLengths(np.nan, np.nan, np.nan)
    return ErrorLengths(float(lengths.mean()), float(np.percentile(lengths, 95)), float(lengths.max()))


@njit(nogil=True, cache=True, inline="always")
def _apply(m: Any, p: Any) -> Any:
    return (
        m[0, 0] * p[0] + m[0, 1] * p[1] + m[0, 2] * p[2] + m[0, 3],
        m[1, 0] * p[0] + m[1, 1] * p[1] + m[1, 2] * p[2] + m[1, 3],
        m[2, 0] * p[0] + m[2, 1] * p[1] + m[2, 2] * p[2] + m[2, 3],
    )


@njit(nogil=True, cache=True)
def _return_slab(start: int, stop: int, fields: Any, maps: Any, lengths: Any) -> None:
    u, v = fields
    grid, affine, to_grid, back = maps
    for x in range(start, stop):
        for y in range(u.shape[1]):
            for z in range(u.shape[2]):
                p = _apply(grid, (float(x), float(y), float(z)))
                d = u[x, y, z]
                q = _apply(affine, (p[0] + d[0], p[1] + d[1], p[2] + d[2]))
                at = _apply(to_grid, q)
                e = interpolate(v, at[0], at[1], at[2])
                r = _apply(back, (q[0] + e[0], q[1] + e[1], q[2] + e[2]))
                lengths[x, y, z] = np.sqrt((r[0] - p[0]) ** 2 + (r[1] - p[1]) ** 2 + (r[2] - p[2]) ** 2)
