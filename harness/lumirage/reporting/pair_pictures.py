"""Computes the arrays for the pictures of a pair. All are reordered so that their axes run along R, A, S.

Only the moved image is computed in full, for the viewer; labels and Jacobian only in the planes that are shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from scipy.optimize import linear_sum_assignment

from lumirage.core.errors import DataError
from lumirage.core.label_files import label_files, read_label_files, shared_sources
from lumirage.core.layout import Layout
from lumirage.core.model import Grid, Pair, Prepared, Scan
from lumirage.core.records import read_prepared
from lumirage.core.space import Array, Float, Single, Volume
from lumirage.core.stored_images import read_stored_displacement, read_stored_volume
from lumirage.reporting.image_planes import Cut
from lumirage.reporting.warped_image import warped_image


@dataclass(frozen=True)
class RasOrder:
    """Reorders arrays of the working grid to the nearest order of axes along R, A, S."""

    order: tuple[int, int, int]
    flips: tuple[slice, slice, slice]
    affine: Float
    """Voxel-to-world matrix after the reordering."""

    def __call__(self, volume: Array) -> Array:
        """The reordered volume (X, Y, Z, ...); vectors keep their world components."""
        rest = range(3, volume.ndim)
        return volume.transpose(*self.order, *rest)[self.flips]


@dataclass(frozen=True)
class PairImages:
    """Arrays common to all methods of a pair: images (X, Y, Z) scaled to 0..1, and the native labels of one source."""

    pair: Pair
    prepared: Prepared
    turn: RasOrder
    fixed: Single
    moving: Single
    source: str
    """The label source shown; empty if the two images have no source in common."""
    fixed_labels: Volume | None
    moving_labels: Volume | None

    @property
    def affine(self) -> Float:
        """Voxel-to-world matrix of the reordered images."""
        return self.turn.affine


@dataclass(frozen=True)
class Result:
    """The result of one method on the pair."""

    method: str
    u: Single
    """Displacement (X, Y, Z, 3), mm, RAS+, reordered."""
    moved: Single


def read_pair_images(layout: Layout, pair: Pair, key: str) -> PairImages:
    """The shared part of a pair's pictures. Raises DataError if the prepared images are gone."""
    record = layout.prepared_record(key)
    if not record.is_file():
        raise DataError(f"the prepared images of {pair.id} are no longer in {layout.work}; `run` makes them again")
    prepared = read_prepared(record)
    turn = ras_order(prepared.grid)
    sums = prepared.checksums
    images = ((prepared.fixed, sums.get("fixed", "")), (prepared.moving, sums.get("moving", "")))
    fixed, moving = (_scaled(read_stored_volume(path, prepared.grid, wanted)) for path, wanted in images)
    source = next(iter(shared_sources(pair)), "")
    labels = [_labels(scan, source) if source else None for scan in (pair.fixed, pair.moving)]
    return PairImages(pair, prepared, turn, turn(fixed), turn(moving), source, *labels)


def _labels(scan: Scan, source: str) -> Volume:
    files = label_files(scan, source)
    return read_label_files(files, range(1, len(files) + 1) if source in scan.structures else ())


def read_result(pair_images: PairImages, method: str, field: Path, wanted: str = "") -> Result:
    """The result of the answer at `field` (the harness' convention; `wanted`: its checksum) on the pair. Raises DataError."""
    u = read_stored_displacement(field, pair_images.prepared.grid, wanted).u
    return result_of(pair_images, method, pair_images.turn(u))


def result_of(pair_images: PairImages, method: str, u: Single) -> Result:
    """The moving image warped by a reordered displacement: trilinear, 0 outside."""
    return Result(method, u, warped_image(pair_images.moving, u, pair_images.affine))


def fixed_labels(pair_images: PairImages, cut: Cut) -> Array:
    """Fixed labels in a plane (A, B), nearest neighbour from the native ones; 0 outside."""
    assert pair_images.fixed_labels is not None
    return _nearest(pair_images.fixed_labels, cut.world(pair_images.affine))


def moved_labels(pair_images: PairImages, result: Result, cut: Cut) -> Array:
    """Moving labels in a plane (A, B), warped once, nearest neighbour, from the native ones through field and affine."""
    assert pair_images.moving_labels is not None
    world = cut.world(pair_images.affine) + cut.take(result.u)
    return _nearest(pair_images.moving_labels, _points(np.array(pair_images.prepared.affine), world))


def jacobian(u: Single, affine: Float, cut: Cut) -> Single:
    """det(I + du/dx) in a plane (A, B) of u (mm) on the lattice `affine`; central differences, one-sided at the border."""
    axis = cut.axis
    low, high = max(cut.index - 1, 0), min(cut.index + 2, u.shape[axis])
    slab = u[(slice(None),) * axis + (slice(low, high),)]
    slopes = np.stack([np.gradient(slab, axis=k) for k in range(3)], axis=-1)
    at = np.take(slopes, cut.index - low, axis=axis) @ inverse(affine)[:3, :3]
    return cast(Single, np.linalg.det(at + np.eye(3)).astype(np.float32))


def ras_order(grid: Grid) -> RasOrder:
    """The reordering of a working grid."""
    affine = np.array(grid.affine)
    rows, order = linear_sum_assignment(-np.abs(affine[:3, :3]))
    signs = np.sign(affine[rows, order])
    flips = tuple(slice(None, None, -1) if sign < 0 else slice(None) for sign in signs)
    turned = np.eye(4)
    turned[:3, :3] = affine[:3, order] * signs
    start = np.zeros(3)
    start[order] = np.where(signs < 0, np.array(grid.shape)[order] - 1, 0)
    turned[:3, 3] = _points(affine, start)
    return RasOrder(tuple(int(o) for o in order), flips, turned)  # type: ignore[arg-type]  # both have three members


def inverse(affine: Float) -> Float:
    """The world-to-voxel matrix from the voxel-to-world matrix."""
    return cast(Float, np.linalg.inv(affine))


def _points(affine: Float, xyz: Float) -> Float:
    return xyz @ affine[:3, :3].T + affine[:3, 3]


def _nearest(labels: Volume, world: Float) -> Array:
    """Labels at world positions (..., 3), nearest voxel; 0 outside."""
    index = np.floor(_points(inverse(labels.affine), world) + 0.5).astype(np.int64)
    inside = ((index >= 0) & (index < labels.data.shape)).all(axis=-1)
    found = np.zeros(world.shape[:-1], dtype=np.int32)
    found[inside] = labels.data[tuple(index[inside].T)]
    return found


def _scaled(image: Single) -> Single:
    """Intensities from the 0.5th to the 99.5th percentile of the foreground, as 0..1."""
    least = image.min()
    foreground = image[image > least]
    low, high = np.percentile(foreground, [0.5, 99.5]) if foreground.size else (0.0, 1.0)
    # mostly background: the median is its value, without a look at the order of all voxels
    middle = least if foreground.size < image.size // 2 else np.median(image)
    low = min(float(low), float(middle))
    return np.clip((image - low) / max(float(high) - low, 1e-9), 0, 1).astype(np.float32)
