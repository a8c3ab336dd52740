"""The files of a BIDS dataset with their entities: enumerated by pybids, kept in the cache until the dataset changes.

The only importer of pybids. An index of 590 subjects takes pybids 3 to 11 s, its import alone 1.2 s;
from the cache it is read in milliseconds. It is stale as soon as any file's name, size or time of change differs.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lumirage.core.errors import DataError
from lumirage.core.layout import cache_root, digest, write_text

INDEX_VERSION = "1"
_KEPT: ContextVar[bool] = ContextVar("index_is_kept", default=True)
_SKIPPED = {"derivatives", "sourcedata", "code", "stimuli", ".git", ".datalad"}


@dataclass(frozen=True)
class BidsFile:
    """One file with its BIDS entities (subject, session, suffix, desc, ...; all text)."""

    path: Path
    entities: Mapping[str, str]

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.path.name.split(".", 1)[0]


def bids_files(root: Path, *, derivative: bool) -> list[BidsFile]:
    """Every file of a dataset that belongs to a subject, sorted by path. Raises DataError for what is not BIDS."""
    root = root.resolve()  # a linked dataset is the same one; links within it are kept as they are
    fingerprint = _fingerprint(root)
    saved = cache_root() / "bids" / f"{digest(INDEX_VERSION, str(root))}.json"
    rows = _load(saved, fingerprint)
    if rows is None:
        rows = _enumerate(root, derivative=derivative)
        if _KEPT.get():
            write_text(saved, json.dumps({"fingerprint": fingerprint, "files": rows}))
    return [BidsFile(root / path, entities) for path, entities in rows]


@contextmanager
def index_not_kept() -> Iterator[None]:
    """Within, an index that is made is not written into the cache: a plan leaves nothing on disk."""
    token = _KEPT.set(False)
    try:
        yield
    finally:
        _KEPT.reset(token)


def _load(saved: Path, fingerprint: str) -> list[tuple[str, dict[str, str]]] | None:
    try:
        content = json.loads(saved.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if content.get("fingerprint") != fingerprint:
        return None
    return [(path, entities) for path, entities in content["files"]]


def _enumerate(root: Path, *, derivative: bool) -> list[tuple[str, dict[str, str]]]:
    from bids import BIDSLayout, BIDSLayoutIndexer
    from bids.exceptions import PyBIDSError

    options: dict[str, Any] = {"is_derivative": True, "config": ["bids", "derivatives"]} if derivative else {}
    try:
        indexer = BIDSLayoutIndexer(validate=False, index_metadata=False)
        layout = BIDSLayout(root, validate=False, indexer=indexer, **options)
    except (PyBIDSError, ValueError, OSError) as error:
        raise DataError(f"{root}: not a BIDS dataset: {' '.join(str(error).split())[:300]}") from error
    rows = []
    for file in layout.get():
        entities = {key: str(value) for key, value in file.get_entities().items()}
        if "subject" in entities:
            rows.append((str(Path(file.path).relative_to(root)), entities))
    return sorted(rows)


def _fingerprint(root: Path) -> str:
    return digest(*(f"{path}\t{size}\t{mtime}" for path, size, mtime in sorted(_walk(root))))


def _walk(root: Path) -> Iterator[tuple[str, int, int]]:
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in files:
            path = Path(folder) / name
            try:
                stat = path.stat()
            except OSError:  # a dangling link: datalad datasets have them until the content is fetched
                yield str(path), -1, -1
                continue
            yield str(path), stat.st_size, stat.st_mtime_ns
