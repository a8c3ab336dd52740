"""Converts displacement fields for the kernels: one contiguous plane per component, in voxels."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.slabs import map_slabs

Field = NDArray[Any]
"""float32 or float64."""


def component_planes(displacement: NDArray[Any]) -> Field:
    """(X, Y, Z, 3) or a view of it to (3, X, Y, Z), C order, float32 or float64, values unchanged.

    A field that is already stored component by component is not copied.
    """
    planes = np.moveaxis(displacement, -1, 0)
    exact = np.float32 if planes.dtype in (np.float16, np.float32) else np.float64
    if planes.dtype == exact and planes[0].flags.f_contiguous and not planes.flags.c_contiguous:
        turned = np.empty(planes.shape, exact)
        _turn(np.moveaxis(planes, 1, -1), turned)
        return turned
    return np.ascontiguousarray(planes, dtype=exact)


BLOCK = 16
"""Voxels along x and z that are turned together: both sides stay in the cache. Three times as fast as numpy's copy."""


@njit(nogil=True, cache=True)
def _turn(stored: Any, planes: Any) -> None:
    """Copies (3, Y, Z, X) as NIfTI stores a field, x fastest, into (3, X, Y, Z)."""
    components, nx, ny, nz = planes.shape
    for c in range(components):
        for y in range(ny):
            for x0 in range(0, nx, BLOCK):
                for z0 in range(0, nz, BLOCK):
                    for x in range(x0, min(x0 + BLOCK, nx)):
                        for z in range(z0, min(z0 + BLOCK, nz)):
                            planes[c, x, y, z] = stored[c, y, z, x]


def voxel_planes(displacement_mm: NDArray[Any], affine: NDArray[np.float64], threads: int = 1) -> Field:
    """A world displacement (X, Y, Z, 3) in mm as (3, X, Y, Z) in voxels of its own grid: d = A[:3, :3]^-1 u.

    float32 if the grid is 1 mm and along the axes, so that nothing is rounded; else float64.
    """
    inverse = np.linalg.inv(affine[:3, :3])
    if np.array_equal(inverse, np.eye(3)):
        return component_planes(displacement_mm)
    signed_axes = np.array_equal(np.abs(inverse), np.eye(3))
    exact = np.float32 if signed_axes and displacement_mm.dtype != np.float64 else np.float64
    planes = np.empty((3, *displacement_mm.shape[:3]), exact)
    map_slabs(
        lambda start, stop: _convert_slab(start, stop, displacement_mm, inverse, planes), planes.shape[1], threads
    )
    return planes


@njit(nogil=True, cache=True)
def _convert_slab(start: int, stop: int, field: Any, matrix: Any, planes: Any) -> None:
    for x in range(start, stop):
        for y in range(field.shape[1]):
            for z in range(field.shape[2]):
                u, v, w = np.float64(field[x, y, z, 0]), np.float64(field[x, y, z, 1]), np.float64(field[x, y, z, 2])
                for c in range(3):
                    planes[c, x, y, z] = matrix[c, 0] * u + matrix[c, 1] * v + matrix[c, 2] * w
