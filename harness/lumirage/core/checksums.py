"""Checksums that tell whether what is read back is what was written.

XXH3 of 128 bits: as fast as memory is read, where SHA-256 would cost a tenth of a scoring (benchmarks/checksums.md). It
tells accidents, not intent: nobody is kept from writing both a file and its checksum.
"""

from pathlib import Path

import xxhash

PIECE_BYTES = 2**20


def checksum(content: bytes | str) -> str:
    """32 hex digits; of text in UTF-8."""
    return xxhash.xxh3_128_hexdigest(content.encode() if isinstance(content, str) else content)


def file_checksum(path: Path) -> str:
    """Of a file's content, read once. Raises OSError."""
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            state.update(piece)
    return state.hexdigest()
