"""The files of a dataset that an evaluation uses. They must not change once it has begun.

An evaluation knows a file by its scan and kind (`sub-01_T1w labels.aseg`) and the SHA-256 of its content, not by its path:
the dataset may be moved. Older trees have a fingerprint instead: the size, and a hash of some blocks of the file.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lumirage.core.errors import DataError
from lumirage.core.known_digests import KnownDigests
from lumirage.core.layout import digest
from lumirage.core.model import Pair
from lumirage.core.track import Evaluation

CHANGED = (
    "not what it was when this evaluation began to use it; if it is damaged, fetch it again; else give another OUT, as "
    "numbers from two versions of a file are not mixed"
)
BLOCK_BYTES = 4096
BLOCKS = 16
"""Blocks that the fingerprint of a larger file has: the first, the last, and others evenly between."""


def files_of(pairs: Iterable[Pair]) -> dict[str, Path]:
    """Scan and kind of file (`sub-01_T1w image`, `sub-01_T1w labels.aseg`), or two scans and `truth` -> path; sorted."""
    found: dict[str, Path] = {}
    for pair in pairs:
        for scan in (pair.fixed, pair.moving):
            if f"{scan.name} image" not in found:
                found |= {f"{scan.name} {what}": path for what, path in _paths(scan.model_dump(mode="json"), ())}
        if pair.truth is not None:
            found[f"{pair.fixed.label}-{pair.moving.label} truth"] = pair.truth
    return dict(sorted(found.items()))


def every_pair(evaluation: Evaluation) -> list[Pair]:
    """The pairs of the track, and those that conditions use instead."""
    exchanged = (pair for those in evaluation.exchanged.values() for pair in those.values())
    return [*evaluation.pairs, *exchanged]


def with_contents(evaluation: Evaluation, files: Mapping[str, Path], digests: KnownDigests | None = None) -> Evaluation:
    """The evaluation with the SHA-256 of these files, as far as they are not among the known `digests`.

    A file that cannot be read is left out, such as a link of datalad whose content has not been fetched: the code that
    needs the file reports that.
    """
    known = digests or KnownDigests()
    now = {name: found for name, path in files.items() if (found := _content(path, "", known))}
    return evaluation.model_copy(update={"contents": evaluation.contents | now})


def changed_files(
    files: Mapping[str, Path], known: Mapping[str, str], digests: KnownDigests | None = None
) -> list[str]:
    """The names of files whose content is not the known one. Files that are absent or not known are not checked."""
    seen = digests or KnownDigests()
    return [
        name
        for name, path in files.items()
        if (wanted := known.get(name)) and (found := _content(path, wanted, seen)) and found != wanted
    ]


def refuse_changed(pair: Pair, known: Mapping[str, str]) -> None:
    """Raise DataError if a file of the pair has changed. Files that are not `known` are not checked."""
    files = files_of([pair])
    if names := changed_files(files, known):
        raise DataError(f"{files[names[0]]}: {CHANGED}")


def fingerprint(path: Path) -> str:
    """Size and content, as older trees have it: all of a small file, 16 blocks of a large one. Raises OSError.

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


def _content(path: Path, like: str, digests: KnownDigests) -> str:
    """SHA-256 of a file, or its fingerprint if `like` is one; empty if it cannot be read."""
    try:
        return fingerprint(path) if "-" in like else digests.of(path)
    except OSError:
        return ""


def _paths(record: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The absolute paths of a record, with the names of the fields that lead to them."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, name))
        elif isinstance(value, list):
            yield from _paths({str(n): inner for n, inner in enumerate(value)}, (*above, name))
        elif isinstance(value, str) and value.startswith("/"):
            yield ".".join((*above, name)), Path(value)
