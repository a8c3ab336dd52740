"""Fingerprints of files from a few blocks each: an evaluation recognizes its dataset by content, not by path."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lumirage.core.layout import digest
from lumirage.core.model import Pair

BLOCK_BYTES = 4096
BLOCKS = 16
"""Blocks read of a file that is larger than all of them: the first, the last, and others evenly between."""


def files_of(pairs: Iterable[Pair]) -> dict[str, Path]:
    """Name of a scan and the kind of file (`sub-01_T1w image`, `sub-01_T1w labels.aseg`), or a pair and its truth -> file."""
    found: dict[str, Path] = {}
    for pair in pairs:
        for scan in (pair.fixed, pair.moving):
            if f"{scan.name} image" not in found:
                found |= {f"{scan.name} {what}": path for what, path in _paths(scan.model_dump(mode="json"), ())}
        if pair.truth is not None:
            found[f"{pair.id} truth"] = pair.truth
    return dict(sorted(found.items()))


def fingerprints(files: Mapping[str, Path]) -> dict[str, str]:
    """The same names -> fingerprints. Absent files are left out, such as datalad links whose content has not been fetched."""
    found = {}
    for name, path in files.items():
        with suppress(OSError):
            found[name] = fingerprint(path)
    return found


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Names that both have with different values, sorted."""
    return [name for name in found if name in wanted and found[name] != wanted[name]]


def fingerprint(path: Path) -> str:
    """Of size and content: all of a small file, 16 blocks of a large one. Raises OSError.

    The last block of a gzip file ends with the CRC-32 of the uncompressed content.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        last = max(size - BLOCK_BYTES, 0)
        few = size <= BLOCKS * BLOCK_BYTES
        starts = range(0, size, BLOCK_BYTES) if few else (last * n // (BLOCKS - 1) for n in range(BLOCKS))
        blocks = []
        for start in starts:
            file.seek(start)
            blocks.append(file.read(BLOCK_BYTES))
    return f"{size}-{digest(*blocks)}"


def _paths(record: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The absolute paths of a record, with the names of the fields that lead to them."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, name))
        elif isinstance(value, list):
            yield from _paths({str(n): inner for n, inner in enumerate(value)}, (*above, name))
        elif isinstance(value, str) and value.startswith("/"):
            yield ".".join((*above, name)), Path(value)
