"""Checksums that tell whether what is read back is what was written.

XXH3 of 128 bits: as fast as memory is read, where SHA-256 would cost a tenth of a scoring (benchmarks/checksums.md). It
tells accidents, not intent: nobody is kept from writing both a file and its checksum.
"""

import functools
from pathlib import Path

import xxhash

PIECE_BYTES = 2**20


def checksum(content: bytes | memoryview | str) -> str:
    """32 hex digits; of text in UTF-8."""
    return xxhash.xxh3_128_hexdigest(content.encode() if isinstance(content, str) else content)


def file_checksum(path: Path) -> str:
    """Of a file's content, read once. Raises OSError."""
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            state.update(piece)
    return state.hexdigest()


def file_checksum_once(path: Path) -> str:
    """The same, read once a process, unless size or time of change differ. Raises OSError."""
    status = path.stat()
    return _file_checksum(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _file_checksum(path: Path, _size: int, _mtime_ns: int) -> str:
    return file_checksum(path)
