"""Converts a stored field of any declared convention to displacements in millimetres, RAS+, pull."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lumirage.core.model import Convention

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

VELOCITY_SQUARINGS = 7
"""Steps with which a stationary velocity field is integrated: scaling and squaring, 2**7 steps of Euler."""


def to_world(field: Array, convention: Convention, affine: Float) -> npt.NDArray[np.float32]:
    """Convert a stored field (X, Y, Z, 3), finite, to u in mm, RAS+, float32.

    For unit mm component k points along world axis order[k]; for voxel and normalized along array axis order[k].
    Normalized runs from -1 to 1 between the centres of the first and the last voxel (torch's align_corners=True).
    A deformation holds positions instead of differences; a velocity is integrated by scaling and squaring.
    """
    shape = field.shape[:3]
    parts = np.empty(field.shape, dtype=np.float64)
    for k, (axis, sign) in enumerate(zip(convention.order, convention.signs, strict=True)):
        parts[..., "xyz".index(axis)] = -field[..., k] if sign == "-" else field[..., k]
    if convention.unit == "normalized":
        half = (np.array(shape) - 1) / 2
        parts = (parts + 1) * half if convention.kind == "deformation" else parts * half
    if convention.kind == "deformation":
        index = np.moveaxis(np.indices(shape, dtype=np.float64), 0, -1)
        parts -= index @ affine[:3, :3].T + affine[:3, 3] if convention.unit == "mm" else index
    if convention.unit != "mm":
        parts = parts @ affine[:3, :3].T
    if convention.kind == "velocity":
        parts = _exponential(parts, affine)
    return np.ascontiguousarray(parts, dtype=np.float32)


def _exponential(velocity: Float, affine: Float) -> Float:
    from scipy.ndimage import map_coordinates

    inverse = np.linalg.inv(affine[:3, :3])
    index = np.indices(velocity.shape[:3], dtype=np.float64)
    u = velocity / 2**VELOCITY_SQUARINGS
    for _ in range(VELOCITY_SQUARINGS):
        at = index + np.moveaxis(u @ inverse.T, -1, 0)
        u += np.stack([map_coordinates(u[..., k], at, order=1, mode="nearest") for k in range(3)], axis=-1)
    return cast(Float, u)
