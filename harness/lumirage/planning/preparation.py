"""Prepares a pair: fixed and moving image on one working grid in the fixed image's world.

Done by the harness, the same for every method, cached by content hash. The affine is estimated once for each pair on the
native images, whatever the condition, and is not applied to the images: scoring composes it with the answer, so that
labels are interpolated once.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
from scipy import ndimage

from lumirage.core import space
from lumirage.core.checksums import file_digest
from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.evaluation_file import PLACE_VARIABLE
from lumirage.core.foreground import foreground
from lumirage.core.label_files import PROBABILITIES, elsewhere, label_files, read_label_files
from lumirage.core.layout import Layout, digest
from lumirage.core.model import Grid, Pair, Prepared, Scan
from lumirage.core.native_images import (
    NO_FRAME,
    Note,
    centred,
    has_frame,
    notes_of_image,
    notes_of_labels,
    read_image,
    read_label_map,
    read_lattice,
    read_true_displacement,
)
from lumirage.core.records import read_json, read_prepared, write_json
from lumirage.core.set_aside import remove
from lumirage.core.space import Array, Displacement, Float, Single, Volume
from lumirage.core.stored_images import check_prepared, with_checksums
from lumirage.core.track import Prepare
from lumirage.planning.affine_alignment import ALIGN_VERSION, Alignment, align
from lumirage.planning.intensity import spoil_and_scale
from lumirage.planning.jitter import as_text, jittered_grid, with_trace_of_noise
from lumirage.planning.linear_resampling import affine_resampled
from lumirage.planning.working_grid import about_centre, working_grid

TRIES = 3
PREPARE_VERSION = "2"
"""Part of every key: raise it when the same inputs would give other images."""
OLDER_VERSIONS = (("1", "1"),)
"""Versions (preparation, alignment) of older harnesses, whose prepared images can still be scored."""


@dataclass(frozen=True)
class Preparer:
    """Prepares pairs into one output tree. Safe to call from several processes: existing files are used."""

    layout: Layout
    tell: Callable[[str], None] = lambda _: None
    """Told what was found damaged and is made again."""

    def prepare(self, pair: Pair, prepare: Prepare, *, check: bool = False) -> Prepared:
        """The prepared pair, made or found, and made again where it is damaged: its images are looked at with `check`,
        once a process. Raises DataError when an image of the dataset is missing, damaged or not 3-D."""
        key = prepared_key(pair, prepare)
        record = self.layout.prepared_record(key)
        with _alone(record.parent):
            for _ in range(TRIES):
                try:
                    prepared = self._prepared(pair, prepare, key)
                    if check:
                        check_prepared(prepared)
                except DamagedFileError as error:
                    self.tell(f"{error}; it is made again")
                    for path in (error.path, record):
                        remove(path)
                else:
                    return prepared
        raise DataError(f"{record.parent}: damaged as soon as it is written; is the disk sound?")

    def _prepared(self, pair: Pair, prepare: Prepare, key: str) -> Prepared:
        record = self.layout.prepared_record(key)
        if not record.is_file():
            images = _images(pair, prepare)
            made = _make(images, prepare, record.parent, key, self._alignment(images, prepare))
            write_json(record, with_checksums(made, record.parent))
        return read_prepared(record)

    def prepared_as(self, key: str, pair: Pair, prepare: Prepare) -> Prepared:
        """What a run with this key was made from: fields mean nothing on other images, or beside another affine.

        Raises DataError where that is neither what would be made now nor on disk from an older harness.
        """
        if key == prepared_key(pair, prepare):
            return self.prepare(pair, prepare)
        record = self.layout.prepared_record(key)
        if key in _older_keys(pair, prepare) and record.is_file():
            return read_prepared(record)
        raise DataError(
            f"{pair.id}: its runs were made from other images than {pair.fixed.image.name} and {pair.moving.image.name} "
            "are now, or from images that an older harness prepared otherwise and that are gone; evaluate into another OUT"
        )

    def _alignment(self, images: "_Images", prepare: Prepare) -> Alignment:
        """From the cache of this output tree or estimated now."""
        if prepare.affine == "none":
            return Alignment(affine=space.matrix(images.unaligned))
        key = digest(ALIGN_VERSION, *map(_digest_of, _files(images.pair, prepare)), prepare.affine)
        saved = self.layout.affine(key)
        with _alone(saved):
            if not saved.is_file():
                write_json(saved, align(images.fixed, images.moving, prepare.affine, images.unaligned))
            return read_json(saved, Alignment)


@dataclass(frozen=True)
class _Images:
    """The two scans of a pair, each in a world whose origin is its middle."""

    pair: Pair
    fixed: Volume
    moving: Volume
    fixed_middle: Float
    """To the scan's own world, (4, 4): a translation."""
    moving_middle: Float

    @property
    def unaligned(self) -> Float:
        """Fixed to moving if both images share one world."""
        apart = self.fixed_middle - self.moving_middle
        return np.eye(4) + np.round(apart, 6)  # to the nanometre, so that distant origins leave no rounding errors


