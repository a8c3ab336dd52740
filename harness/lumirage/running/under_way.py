"""Who executes what in an output tree at this moment: a file for each harness, locked for as long as it lives.

Lines are only added, so that a reader sees whole lines whenever it looks. The kernel drops the lock of a killed harness,
so its file is seen to be old.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lumirage.core.model import Job, Run

RunName = tuple[str, str, int, str]
"""Method, condition, repeat, pair id."""


@dataclass(frozen=True)
class UnderWay:
    """Runs that a harness executes now, and those that it will."""

    running: frozenset[RunName] = field(default_factory=frozenset)
    planned: frozenset[RunName] = field(default_factory=frozenset)
    harnesses: int = 0


_open_journals: set[int] = set()


def _close_in_child() -> None:
    """A forked worker must not keep the lock of a harness that was killed."""
    for descriptor in _open_journals:
        os.close(descriptor)
    _open_journals.clear()


os.register_at_fork(after_in_child=_close_in_child)


class Journal:
    """Says what begins and what ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def add(self, what: Literal["planned", "started", "ended"], of: Job | Run) -> None:
        """A line about the runs of a job, or about one run."""
        if isinstance(of, Job):
            line = [what, of.method.name, of.condition, of.repeat, list(of.pairs)]
        else:
            line = [what, of.method, of.condition, of.repeat, [of.pair]]
        os.write(self._descriptor, (json.dumps(line) + "\n").encode())


@contextmanager
def journal(folder: Path, jobs: Sequence[Job]) -> Iterator[Journal]:
    """A journal in this folder while these jobs are executed; removed at the end, as those that killed harnesses left."""
    owner = os.getpid()
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.jsonl"):
        if _lines_of_living(left) is None:
            left.unlink(missing_ok=True)
    path = folder / f"{uuid.uuid4().hex}.jsonl"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _open_journals.add(descriptor)
        lines = Journal(descriptor)
        for job in jobs:
            lines.add("planned", job)
        yield lines
    finally:
        if os.getpid() == owner:  # in a forked child the descriptor is closed already
            _open_journals.discard(descriptor)
            path.unlink(missing_ok=True)
            os.close(descriptor)


def under_way(folder: Path) -> UnderWay:
    """What all live harnesses of a tree do now."""
    running: set[RunName] = set()
    planned: set[RunName] = set()
    live = 0
    for path in sorted(folder.glob("*.jsonl")):
        lines = _lines_of_living(path)
        live += lines is not None
        for what, method, condition, repeat, pairs in lines or ():
            runs = {(method, condition, repeat, pair) for pair in pairs}
            if what == "planned":
                planned |= runs
            elif what == "started":
                running |= runs
            else:
                running -= runs
                planned -= runs
    return UnderWay(frozenset(running), frozenset(planned - running), live)


def _lines_of_living(path: Path) -> list[tuple[str, str, str, int, list[str]]] | None:
    """The whole lines; None for a file that nobody holds."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it has just been removed
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        return [tuple(json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    finally:
        os.close(descriptor)
    return None
