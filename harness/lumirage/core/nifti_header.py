"""Reads the header of an untrusted NIfTI file and checks it before a library uses it.

A library reads whatever the header announces: colours, complex numbers, extensions of any length with parsers of their
own. Here only real numbers on a lattice are accepted, and extensions are skipped. Offsets as in nifti1.h and nifti2.h.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lumirage.core.errors import InvalidAnswerError

FLOATS = {16: "f4", 64: "f8"}
INTEGERS = {2: "u1", 4: "i2", 8: "i4", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
REALS = FLOATS | INTEGERS
"""NIfTI's code of each real type -> numpy's. float128 is left out, as its format depends on the machine."""
_OTHERS = {32: "complex", 1792: "complex", 2048: "complex", 128: "colour", 2304: "colour"}
EXTENSIONS_BYTES = 2**20
"""Largest number of bytes between a header and its data."""


@dataclass(frozen=True)
class _Layout:
    """The position of the fields: struct codes and byte offsets."""

    version: Literal[1, 2]
    size: int
    magic: tuple[int, bytes]
    dims: tuple[int, str]
    datatype: int
    offset: tuple[int, str]


_LAYOUTS = (
    _Layout(1, 348, (344, b"n+1\0"), (40, "8h"), 70, (108, "f")),
    _Layout(2, 540, (4, b"n+2\0\r\n\x1a\n"), (16, "8q"), 12, (168, "q")),
)


@dataclass(frozen=True)
class Header:
    """A header that was accepted: its own bytes, without extensions. `order` is the byte order as struct and numpy write
    it, `number` numpy's name of the stored type, `offset` the first byte of the data."""

    raw: bytes
    version: Literal[1, 2]
    order: Literal["<", ">"]
    shape: tuple[int, ...]
    number: str
    offset: int


def read_header(path: Path, numbers: Mapping[int, str]) -> Header:
    """The header of a .nii or .nii.gz file that stores one of `numbers`. Reads no more of it.

    Raises InvalidAnswerError: unreadable, another type of numbers, impossible dimensions or offset.
    """
    opened = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            raw = file.read(_LAYOUTS[-1].size)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidAnswerError(f"{path.name} cannot be read: {error}") from error
    layout, order = _layout(path, raw)
    (datatype,) = struct.unpack_from(f"{order}h", raw, layout.datatype)
    if datatype not in numbers:
        found = "whole" if datatype in INTEGERS else _OTHERS.get(datatype, f"(NIfTI's type {datatype}) other")
        wanted = "float32 or float64" if numbers is FLOATS else "real numbers"
        raise InvalidAnswerError(f"{path.name} stores {found} numbers; it must be stored as {wanted}")
    shape = _shape(path, struct.unpack_from(order + layout.dims[1], raw, layout.dims[0]))
    (offset,) = struct.unpack_from(order + layout.offset[1], raw, layout.offset[0])
    first = layout.size + 4
    start = offset or first  # some programs write 0
    if not first <= start <= first + EXTENSIONS_BYTES or start != math.floor(start):  # false for NaN too
        raise InvalidAnswerError(f"{path.name} cannot be read: its data begin at byte {offset}")
    return Header(raw[: layout.size], layout.version, order, shape, order + numbers[datatype], int(start))


def content_missing(path: Path) -> str:
    """Why there is nothing to read at a path, and what to do; empty if there is a file with content."""
    if path.is_symlink() and not path.exists():
        where = str(path.readlink())
        if "annex/objects" in where:
            return f"content not here (git-annex, DataLad): datalad get {path}"
        return f"a link to {where}, which is not there"
    if not path.is_file():
        return "no such file"
    with path.open("rb") as file:
        begin = file.read(40)
    if begin.startswith((b"/annex/objects/", b"../.git/annex", b".git/annex")):
        return f"content not here (git-annex, DataLad): datalad get {path}"
    if begin.startswith(b"version https://git-lfs"):
        return f"content not here (Git LFS): git lfs pull --include {path.name}"
    return ""


def _layout(path: Path, raw: bytes) -> tuple[_Layout, Literal["<", ">"]]:
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for layout in _LAYOUTS:
        at, magic = layout.magic
        for order in orders:
            named = raw.startswith(struct.pack(f"{order}i", layout.size)) and raw[at : at + len(magic)] == magic
            if named and len(raw) >= layout.size:
                return layout, order
    raise InvalidAnswerError(f"{path.name} cannot be read: it is no NIfTI file")


def _shape(path: Path, dims: tuple[int, ...]) -> tuple[int, ...]:
    count, *sizes = dims
    if not 1 <= count <= 7 or min(sizes[:count]) < 1:
        raise InvalidAnswerError(f"{path.name} cannot be read: its dimensions are {dims}")
    return tuple(sizes[:count])
