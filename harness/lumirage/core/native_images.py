"""Reads images and label maps of a dataset. The arrays are the same, however a file is stored.

Axes are flipped and permuted, without resampling, so that the array axes are nearest to right, anterior and superior. NaN
outside the head is background. A file that cannot be used raises DataError. Assumptions are reported by
`notes_of_image` and `notes_of_labels`.
"""

import functools
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lumirage.core import space
from lumirage.core.checksums import file_digest
from lumirage.core.errors import DataError
from lumirage.core.model import Convention, Grid
from lumirage.core.nifti_header import content_missing
from lumirage.core.space import Array, Displacement, Float, Single, Volume, make_grid, points

ROUNDED = 1e-2
"""Largest distance of a label from a whole number: storage as float and scaling stay below, interpolation does not."""
INSIDE_SHARE = 1e-2
"""Largest number of enclosed NaN voxels, as a share of the finite voxels."""


class Note(NamedTuple):
    """An assumption about a file. Files with the same `kind` are reported in one line."""

    kind: str
    path: Path


NO_FRAME = "neither qform nor sform is set: left and right are unknown, the order of the axes is taken for RAS"


def read_image(path: Path) -> Volume:
    """A scan, float32 (X, Y, Z), axes nearest to R, A, S, NaN as 0. Raises DataError: damaged, complex, infinite, not 3-D."""
    image = _opened(path)
    stored = space.voxels(image.dataobj, path, np.float32).reshape(image.shape[:3])
    return to_ras(Volume(_finite(stored, path), np.asarray(image.affine, dtype=float)))


def read_label_map(path: Path) -> Volume:
    """A label map or mask, int32 (X, Y, Z), axes nearest to R, A, S. Values within ROUNDED of whole numbers are rounded.

    Raises DataError if a value is farther from a whole number.
    """
    image = _opened(path)
    stored = space.voxels(image.dataobj, path, None).reshape(image.shape[:3])
    return to_ras(Volume(_whole(stored, path), np.asarray(image.affine, dtype=float)))


def read_lattice(path: Path) -> Grid:
    """The lattice of an image or label map, from its header alone, axes nearest to R, A, S. Raises DataError."""
    image = _opened(path)
    shape, affine = image.shape[:3], np.asarray(image.affine, dtype=float)
    axes, flips = _nearest_axes(affine)
    return make_grid((shape[axes[0]], shape[axes[1]], shape[axes[2]]), affine @ _change(axes, flips, shape))


def read_true_displacement(path: Path, image: Path) -> Displacement:
    """The true field of a dataset, which is stored on the lattice of `image`, on the lattice that `read_image` gives.

    Raises what `read_displacement` raises.
    """
    return displacement_to_ras(space.read_displacement(path, Convention(), space.read_grid(image)))


def has_frame(path: Path) -> bool:
    """Whether the header says where right and left are: NIfTI's qform or sform has a code; other formats always do."""
    header = space.open_image(path).header
    if "qform_code" not in header:
        return True
    return int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0


def notes_of_image(path: Path) -> tuple[Note, ...]:
    """The assumptions about a scan. Reads the whole file, once per process. Raises DataError if it cannot be used."""
    if why := content_missing(path):
        raise DataError(f"{path}: {why}")
    return _notes_of_image(path, file_digest(path))


@functools.lru_cache(maxsize=100_000)
def _notes_of_image(path: Path, _digest: str) -> tuple[Note, ...]:
    image = _opened(path)
    stored = space.voxels(image.dataobj, path, np.float32)
    data = _finite(stored.reshape(image.shape[:3]), path)
    low, high = float(data.min()), float(data.max())
    if low == high:
        raise DataError(f"{path}: every voxel is {low:g}: there is nothing to register; fetch or convert it again")
    notes = [] if has_frame(path) else [Note(NO_FRAME, path)]
    if np.isnan(stored).any():
        notes.append(Note("NaN is taken as background, 0", path))
    return tuple(notes)


def notes_of_labels(path: Path) -> tuple[Note, ...]:
    """The assumptions about a label map or mask. Reads the whole file, once per process. Raises DataError if unusable."""
    if why := content_missing(path):
        raise DataError(f"{path}: {why}")
    return _notes_of_labels(path, file_digest(path))


@functools.lru_cache(maxsize=100_000)
def _notes_of_labels(path: Path, _digest: str) -> tuple[Note, ...]:
    image = _opened(path)
    stored = space.voxels(image.dataobj, path, None)
    changed = not np.array_equal(_whole(stored, path), stored)
    return (Note(f"labels within {ROUNDED:g} of whole numbers were rounded", path),) if changed else ()


