"""Reads images that the harness wrote. Their bytes are read once and compared with the checksum in their record.

`lumirage.core.space` writes prepared images and fields as NIfTI-1, uncompressed, float32. If the checksum agrees, the image is
finite and on the grid of its record, as when it was written, so neither is checked again. Old trees have no checksums:
their files are checked like any other.
"""

import struct
from pathlib import Path
from typing import cast

import numpy as np

from lumirage.core.checksums import checksum, file_checksum_once
from lumirage.core.errors import DamagedFileError, DataError, InvalidAnswerError
from lumirage.core.model import Convention, Grid, Prepared
from lumirage.core.packed_files import on_disk, place_of
from lumirage.core.space import Displacement, Single, read_displacement, read_volume

OFFSET_AT = 108
"""Position of vox_offset in a NIfTI-1 header: the first byte of the data, stored as float32."""


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
        return Displacement(u, np.array(grid.affine))
    try:
        with on_disk(path) as file:
            return read_displacement(file, Convention(), grid)
    except (InvalidAnswerError, OSError) as error:
        raise DamagedFileError(path, f"damaged or gone ({error})") from error


def _numbers(path: Path, shape: tuple[int, ...], wanted: str) -> Single:
    try:
        place = place_of(path)
        raw = np.fromfile(place.file, np.uint8, place.size, offset=place.start)
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
    if checksum(raw.data) != wanted:
        raise DamagedFileError(path, "damaged: its content does not match its checksum")
    (offset,) = struct.unpack_from("<f", raw.data, OFFSET_AT)
    return raw[int(offset) :].view("<f4").reshape(shape, order="F")


def with_checksums(made: Prepared, folder: Path) -> Prepared:
    """The record of prepared images that were just written, with their checksums."""
    files = {name: folder / path for name in ("fixed", "moving", "truth") if (path := getattr(made, name))}
    return made.model_copy(update={"checksums": {name: file_checksum_once(path) for name, path in files.items()}})


def check_prepared(prepared: Prepared) -> None:
    """Raise DamagedFileError if an image is not what was written. Each file is read once per process."""
    for name, wanted in prepared.checksums.items():
        path: Path = getattr(prepared, name)
        try:
            found = file_checksum_once(path)
        except OSError as error:
            raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
        if found != wanted:
            raise DamagedFileError(path, "damaged: its content does not match its checksum")
