"""Checksums that show whether a file still has the content that was written.

XXH3-128: as fast as memory can be read, where SHA-256 would take a tenth of the time of a scoring
(benchmarks/checksums.md). It finds accidental damage only: anyone can change a file together with its checksum.
"""

import functools
import hashlib
from pathlib import Path

import xxhash

PIECE_BYTES = 2**20


def checksum(content: bytes | memoryview | str) -> str:
    """The checksum as 32 hex digits. Text is encoded as UTF-8."""
    return xxhash.xxh3_128_hexdigest(content.encode() if isinstance(content, str) else content)


def file_checksum(path: Path) -> str:
    """The checksum of a file's content. Raises OSError."""
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            state.update(piece)
    return state.hexdigest()


def file_checksum_once(path: Path) -> str:
    """Like `file_checksum`, but a file is read again in one process only if its size or time has changed. Raises OSError."""
    status = path.stat()
    return _file_checksum(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _file_checksum(path: Path, _size: int, _mtime_ns: int) -> str:
    return file_checksum(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits. A file is read again in one process only if its size or time has changed."""
    stat = path.stat()
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _file_digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def copy_and_digest(source: Path, target: Path) -> str:
    """Copy a file's content; gives the SHA-256 of what was copied. Raises OSError."""
    state = hashlib.sha256()
    with source.open("rb") as file, target.open("xb") as copy:
        while piece := file.read(PIECE_BYTES):
            state.update(piece)
            copy.write(piece)
    return state.hexdigest()