def _opened(path: Path) -> Any:  # nibabel's images are untyped
    image = space.open_image(path)
    space.check_header(image, path)
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind == "c":
        raise DataError(f"{path}: complex numbers; save the magnitude as a separate image")
    if dtype.fields is not None:
        raise DataError(f"{path}: colours, not intensities; convert to one channel")
    return image


def _finite(stored: Single, path: Path) -> Single:
    """Set NaN to 0 if it is connected to the border, or if only few voxels are enclosed. Raises DataError otherwise."""
    if np.isfinite(stored.sum(dtype=np.float64)):
        return stored
    infinite = int(np.isinf(stored).sum())
    if infinite:
        raise DataError(f"{path}: {infinite} voxels are infinite; replace them first")
    missing = np.isnan(stored)
    inside = int(missing.sum()) - _reached_from_border(missing)
    if inside > INSIDE_SHARE * (missing.size - missing.sum()):
        raise DataError(f"{path}: {inside} voxels inside the head are NaN; replace them first")
    return np.where(missing, np.float32(0), stored)


def _reached_from_border(missing: Array) -> int:
    from scipy import ndimage  # late: few files have NaN

    regions, _ = ndimage.label(missing)
    faces = [np.take(regions, (0, -1), axis=axis).ravel() for axis in range(3)]
    outer = np.unique(np.concatenate(faces))
    return int(np.isin(regions, outer[outer > 0]).sum())


def _whole(stored: Array, path: Path) -> Array:
    if stored.dtype.kind in "iub" and stored.dtype.itemsize <= 2:
        return stored.astype(np.int32)
    if not np.isfinite(stored.sum(dtype=np.float64)):
        stored = np.where(np.isnan(stored), 0, stored)
    labels = np.rint(stored)
    if not np.abs(labels - stored).max(initial=0.0) <= ROUNDED or np.abs(labels).max(initial=0.0) >= 2**31:
        raise DataError(f"{path}: a label map must have whole numbers; this one was resampled or is no label map")
    return labels.astype(np.int32)


# -- storage order -----------------------------------------------------------------------------------------------------

Axes = tuple[int, int, int]
_WAYS: list[tuple[Axes, Axes]] = [
    ((a, b, c), (i, j, k))
    for a, b, c in itertools.permutations(range(3))
    for i, j, k in itertools.product((1, -1), repeat=3)
]


def to_ras(volume: Volume) -> Volume:
    """The same voxels in the same world, with the array axes nearest to right, anterior, superior; nothing resampled.

    All 48 ways to store a volume give the same array and memory layout. Shear in the affine is kept.
    """
    axes, flips = _nearest_axes(volume.affine)
    data = volume.data.transpose(axes)[tuple(slice(None, None, sign) for sign in flips)]
    return Volume(np.asfortranarray(data), volume.affine @ _change(axes, flips, volume.data.shape))


def displacement_to_ras(field: Displacement) -> Displacement:
    """The same for a field. Its components are along world axes, so they do not change."""
    axes, flips = _nearest_axes(field.affine)
    u = field.u.transpose(*axes, 3)[tuple(slice(None, None, sign) for sign in flips)]
    return Displacement(np.ascontiguousarray(u), field.affine @ _change(axes, flips, field.u.shape[:3]))


def _nearest_axes(affine: Float) -> tuple[Axes, Axes]:
    """The stored axes that become R, A, S, and their directions. Ties are resolved by the directions, not by the order in
    which the axes are stored."""
    steps = affine[:3, :3] / space.spacing_of(affine)

    def directions(way: tuple[Axes, Axes]) -> tuple[float, ...]:
        turned = steps[:, way[0]] * np.array(way[1])
        return (round(float(np.trace(turned)), 6), *(round(float(v), 6) for v in turned.ravel()))

    return max(_WAYS, key=directions)


def _change(axes: Axes, flips: Axes, shape: tuple[int, ...]) -> Float:
    """New voxel to stored voxel, (4, 4)."""
    change = np.zeros((4, 4))
    change[3, 3] = 1.0
    for new, (old, sign) in enumerate(zip(axes, flips, strict=True)):
        change[old, new] = sign
        change[old, 3] = shape[old] - 1 if sign < 0 else 0.0
    return change


def centred(volume: Volume) -> tuple[Volume, Float]:
    """The volume in a world with the origin at its centre, and the translation to the original world, (4, 4), mm.

    So results do not depend on how far an image is from the origin, nor on rounding at such distances.
    """
    middle = np.eye(4)
    middle[:3, 3] = points(volume.affine, (np.array(volume.data.shape) - 1) / 2)
    affine = volume.affine.copy()
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(volume.data.shape) - 1) / 2)
    return Volume(volume.data, affine), middle
