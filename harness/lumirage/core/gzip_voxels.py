"""Unpacks the voxels of a gzip file at once.

Through the gzip module of Python 3.11, which takes 8 kB at a time, a field of LUMIR's size takes twice as long as zlib alone.
"""

import io
import math
import zlib
from pathlib import Path
from typing import Any

from nibabel.arrayproxy import ArrayProxy

PIECE = 2**16
"""Bytes that are read at a time: what follows a member is copied, which a file of many small ones would multiply."""


def in_memory(stored: Any, path: Path) -> Any:
    """The same voxels, unpacked, if they are nibabel's and not yet read from a gzip file; else what was given.

    Raises EOFError for a file that is cut off, zlib.error for a damaged one, OSError if it cannot be read.
    """
    if path.suffix != ".gz" or not isinstance(stored, ArrayProxy):
        return stored
    needed = stored.offset + math.prod(stored.shape) * stored.dtype.itemsize
    layout = stored.shape, stored.dtype, stored.offset, stored.slope, stored.inter
    return ArrayProxy(io.BytesIO(_unpacked(path, needed)), layout)


def _unpacked(path: Path, needed: int) -> bytes:
    """The first bytes of the content, of all members of the file. One byte more than `needed` is asked for, so that the
    checksum at the end is compared, but no more: a small file may unpack to any size."""
    parts, left, member, packed = list[bytes](), needed, _member(), b""
    with path.open("rb") as file:
        while left > 0 or (left == 0 and not member.eof):
            packed = packed or file.read(PIECE)
            if not packed:
                raise EOFError("the compressed data end too early")
            if member.eof:
                member = _member()
            parts.append(member.decompress(packed, left + 1))
            left -= len(parts[-1])
            packed = member.unused_data
    return b"".join(parts)


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
