"""The arrays behind the pictures of a pair, all on the working grid: moved image, moved labels, Jacobian."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.optimize import linear_sum_assignment

from lumirage.errors import DataError, InvalidAnswerError
from lumirage.layout import Layout
from lumirage.model import Convention, Grid, Pair, Prepared
from lumirage.space import Array, Float, Single, points, read_displacement, read_labels, read_volume


@dataclass(frozen=True)
class Scenery:
    """What all methods of a pair share. Images (X, Y, Z), intensities scaled to 0..1; labels int32, 0 where none."""

    grid: Grid
    fixed: Single
    moving: Single
    prepared: Prepared
    pair: Pair
    source: str
    """The label source shown; empty when the pair has no source in common."""
    fixed_labels: Array | None


@dataclass(frozen=True)
class Result:
    """What one method made of the pair, on the working grid."""

    method: str
    moved: Single
    moved_labels: Array | None
    u: Single
    """Displacement (X, Y, Z, 3), mm, RAS+."""
    jacobian: Single
    """Determinant of I + grad u, central differences."""


def read_scenery(layout: Layout, pair: Pair, key: str) -> Scenery:
    """The shared part of a pair's pictures. Raises DataError when the prepared images are gone."""
    record = layout.prepared(key) / "prepared.json"
    if not record.is_file():
        raise DataError(f"the prepared images of {pair.id} are no longer in {layout.work}; `run` makes them again")
    prepared = Prepared.model_validate_json(record.read_bytes())
    source = next((s for s in pair.fixed.labels if s in pair.moving.labels), "")
    fixed_labels = None
    if source:
        native = read_labels(pair.fixed.labels[source])
        fixed_labels = _nearest(native.data, native.affine, _world(prepared.grid))
    fixed, moving = (_scaled(read_volume(path).data) for path in (prepared.fixed, prepared.moving))
    return Scenery(prepared.grid, fixed, moving, prepared, pair, source, fixed_labels)


def read_result(scenery: Scenery, method: str, field: Path) -> Result:
    """What the answer at `field` (the harness' convention) does to the pair. Raises DataError."""
    try:
        u = read_displacement(field, Convention(), scenery.grid).u
    except InvalidAnswerError as error:
        raise DataError(f"{field}: {error}") from error
    return result_of(scenery, method, u)


def result_of(scenery: Scenery, method: str, u: Single) -> Result:
    """What a displacement u (X, Y, Z, 3; mm, RAS+) does to the pair: image trilinear, labels nearest, both once."""
    affine = np.array(scenery.grid.affine)
    at = _world(scenery.grid) + u
    index = np.moveaxis(_points(inverse(affine), at), -1, 0)
    moved = map_coordinates(scenery.moving, index, order=1, mode="constant").astype(np.float32)
    labels = None
    if scenery.source:
        native = read_labels(scenery.pair.moving.labels[scenery.source])
        labels = _nearest(native.data, native.affine, _points(np.array(scenery.prepared.affine), at))
    return Result(method, moved, labels, u, jacobian(u, affine))


def jacobian(u: Single, affine: Float) -> Single:
    """det(I + du/dx) of u (X, Y, Z, 3) in mm on the lattice `affine`; central differences, one-sided at the rim."""
    slopes = np.stack([np.gradient(u, axis=k) for k in range(3)], axis=-1)
    per_mm = slopes @ np.linalg.inv(affine[:3, :3]).astype(np.float32)
    a, b, c = np.moveaxis(per_mm + np.eye(3, dtype=np.float32), -2, 0)
    return cast(Single, (a * np.cross(b, c)).sum(axis=-1))


@dataclass(frozen=True)
class Turn:
    """Takes arrays of the working grid to the nearest order of axes that runs along R, A, S, as the pictures want."""

    order: tuple[int, int, int]
    flips: tuple[slice, slice, slice]
    affine: Float
    """Voxel-to-world matrix after the turn."""

    def __call__(self, volume: Array) -> Array:
        """The turned volume (X, Y, Z, ...); vectors keep their world components."""
        rest = range(3, volume.ndim)
        return volume.transpose(*self.order, *rest)[self.flips]


def turn_of(grid: Grid) -> Turn:
    """The turn of a working grid."""
    affine = np.array(grid.affine)
    rows, order = linear_sum_assignment(-np.abs(affine[:3, :3]))
    signs = np.sign(affine[rows, order])
    flips = tuple(slice(None, None, -1) if sign < 0 else slice(None) for sign in signs)
    turned = np.eye(4)
    turned[:3, :3] = affine[:3, order] * signs
    start = np.zeros(3)
    start[order] = np.where(signs < 0, np.array(grid.shape)[order] - 1, 0)
    turned[:3, 3] = points(affine, start)
    return Turn(tuple(int(o) for o in order), flips, turned)  # type: ignore[arg-type]  # both have three members


def _world(grid: Grid) -> Single:
    index = np.moveaxis(np.indices(grid.shape, dtype=np.float32), 0, -1)
    return _points(np.array(grid.affine), index)


def inverse(affine: Float) -> Float:
    """World to voxels from voxels to world."""
    return cast(Float, np.linalg.inv(affine))


def _points(affine: Float, xyz: Single) -> Single:
    # Single precision halves the memory; at head size it is good to 1e-5 mm.
    return xyz @ affine[:3, :3].T.astype(np.float32) + affine[:3, 3].astype(np.float32)


def _nearest(labels: Array, affine: Float, world: Single) -> Array:
    """Labels at world positions (..., 3), nearest voxel; 0 outside."""
    index = np.floor(_points(inverse(affine), world) + 0.5).astype(np.int32)
    inside = ((index >= 0) & (index < labels.shape)).all(axis=-1)
    found = np.zeros(world.shape[:-1], dtype=np.int32)
    found[inside] = labels[tuple(index[inside].T)]
    return found


def _scaled(image: Single) -> Single:
    """Intensities from the 0.5th to the 99.5th percentile of the foreground, as 0..1."""
    foreground = image[image > image.min()]
    low, high = np.percentile(foreground, [0.5, 99.5]) if foreground.size else (0.0, 1.0)
    low = min(float(low), float(np.median(image)))
    return np.clip((image - low) / max(float(high) - low, 1e-9), 0, 1).astype(np.float32)
