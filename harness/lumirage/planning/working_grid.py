"""Computes the working grid: the lattice in the fixed image's world on which methods get both images."""

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np
from scipy.spatial.transform import Rotation

from lumirage.core import space
from lumirage.core.affine_error import AffineError
from lumirage.core.foreground import foreground
from lumirage.core.model import Grid, GridNeeds, Shape
from lumirage.core.space import Float, Volume
from lumirage.core.track import Condition, Prepare

_DIAGONAL = np.ones(3) / np.sqrt(3.0)


def working_grid(fixed: Volume, prepare: Prepare) -> Grid:
    """The grid that the track asks for.

    With `shape` it is centred on the fixed image's foreground, with `crop_mm` it is the foreground and that margin, else
    it covers the whole fixed image. A native RAS image with neither spacing nor shape keeps its own lattice exactly.
    """
    if _keeps_lattice(fixed, prepare):
        return fixed.grid
    spacing = np.array(prepare.spacing_mm or _spacing_ras(fixed))
    low, high = _box(fixed, prepare)
    size = np.array(prepare.shape) if prepare.shape else np.ceil((high - low) / spacing - 1e-6).astype(int)
    size = -(-size // prepare.divisible_by) * prepare.divisible_by
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (low + high) / 2 - spacing * (size - 1) / 2
    affine = _turn(affine, size, prepare.oblique_deg)
    return _reorient(affine, size, prepare.orientation)


def unmet_needs(needs: GridNeeds, cells: Sequence[Condition]) -> list[str]:
    """Names of the conditions whose working grid has a fixed shape that a network does not accept."""
    if needs.orientation:
        return []  # the harness brings the images to the network's own grid
    return [cell.name for cell in cells if cell.prepare.shape and not _meets(needs, cell.prepare, cell.prepare.shape)]


def _meets(needs: GridNeeds, prepare: Prepare, shape: Shape) -> bool:
    size = -(-np.array(shape) // prepare.divisible_by) * prepare.divisible_by
    as_stored = _reorient(np.eye(4), size, prepare.orientation).shape
    return needs.shape in {None, as_stored} and all(n % needs.divisible_by == 0 for n in as_stored)


def _keeps_lattice(fixed: Volume, prepare: Prepare) -> bool:
    straight = np.allclose(fixed.affine[:3, :3], np.diag(np.diag(fixed.affine[:3, :3])), atol=1e-6)
    wanted = prepare.spacing_mm is None or np.allclose(prepare.spacing_mm, fixed.spacing_mm, atol=1e-6)
    same_shape = prepare.shape is None or prepare.shape == fixed.data.shape
    plain = prepare.orientation == "RAS" and not prepare.oblique_deg and prepare.crop_mm is None
    fits = all(n % prepare.divisible_by == 0 for n in fixed.data.shape)
    return bool(straight and space.axis_codes(fixed.affine) == "RAS" and wanted and same_shape and plain and fits)


def _spacing_ras(fixed: Volume) -> Float:
    """The fixed image's spacing along R, A, S: each world axis gets that of the nearest array axis."""
    order = ["RL", "AP", "SI"]
    codes = space.axis_codes(fixed.affine)
    return np.array([fixed.spacing_mm[next(i for i, c in enumerate(codes) if c in axis)] for axis in order])


def _box(fixed: Volume, prepare: Prepare) -> tuple[Float, Float]:
    """Lowest and highest world corner (outer faces of voxels) of the foreground or of the whole image, mm."""
    shape = np.array(fixed.data.shape)
    low, high, margin = np.zeros(3), shape - 1.0, 0.0
    if prepare.shape or prepare.crop_mm is not None:
        inside = foreground(fixed.data)
        profiles = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {k}))) for k in range(3)]
        low, high = np.array([p[0] for p in profiles], float), np.array([p[-1] for p in profiles], float)
        margin = prepare.crop_mm or 0.0
    corners = np.array(list(itertools.product(*zip(low - 0.5, high + 0.5, strict=True))))
    world = space.points(fixed.affine, corners)
    return world.min(axis=0) - margin, world.max(axis=0) + margin


def _turn(affine: Float, size: Float, degrees: float) -> Float:
    """The grid rotated about the axis (1, 1, 1) through its centre."""
    centre = space.points(affine, (size - 1) / 2)
    return rigid(degrees, np.zeros(3), centre) @ affine if degrees else affine


def _reorient(affine: Float, size: Float, codes: str) -> Grid:
    """The same lattice with its array axes in another order and direction."""
    order = [next(i for i, axis in enumerate(("RL", "AP", "SI")) if code in axis) for code in codes]
    change = np.zeros((4, 4))
    change[3, 3] = 1.0
    for k, (axis, code) in enumerate(zip(order, codes, strict=True)):
        flipped = code in "LPI"
        change[axis, k] = -1.0 if flipped else 1.0
        change[axis, 3] = size[axis] - 1 if flipped else 0.0
    return space.make_grid(cast(Shape, tuple(int(size[axis]) for axis in order)), affine @ change)


def rigid(degrees: float, translation_mm: Float, centre: Float) -> Float:
    """A rotation about the axis (1, 1, 1) through `centre`, then a translation; 4x4, mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * _DIAGONAL).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + translation_mm
    return matrix


def about_centre(grid: Grid, error: AffineError) -> Float:
    """A planted affine error: rotation and translation about the centre of the working grid; 4x4, mm."""
    centre = space.points(np.array(grid.affine), (np.array(grid.shape) - 1) / 2)
    return rigid(error.rotation_deg, error.translation_mm * _DIAGONAL, centre)
