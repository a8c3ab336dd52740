"""Images and displacement fields as arrays with a frame; the only importer of nibabel.

World coordinates are millimetres, RAS+. A `Displacement` is u(x) on the working grid, pull:
x_moving = x_fixed + u(x_fixed). Fields that methods write in another convention are converted here, when they are read.
"""

import gzip
import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from lumirage.core.errors import DataError, InvalidAnswerError
from lumirage.core.field_conversion import to_world
from lumirage.core.gzip_voxels import in_memory
from lumirage.core.layout import written_aside
from lumirage.core.model import Convention, Grid, Matrix, Shape
from lumirage.core.nifti_header import FLOATS, REALS, Header, content_missing, read_header

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

AFFINE_TOLERANCE_MM = 1e-3
"""Two grids are the same if no two of their corners are farther apart. Headers in float32 are exact to about 1e-5 mm."""


@dataclass(frozen=True)
class Volume:
    """A 3-D image: data (X, Y, Z) and the voxel-to-world matrix (4, 4), RAS+ mm."""

    data: Array
    affine: Float

    @property
    def grid(self) -> Grid:
        """Shape and matrix as a record."""
        return make_grid(cast(Shape, self.data.shape), self.affine)

    @property
    def spacing_mm(self) -> Float:
        """Voxel size along each array axis, mm."""
        return spacing_of(self.affine)


@dataclass(frozen=True)
class Displacement:
    """u(x), float32 (X, Y, Z, 3), mm, RAS+, on the lattice `affine`. It was checked to be finite before it is made."""

    u: Single
    affine: Float


def spacing_of(affine: Float) -> Float:
    """Voxel size along each array axis, mm."""
    return cast(Float, np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0)))


def make_grid(shape: Shape, affine: Float) -> Grid:
    """A grid record from a shape and a voxel-to-world matrix (4, 4), RAS+ mm."""
    return Grid(shape=cast(Shape, tuple(int(n) for n in shape)), affine=matrix(affine))


def matrix(affine: Float) -> Matrix:
    """A (4, 4) array as the tuple of a record."""
    return cast(Matrix, tuple(tuple(float(v) for v in row) for row in np.asarray(affine)))


def axis_codes(affine: Float) -> str:
    """The orientation as three letters, such as RAS or LPI: the direction in which each array axis increases."""
    return "".join(cast(tuple[str, str, str], nib.orientations.aff2axcodes(affine)))


def points(affine: npt.ArrayLike, xyz: Float) -> Float:
    """Map points (..., 3) by a (4, 4) matrix."""
    return xyz @ np.asarray(affine)[:3, :3].T + np.asarray(affine)[:3, 3]


def same_grid(first: Grid, second: Grid) -> bool:
    """Whether shape and position agree: no corners farther apart than AFFINE_TOLERANCE_MM."""
    if first.shape != second.shape:
        return False
    corners = np.array(list(itertools.product(*((0.0, n - 1.0) for n in first.shape))))
    apart = points(np.array(first.affine), corners) - points(np.array(second.affine), corners)
    return float(np.abs(apart).max()) <= AFFINE_TOLERANCE_MM


def open_image(path: Path) -> Any:  # nibabel's images are untyped
    """nibabel's image, its voxels not yet read. Raises DataError if it cannot be read."""
    if why := content_missing(path):
        raise DataError(f"{path}: {why}")
    try:
        return nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: not a readable NIfTI image ({error}); convert or fetch it again") from error


def voxels(stored: Any, path: Path, dtype: Any) -> Array:
    """The voxels of an opened image. Raises DataError."""
    try:
        return np.asanyarray(in_memory(stored, path), dtype=dtype)
    except (OSError, EOFError, ValueError, TypeError, zlib.error) as error:  # TypeError: colours are no numbers
        raise DataError(f"{path}: the image data are damaged or cut off ({error}); fetch the file again") from error