def _images(pair: Pair, prepare: Prepare) -> _Images:
    fixed, fixed_middle = centred(_image(pair.fixed, prepare))
    moving, moving_middle = centred(_image(pair.moving, prepare))
    return _Images(pair, fixed, moving, fixed_middle, moving_middle)


def _alone(made: Path) -> filelock.FileLock:
    """Only one thread or process makes a file; the others wait and then use it."""
    made.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(made.with_name(f".{made.name}.lock"))


def prepared_key(pair: Pair, prepare: Prepare, versions: tuple[str, str] = (PREPARE_VERSION, ALIGN_VERSION)) -> str:
    """Hash of the contents of the images and of the preparation: the result depends on nothing else."""
    return digest(*versions, *map(_digest_of, _files(pair, prepare)), as_text(prepare))


def _older_keys(pair: Pair, prepare: Prepare) -> list[str]:
    return [prepared_key(pair, prepare, versions) for versions in OLDER_VERSIONS]


def _digest_of(path: Path) -> str:
    try:
        return file_digest(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; it existed when this was planned, and is needed again. If the dataset was moved, "
            f"run 'evaluate' again with its new path as BIDS_DIR, or set {PLACE_VARIABLE}"
        ) from error


def check_scan(scan: Scan) -> None:
    """Raise DataError if the scan's image or its side images cannot be used; reads only headers, so it is quick.

    Label maps and masks may have their own lattices, as SynthSeg's do, but must cover the same place as the image.
    """
    grid = read_lattice(scan.image)
    for path in _side_images(scan):
        other = read_lattice(path)
        if why := elsewhere(grid, other):
            raise DataError(
                f"{path}: is not where {scan.image.name} is: {why}; correct its voxel-to-world matrix, or leave this "
                "derivative out"
            )


def examine_scan(scan: Scan) -> tuple[Note, ...]:
    """Read all of a scan's images; gives the assumptions made about them. Raises DataError if one cannot be used: damaged,
    constant, complex, infinite, a label map with fractions, masks of structures that overlap."""
    notes = [*notes_of_image(scan.image)]
    for path in _side_images(scan):
        notes += notes_of_labels(path) if PROBABILITIES not in path.name else ()
    for source in scan.structures:
        files = label_files(scan, source)
        read_label_files(files, range(1, len(files) + 1))
    return tuple(notes)


def _side_images(scan: Scan) -> list[Path]:
    maps = [path for source in (*scan.labels, *scan.structures) for path in label_files(scan, source)]
    return [*maps, *filter(None, (scan.mask, scan.landmark_map))]


def _files(pair: Pair, prepare: Prepare) -> list[Path]:
    masks = [scan.mask for scan in (pair.fixed, pair.moving) if scan.mask and prepare.skull == "stripped"]
    return [pair.fixed.image, pair.moving.image, *masks, *((pair.truth,) if pair.truth else ())]


def _image(scan: Scan, prepare: Prepare) -> Volume:
    volume = _read_once(scan.image, _digest_of(scan.image))
    if prepare.skull == "as_is":
        return volume
    if scan.mask is None:
        raise DataError(
            f"{scan.image}: prepare.skull 'stripped' needs a brain mask (desc-brain_mask), and there is none"
        )
    return Volume(np.where(_inside(read_label_map(scan.mask), volume), volume.data, np.float32(0)), volume.affine)


def _inside(mask: Volume, volume: Volume) -> Array:
    """A mask on any lattice, sampled at the voxels of an image: nearest neighbour, zero outside."""
    if space.same_grid(mask.grid, volume.grid):
        return np.asarray(mask.data > 0)
    to_mask = np.linalg.inv(mask.affine) @ volume.affine
    found = ndimage.affine_transform(mask.data, to_mask[:3, :3], to_mask[:3, 3], volume.data.shape, order=0)
    return np.asarray(found > 0)


