"""Pair -> Prepared: fixed and moving on one working grid in the fixed image's world.

Done by the harness, the same for every method, kept by content hash. The affine is estimated once a pair on the native
images, whatever the condition, and stays apart from the pictures: scores compose it with the answer, so that labels are
interpolated once.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
from scipy import ndimage

from lumirage.core import space
from lumirage.core.errors import DataError
from lumirage.core.evaluation_file import PLACE_VARIABLE
from lumirage.core.foreground import foreground
from lumirage.core.label_files import elsewhere, label_files
from lumirage.core.layout import Layout, digest, file_digest, write_text
from lumirage.core.model import Convention, Grid, Pair, Prepared, Scan
from lumirage.core.records import read_prepared, write_json
from lumirage.core.space import Displacement, Float, Single, Volume
from lumirage.core.track import Prepare
from lumirage.planning.affine_alignment import ALIGN_VERSION, estimate_affine
from lumirage.planning.intensity import spoil_and_scale
from lumirage.planning.working_grid import about_centre, working_grid

PREPARE_VERSION = "1"
"""Part of every key: raise it when the same inputs would give other pictures."""


@dataclass(frozen=True)
class Preparer:
    """Prepares pairs into one output tree. Safe to call from several processes: what is there already is taken."""

    layout: Layout

    def prepare(self, pair: Pair, prepare: Prepare) -> Prepared:
        """The prepared pair, made or found. Raises DataError when an image is missing, damaged or not 3-D."""
        key = prepared_key(pair, prepare)
        record = self.layout.prepared_record(key)
        with _alone(record.parent):
            if not record.is_file():
                made = _make(pair, prepare, record.parent, key, self._affine(pair, prepare))
                write_json(record, made)
        return read_prepared(record)

    def _affine(self, pair: Pair, prepare: Prepare) -> Float:
        """Fixed world to moving world, from the cache of this output tree or estimated now."""
        if prepare.affine == "none":
            return np.eye(4)
        key = digest(ALIGN_VERSION, *map(_digest_of, _files(pair, prepare)), prepare.affine)
        saved = self.layout.affine(key)
        with _alone(saved):
            if not saved.is_file():
                matrix = estimate_affine(_image(pair.fixed, prepare), _image(pair.moving, prepare), prepare.affine)
                write_text(saved, json.dumps(matrix.tolist()))
        return np.array(json.loads(saved.read_text()))


def _alone(made: Path) -> filelock.FileLock:
    """Only one thread or process makes a thing; the others wait for it and find it there."""
    made.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(made.with_name(f".{made.name}.lock"))


def prepared_key(pair: Pair, prepare: Prepare) -> str:
    """Hash of the contents of the images and of the preparation: nothing else enters what is made."""
    return digest(PREPARE_VERSION, ALIGN_VERSION, *map(_digest_of, _files(pair, prepare)), prepare.model_dump_json())


def _digest_of(path: Path) -> str:
    try:
        return file_digest(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; it was there when this was planned, and is needed again. Where the dataset was moved, "
            f"type 'evaluate' again with its place now as BIDS_DIR, or set {PLACE_VARIABLE}"
        ) from error


def check_scan(scan: Scan) -> None:
    """Raise DataError when the scan's image or its side images cannot be used; headers only, so that it is quick.

    Label maps and masks may have lattices of their own, as SynthSeg's do, but must lie where the image lies.
    """
    grid = space.read_grid(scan.image)
    maps = [path for source in (*scan.labels, *scan.structures) for path in label_files(scan, source)]
    for path in (*maps, *filter(None, (scan.mask, scan.landmark_map))):
        other = space.read_grid(path)
        if why := elsewhere(grid, other):
            raise DataError(
                f"{path}: lies elsewhere than {scan.image.name}: {why}; mend its voxel-to-world matrix, or leave this "
                "derivative out"
            )


def _files(pair: Pair, prepare: Prepare) -> list[Path]:
    masks = [scan.mask for scan in (pair.fixed, pair.moving) if scan.mask and prepare.skull == "stripped"]
    return [pair.fixed.image, pair.moving.image, *masks, *((pair.truth,) if pair.truth else ())]


def _image(scan: Scan, prepare: Prepare) -> Volume:
    volume = space.read_volume(scan.image)
    if prepare.skull == "as_is":
        return volume
    if scan.mask is None:
        raise DataError(
            f"{scan.image}: prepare.skull 'stripped' needs a brain mask (desc-brain_mask), and there is none"
        )
    mask = space.read_labels(scan.mask)
    if not space.same_grid(mask.grid, volume.grid):
        raise DataError(f"{scan.mask}: not on the grid of {scan.image.name}")
    return Volume(np.where(mask.data > 0, volume.data, np.float32(0)), volume.affine)


def _make(pair: Pair, prepare: Prepare, folder: Path, key: str, affine: Float) -> Prepared:
    fixed, moving = _image(pair.fixed, prepare), _image(pair.moving, prepare)
    grid = working_grid(fixed, prepare)
    affine = affine @ about_centre(grid, prepare.affine_error)
    target = np.array(grid.affine)
    for name, volume, to_native, seed in (("fixed", fixed, np.eye(4), 0), ("moving", moving, affine, 1)):
        picture = resample(volume, to_native, grid)
        picture = spoil_and_scale(picture, foreground(volume.data), prepare, seed=(key, seed))
        space.write_volume(folder / f"{name}.nii", picture, target)
    if pair.truth:
        space.write_displacement(folder / "truth.nii", _working_truth(pair.truth, affine, fixed.grid, grid))
    return Prepared(
        key=key,
        fixed=Path("fixed.nii"),
        moving=Path("moving.nii"),
        grid=grid,
        affine=space.matrix(affine),
        truth=Path("truth.nii") if pair.truth else None,
    )


def _working_truth(path: Path, affine: Float, native: Grid, grid: Grid) -> Displacement:
    """The answer that would be right: u with affine @ (x + u(x)) = x + u_true(x), on the working grid.

    The stored field is interpolated linearly and continued by its border; on the native lattice it is taken as it is.
    """
    truth = space.read_displacement(path, Convention(), native)
    index = np.indices(grid.shape, dtype=np.float64).reshape(3, -1).T
    world = space.points(np.array(grid.affine), index)
    at = space.points(np.linalg.inv(truth.affine), world).T
    moved = world + np.stack(
        [ndimage.map_coordinates(truth.u[..., k], at, order=1, mode="nearest") for k in range(3)], -1
    )
    u = space.points(np.linalg.inv(affine), moved) - world
    return Displacement(u.reshape(*grid.shape, 3).astype(np.float32), np.array(grid.affine))


def resample(volume: Volume, to_native: Float, grid: Grid) -> Single:
    """The image on a grid, float32, trilinear, zero outside; `to_native` maps the grid's world to the image's (RAS+ mm).

    Where the grid is coarser than the image, a Gaussian takes away what it cannot carry (sigma = half of the excess in voxels).
    """
    target = np.array(grid.affine)
    to_voxel = np.linalg.inv(volume.affine) @ to_native @ target
    step = np.abs(to_voxel[:3, :3]).max(axis=1)
    data = volume.data
    if (step > 1.01).any():
        data = ndimage.gaussian_filter(data, np.where(step > 1.01, (step - 1) / 2, 0.0), mode="nearest", truncate=3)
    return ndimage.affine_transform(
        data, to_voxel[:3, :3], to_voxel[:3, 3], grid.shape, np.float32, 1, mode="grid-constant"
    )
