"""Reads the parts of a NIfTI header that image libraries correct or hide: units, and qform and sform separately.

Offsets are those of nifti1.h and nifti2.h (nifti.nimh.nih.gov).
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lumirage.core.errors import DataError
from lumirage.core.space import read_grid, spacing_of

Matrix = npt.NDArray[np.float64]
MGH = (".mgz", ".mgh")
"""FreeSurfer's formats: they have one matrix, always in millimetres."""
UNITS = {0: "unknown", 1: "m", 2: "mm", 3: "um"}


@dataclass(frozen=True)
class RawHeader:
    """The header as stored. A matrix is voxel to world, (4, 4), or None if its code says that it is not set."""

    unit: str
    spacing: tuple[float, float, float]
    qform: Matrix | None
    sform: Matrix | None


@dataclass(frozen=True)
class _Layout:
    """The fields' struct codes and byte offsets."""

    size: int
    real: str
    code: str
    pixdim: int
    codes: int
    quaternion: int
    srow: int
    units: int


_NIFTI1 = _Layout(size=348, real="f", code="h", pixdim=76, codes=252, quaternion=256, srow=280, units=123)
_NIFTI2 = _Layout(size=540, real="d", code="i", pixdim=104, codes=344, quaternion=352, srow=400, units=500)


def read_header(path: Path) -> RawHeader:
    """The raw header of a .nii or .nii.gz file, or its equivalent for FreeSurfer's formats. Raises DataError."""
    if path.name.endswith(MGH):
        affine = np.array(read_grid(path).affine)
        x, y, z = (float(size) for size in spacing_of(affine))
        return RawHeader("mm", (x, y, z), None, affine)
    try:
        with path.open("rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as handle:
            raw = handle.read(_NIFTI2.size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not readable ({error})") from error
    for order in "<>":
        for layout in (_NIFTI1, _NIFTI2):
            if len(raw) >= layout.size and struct.unpack_from(f"{order}i", raw)[0] == layout.size:
                return _parse(raw, order, layout)
    raise DataError(f"{path}: not a NIfTI file")


def _parse(raw: bytes, order: str, layout: _Layout) -> RawHeader:
    def real(count: int, offset: int) -> Matrix:
        return np.array(struct.unpack_from(f"{order}{count}{layout.real}", raw, offset), dtype=np.float64)

    qform_code, sform_code = struct.unpack_from(f"{order}2{layout.code}", raw, layout.codes)
    handed, *spacing = (float(v) for v in real(4, layout.pixdim))
    unit = int(struct.unpack_from(f"{order}i", raw, layout.units)[0]) if layout is _NIFTI2 else raw[layout.units]
    qform = _from_quaternion(real(6, layout.quaternion), np.array(spacing), handed) if qform_code > 0 else None
    sform = np.vstack([real(12, layout.srow).reshape(3, 4), [0, 0, 0, 1]]) if sform_code > 0 else None
    return RawHeader(UNITS.get(unit & 7, "unknown"), (spacing[0], spacing[1], spacing[2]), qform, sform)


def _from_quaternion(numbers: Matrix, spacing: Matrix, handed: float) -> Matrix:
    """The qform's matrix from (b, c, d, offsets): nifti1.h, method 2."""
    b, c, d = numbers[:3]
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * spacing * np.array([1.0, 1.0, -1.0 if handed < 0 else 1.0])
    matrix[:3, 3] = numbers[3:]
    return matrix