@functools.lru_cache(maxsize=2)
def _read_once(path: Path, _digest: str) -> Volume:
    """Cached: all conditions of a pair use its two images, and the next pair of a chain uses one of them."""
    return read_image(path)


def _make(images: _Images, prepare: Prepare, folder: Path, key: str, alignment: Alignment) -> Prepared:
    grid = working_grid(images.fixed, prepare)
    secret = digest(prepare.jitter, _content(images, prepare)) if prepare.jitter else ""
    grid = jittered_grid(grid, secret) if secret else grid
    affine = np.array(alignment.affine) @ about_centre(grid, prepare.affine_error)
    for name, volume, to_native, seed in (("fixed", images.fixed, np.eye(4), 0), ("moving", images.moving, affine, 1)):
        picture = resample(volume, to_native, grid)
        picture = with_trace_of_noise(picture, secret, seed) if secret else picture
        content = _content(images, prepare) if prepare.bias_field or prepare.noise else ""
        picture = spoil_and_scale(picture, foreground(volume.data), prepare, seed=(content, seed))
        space.write_volume(folder / f"{name}.nii", picture, np.array(grid.affine))
    pair = images.pair
    if pair.truth:
        space.write_displacement(folder / "truth.nii", _working_truth(images, pair.truth, affine, grid))
    return Prepared(
        key=key,
        fixed=Path("fixed.nii"),
        moving=Path("moving.nii"),
        grid=space.make_grid(grid.shape, images.fixed_middle @ np.array(grid.affine)),
        affine=space.matrix(images.moving_middle @ affine @ np.linalg.inv(images.fixed_middle)),
        truth=Path("truth.nii") if pair.truth else None,
        shown=grid.affine,
        warnings=tuple(_warnings(pair, alignment)),
    )


def _warnings(pair: Pair, alignment: Alignment) -> Iterator[str]:
    for scan in (pair.fixed, pair.moving):
        if not has_frame(scan.image):
            yield f"{scan.name}: {NO_FRAME}"
    if alignment.doubt:
        yield f"the alignment of {pair.moving.name} to {pair.fixed.name} looks wrong: {alignment.doubt}"


def _content(images: _Images, prepare: Prepare) -> str:
    """The seed depends on voxels, not files: the same image stored differently gets the same noise."""
    return digest(images.fixed.data.tobytes("F"), images.moving.data.tobytes("F"), as_text(prepare))


def _working_truth(images: _Images, path: Path, affine: Float, grid: Grid) -> Displacement:
    """The right answer: u with affine @ (x + u(x)) = x + u_true(x), on the working grid.

    The stored field is interpolated linearly, with border values outside; on the native lattice it is used unchanged.
    """
    truth = read_true_displacement(path, images.pair.fixed.image)
    index = np.indices(grid.shape, dtype=np.float64).reshape(3, -1).T
    world = space.points(np.array(grid.affine), index)
    at = space.points(np.linalg.inv(images.fixed.affine), world).T
    moved = space.points(images.unaligned, world) + np.stack(
        [ndimage.map_coordinates(truth.u[..., k], at, order=1, mode="nearest") for k in range(3)], -1
    )
    u = space.points(np.linalg.inv(affine), moved) - world
    return Displacement(u.reshape(*grid.shape, 3).astype(np.float32), np.array(grid.affine))


def resample(volume: Volume, to_native: Float, grid: Grid) -> Single:
    """The image on a grid, float32, trilinear, zero outside; `to_native` maps the grid's world to the image's (RAS+ mm).

    If the grid is coarser than the image, a Gaussian removes what it cannot represent (sigma = half of the excess in voxels).
    """
    target = np.array(grid.affine)
    to_voxel = np.linalg.inv(volume.affine) @ to_native @ target
    step = np.abs(to_voxel[:3, :3]).max(axis=1)
    data = volume.data
    if (step > 1.01).any():
        data = ndimage.gaussian_filter(data, np.where(step > 1.01, (step - 1) / 2, 0.0), mode="nearest", truncate=3)
    return affine_resampled(data, to_voxel[:3, :3], to_voxel[:3, 3], grid.shape)