def check_header(image: Any, path: Path) -> None:
    """Raise DataError unless an opened image is one 3-D volume with a valid voxel-to-world matrix."""
    shape = image.shape
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        shape = shape[:3]
    if len(shape) != 3:
        raise DataError(
            f"{path}: {len(shape)}-D image of shape {tuple(image.shape)}; one 3-D volume is needed, so extract one"
        )
    affine = np.asarray(image.affine, dtype=float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError(f"{path}: the header's voxel-to-world matrix is singular or not finite; correct qform or sform")


def read_grid(path: Path) -> Grid:
    """The lattice of a 3-D image, from its header alone. Raises DataError."""
    image = open_image(path)
    check_header(image, path)
    return make_grid(image.shape[:3], image.affine)


def read_volume(path: Path) -> Volume:
    """A 3-D image as float32 (X, Y, Z). Raises DataError, also for NaN and infinite voxels."""
    check_header(image := open_image(path), path)
    data = voxels(image.dataobj, path, np.float32).reshape(image.shape[:3])
    bad = int(data.size - np.isfinite(data).sum())
    if bad:
        raise DataError(f"{path}: {bad} voxels are NaN or infinite; replace them first")
    return Volume(data, np.asarray(image.affine, dtype=float))


def read_labels(path: Path) -> Volume:
    """A label map as int32 (X, Y, Z). Raises DataError if a voxel is not a whole number."""
    check_header(image := open_image(path), path)
    stored = voxels(image.dataobj, path, None).reshape(image.shape[:3])
    labels = stored.astype(np.int32)
    if not np.can_cast(stored.dtype, np.int32) and not np.array_equal(labels, stored):
        raise DataError(f"{path}: a label map must have whole numbers; this one was resampled or is no label map")
    return Volume(labels, np.asarray(image.affine, dtype=float))


def read_stored(path: Path) -> Array:
    """The voxels of an image of any shape, scaled as its header says, without any check of values. Raises DataError."""
    return voxels(open_image(path).dataobj, path, None)


# -- what a method wrote -----------------------------------------------------------------------------------------------


def read_displacement(path: Path, convention: Convention, grid: Grid) -> Displacement:
    """The field that a method wrote, as mm, RAS+, pull, on the working grid. Raises InvalidAnswerError."""
    return displacement_of(read_field_numbers(path, convention, grid), convention, grid)


@np.errstate(all="ignore")  # overflows are found and reported below
def read_field_numbers(path: Path, convention: Convention, grid: Grid) -> Single:
    """The numbers of a field that a method wrote, (X, Y, Z, 3), in its own convention.

    The file is not trusted: its header is compared with the grid before data are read. Raises InvalidAnswerError, which
    says what is wrong: not an image of real numbers, wrong shape, wrong matrix, or NaN or Inf with number and position.
    """
    header = read_header(path, FLOATS)
    last = convention.channels == "last"
    wanted = (*grid.shape, 3) if last else (3, *grid.shape)
    shape = tuple(n for i, n in enumerate(header.shape) if not (n == 1 and i == 3 and len(header.shape) == 5))
    if shape != wanted:
        raise InvalidAnswerError(f"the field's shape is {header.shape}; on this working grid it must be {wanted}")
    affine, numbers = _judged(path, header)
    if convention.affine == "checked" and not same_grid(make_grid(grid.shape, affine), grid):
        found = np.array2string(affine, precision=4, suppress_small=True).replace("\n", " ")
        raise InvalidAnswerError(f"the field's voxel-to-world matrix {found} is not that of fixed.nii")
    stored = _single(path, numbers).reshape(wanted)
    field = stored if last else np.moveaxis(stored, 0, -1)
    refuse_not_finite(field)
    return field


@np.errstate(all="ignore")  # overflows are found and reported below
def displacement_of(numbers: Single, convention: Convention, grid: Grid) -> Displacement:
    """What `read_field_numbers` gave, as mm, RAS+, pull. Raises InvalidAnswerError where it overflows."""
    u = to_world(numbers, convention, np.array(grid.affine))
    refuse_not_finite(u, "in the field, converted to millimetres")
    return Displacement(u, np.array(grid.affine))


@np.errstate(all="ignore")
def read_moved(path: Path, grid: Grid) -> Single:
    """The moved image that a method wrote, float32 (X, Y, Z), finite, checked like a field. Raises InvalidAnswerError."""
    header = read_header(path, REALS)
    affine, numbers = _judged(path, header)
    shape = header.shape[:3] + tuple(n for n in header.shape[3:] if n != 1)
    if shape != grid.shape or not same_grid(make_grid(grid.shape, affine), grid):
        raise InvalidAnswerError(f"{path.name} is not on the working grid")
    moved = _single(path, numbers).reshape(grid.shape)
    refuse_not_finite(moved[..., None], f"in {path.name}")
    return moved


def _judged(path: Path, header: Header) -> tuple[Float, ArrayProxy]:
    """The voxel-to-world matrix of an accepted header, and its voxels, not yet read. Raises InvalidAnswerError."""
    kind = nib.Nifti1Header if header.version == 1 else nib.Nifti2Header
    try:
        known = kind(header.raw, header.order)
        slope, shift = known.get_slope_inter()
        affine = np.asarray(known.get_best_affine(), dtype=float)
    except (HeaderDataError, ValueError) as error:
        raise InvalidAnswerError(f"{path.name} cannot be read: {error}") from error
    scaling = (1.0, 0.0) if slope is None else (slope, shift)
    return affine, ArrayProxy(path, (header.shape, np.dtype(header.number), header.offset, *scaling))


def _single(path: Path, numbers: ArrayProxy) -> Single:
    """The voxels as float32. Unpacks no more bytes than the shape needs. Raises InvalidAnswerError."""
    try:
        return voxels(numbers, path, np.float32)
    except DataError as error:
        raise InvalidAnswerError(f"{path.name} cannot be read: {error}") from error


def refuse_not_finite(field: Array, where: str = "in the field") -> None:
    """Raise InvalidAnswerError, with number and position, if a field (..., 3) has NaN or Inf."""
    bad = ~np.isfinite(field)
    count = int(bad.sum())
    if count:
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        nans = int(np.isnan(field).sum())
        raise InvalidAnswerError(
            f"{nans} NaN and {count - nans} infinite values {where}, the first at voxel {first[:3]}"
        )


# -- writing -----------------------------------------------------------------------------------------------------------


def write_volume(path: Path, data: Array, affine: Float) -> None:
    """Write a NIfTI-1 image under a temporary name, then rename it. The header has only the unit (mm) and the matrix."""
    _write(path, nib.Nifti1Image(data, affine), affine)


def write_displacement(path: Path, field: Displacement) -> None:
    """Write a field in the harness' own convention: float32 (X, Y, Z, 1, 3), intent vector, mm, RAS+, pull."""
    image = nib.Nifti1Image(field.u[..., None, :], field.affine)
    image.header.set_intent("vector")
    _write(path, image, field.affine)


def _write(path: Path, image: Any, affine: Float) -> None:
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    raw = image.to_bytes()
    with written_aside(path) as aside:
        # mtime 0: the same data give the same bytes. Level 1: time matters here, not size.
        aside.write_bytes(gzip.compress(raw, 1, mtime=0) if path.name.endswith(".gz") else raw)


def zero_displacement(grid: Grid) -> Displacement:
    """The field of doing nothing: zero everywhere."""
    return Displacement(np.zeros((*grid.shape, 3), np.float32), np.array(grid.affine))
