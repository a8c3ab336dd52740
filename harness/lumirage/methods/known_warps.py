"""Makes pairs with a known true warp for the conformance check.

A synthetic head (shell, folded rim, nuclei) and a smooth diffeomorphism of it, on plain and on oblique lattices.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from lumirage.core.model import GridNeeds, Shape
from lumirage.core.space import Array, Displacement, Float, Single, write_displacement, write_volume
from lumirage.methods.field_conventions import KnownWarp

SHAPE: Shape = (56, 72, 60)
SPACING_MM = 2.5
AMPLITUDE = 0.045
"""Largest displacement as a share of the field of view: large enough to tell pull from push, far from folding."""
INVERSION_STEPS = 40
POINTS = 1000
"""Number of voxels of the head at which a field is compared with the true warp."""
OBLIQUE_DEGREES = (17.0, -11.0, 23.0)
DIRECTIONS = dict(zip("RASLPI", np.vstack([np.eye(3), -np.eye(3)]), strict=True))

View = Literal["plain", "oblique", "other"]


@dataclass(frozen=True)
class CheckPair:
    """One known pair on disk, and its true warp."""

    view: View
    fixed: Path
    moving: Path
    field: Path
    truth: KnownWarp


def known_pairs(folder: Path, needs: GridNeeds) -> tuple[CheckPair, CheckPair, CheckPair]:
    """Write three known pairs on the grid that a method requires: plain, oblique, and plain with another warp."""
    x, y, z = (-(-n // needs.divisible_by) * needs.divisible_by for n in SHAPE)
    shape = needs.shape or (x, y, z)
    spacing = needs.spacing_mm or (1.0 if needs.shape else SPACING_MM)
    straight = np.stack([DIRECTIONS[code] for code in needs.orientation or "RAS"], axis=1)
    oblique = _rotation(OBLIQUE_DEGREES) @ straight
    return (
        _write(folder / "plain", "plain", shape, (straight, spacing), seed=1),
        _write(folder / "oblique", "oblique", shape, (oblique, spacing), seed=1),
        _write(folder / "other", "other", shape, (straight, spacing), seed=2),
    )


def _write(folder: Path, view: View, shape: Shape, frame: tuple[Float, float], *, seed: int) -> CheckPair:
    rotation, spacing = frame
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2) + (4.0, -7.0, 11.0)
    moving, mask = head(shape)
    warp = smooth_warp(shape, seed=seed)
    voxels = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3)
    fixed = sampled(moving, voxels + warp.reshape(-1, 3)).reshape(shape).astype(np.float32)
    linear = affine[:3, :3].T
    names = [folder / name for name in ("fixed.nii", "moving.nii", "truth.nii")]
    write_volume(names[0], fixed, affine)
    write_volume(names[1], moving, affine)
    write_displacement(names[2], Displacement((warp @ linear).astype(np.float32), affine))
    index = np.argwhere(mask)
    index = index[:: max(1, len(index) // POINTS)]
    pull = warp[tuple(index.T)] @ linear
    truth = KnownWarp(index, pull, inverse(warp, index) @ linear, affine, shape)
    return CheckPair(view, names[0], names[1], names[2], truth)


def head(shape: Shape) -> tuple[Single, Array]:
    """A head (X, Y, Z) from 0 to 1 and the mask of it: shell, folded rim, white matter, four nuclei."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"), axis=-1)
    radius = np.linalg.norm(grid / (0.78, 0.82, 0.80), axis=-1)
    folds = 0.09 * np.sin(13 * grid[..., 0]) * np.sin(11 * grid[..., 1] + 1) * np.cos(12 * grid[..., 2])
    image = np.zeros(shape)
    image[radius < 1.0] = 250.0
    image[radius + folds < 0.86] = 620.0
    image[radius + 1.6 * folds < 0.66] = 900.0
    for x, y, z, size, value in ((0.25, 0.1, 0.05, 0.2, 600), (-0.25, 0.15, 0, 0.18, 560), (0.1, -0.3, 0.2, 0.14, 240),
                                 (-0.15, -0.25, 0.15, 0.16, 300)):  # fmt: skip
        image[np.linalg.norm(grid - (x, y, z), axis=-1) < size] = value
    return gaussian_filter(image / 1000, 0.7).astype(np.float32), radius < 0.95


def smooth_warp(shape: Shape, *, seed: int) -> Float:
    """A smooth displacement (X, Y, Z, 3) in voxels, zero at the border of the field of view."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij"), axis=-1)
    window = np.prod(np.sin(np.pi * grid) ** 0.5, axis=-1)
    field = np.empty((*shape, 3))
    for axis in range(3):
        turns, phases = rng.uniform(0.8, 1.3, 3), rng.uniform(0, 2 * np.pi, 3)
        field[..., axis] = np.prod(np.cos(2 * np.pi * turns * grid + phases), axis=-1) + 0.35 * rng.choice([-1, 1])
    field *= window[..., None]
    return field * AMPLITUDE * np.array(shape) / np.abs(field).max(axis=(0, 1, 2))


def inverse(field: Float, index: Array) -> Float:
    """The inverse displacement at voxels (N, 3), in voxels, by fixed-point iteration: v(y) = -u(y + v(y))."""
    back = -field[tuple(index.T)]
    for _ in range(INVERSION_STEPS):
        back = -np.stack([sampled(field[..., k], index + back) for k in range(3)], axis=-1)
    return back


def sampled(image: Array, at: Float) -> Float:
    """The image at voxel positions (N, 3), linear, the border repeated."""
    return np.asarray(map_coordinates(image, at.T, order=1, mode="nearest", output=np.float64))


def _rotation(degrees: tuple[float, float, float]) -> Float:
    total = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        turn = np.eye(3)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        total = turn @ total
    return total
