"""The harness' own images, read back: their bytes are held against the checksum in their record, and read once.

Prepared images and fields are written by `lumirage.core.space`: NIfTI-1, uncompressed, float32. What has its checksum is on the
grid of its record and finite, as it was when it was written, so nothing is judged again. Old trees have no checksums: their
files are judged as any other.
"""

import struct
from pathlib import Path
from typing import cast

import numpy as np

from lumirage.core.checksums import checksum, file_checksum_once
from lumirage.core.errors import DamagedFileError, DataError, InvalidAnswerError
from lumirage.core.model import Convention, Grid, Prepared
from lumirage.core.space import Displacement, Single, read_displacement, read_volume

OFFSET_AT = 108
"""Where a header of NIfTI-1 says at which byte its numbers begin, as float32."""


def read_stored_volume(path: Path, grid: Grid, wanted: str) -> Single:
    """An image of the harness on this grid, float32 (X, Y, Z). `wanted`: its checksum; empty: not known.

    Raises DamagedFileError."""
    if wanted:
        return _numbers(path, grid.shape, wanted)
    try:
        return cast(Single, read_volume(path).data)
    except DataError as error:
        raise DamagedFileError(path, f"damaged or gone ({error})") from error


def read_stored_displacement(path: Path, grid: Grid, wanted: str) -> Displacement:
    """A field of the harness on this grid, mm, RAS+, pull. `wanted`: its checksum; empty: not known.

    Raises DamagedFileError."""
    if wanted:
        u = _numbers(path, (*grid.shape, 3), wanted)
        return Displacement(np.ascontiguousarray(u), np.array(grid.affine))
    try:
        return read_displacement(path, Convention(), grid)
    except (InvalidAnswerError, OSError) as error:
        raise DamagedFileError(path, f"damaged or gone ({error})") from error


def _numbers(path: Path, shape: tuple[int, ...], wanted: str) -> Single:
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
    if checksum(raw.data) != wanted:
        raise DamagedFileError(path, "damaged: its content is not that of its checksum")
    (offset,) = struct.unpack_from("<f", raw.data, OFFSET_AT)
    return raw[int(offset) :].view("<f4").reshape(shape, order="F")


def with_checksums(made: Prepared, folder: Path) -> Prepared:
    """The record of prepared images that were just written, with their checksums."""
    files = {name: folder / path for name in ("fixed", "moving", "truth") if (path := getattr(made, name))}
    return made.model_copy(update={"checksums": {name: file_checksum_once(path) for name, path in files.items()}})


def check_prepared(prepared: Prepared) -> None:
    """Raise DamagedFileError where an image is not what was written; what a process has looked at, it does not read again."""
    for name, wanted in prepared.checksums.items():
        path: Path = getattr(prepared, name)
        try:
            found = file_checksum_once(path)
        except OSError as error:
            raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
        if found != wanted:
            raise DamagedFileError(path, "damaged: its content is not that of its checksum")
