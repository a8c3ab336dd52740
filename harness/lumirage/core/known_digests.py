"""SHA-256 of files that were read before: a file is read again only where its size, times or inode have changed.

Typing a command again asks for the content of every image of a dataset; there may be hundreds of gigabytes of them. The time
of a change of the inode (ctime) cannot be set by a program, so a file that was overwritten is noticed even with its old date.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from lumirage.core.checksums import file_digest
from lumirage.core.layout import write_text

TOO_YOUNG_NS = 2 * 10**9
"""A file that was changed so shortly before it was read may change once more within the same tick of its clock."""


class KnownDigests:
    """Those of one dataset, kept in a file. What cannot be read there is not known."""

    def __init__(self, kept: Path | None = None) -> None:
        self._kept, self._known, self._new = kept, _read(kept) if kept else {}, False

    def of(self, path: Path) -> str:
        """The SHA-256 of a file, 64 hex digits. Raises OSError."""
        seen = _seen(path)
        *before, digest = self._known.get(str(path), ("",))
        if before == seen and isinstance(digest, str):
            return digest
        found = file_digest(path)
        old_enough = time.time_ns() - max(int(seen[1]), int(seen[2])) > TOO_YOUNG_NS
        if self._kept and old_enough and _seen(path) == seen:
            self._known[str(path)], self._new = [*seen, found], True
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write them down for the next command, if there are new ones. A cache that cannot be written is no error."""
        if self._kept and self._new:
            with suppress(OSError):
                write_text(self._kept, json.dumps(self._known))


def _seen(path: Path) -> list[int]:
    found = os.stat(path)  # noqa: PTH116 -- half the time of Path.stat, for very many files
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _read(kept: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        {path: row for path, row in known.items() if isinstance(row, list) and len(row) == 5}
        if isinstance(known, dict)
        else {}
    )
