"""Records each pair when it ends, while its container still runs, so that no ended pair is lost if the harness is killed.

A copy of the answer is judged, as the method still runs and may change its files. docs/decisions/0008.md
"""

import os
import queue
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from lumirage.core.errors import LumirageError
from lumirage.core.model import Grid, Outcome, Usage
from lumirage.running.answer_judging import MAX_INFO_BYTES, largest_bytes
from lumirage.running.container_evidence import JobContainer, state_of
from lumirage.running.folder_removal import remove_tree
from lumirage.running.method_contract import ExpectedAnswer
from lumirage.running.run_records import Judged, Kept, RecordContext, record_pair
from lumirage.running.runtimes.runtime_interface import CallResult

PIECE_BYTES = 2**20
NOT_YET = "absent: its container had not ended when this was written"
NOT_ENDED = CallResult(Usage(wall_s=0.0, cpu_how=NOT_YET, memory_how=NOT_YET))
"""Of a container that runs."""


class EndedPairs:
    """Waits in a thread of its own for pairs to end. `folder` is for copies, and belongs to nobody else."""

    def __init__(self, container: JobContainer, context: RecordContext, folder: Path):
        self._container, self._context, self._folder = container, context, folder
        self._names = {name: pair for pair, name in container.written.ids.items()}
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.kept: dict[str, Kept] = {}
        """What was recorded, by pair."""

    def pair_ended(self, name: str) -> None:
        """The pair of this anonymous name has ended, as the method says."""
        self._waiting.put(name)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="lumirage-ended", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for the pair that is being judged; what comes after it is left to the container's end."""
        self._closed = True
        self._waiting.put(None)
        if self._thread:
            self._thread.join()

    def discard(self) -> None:
        """Take back what was recorded."""
        for pair in self.kept:
            self._context.files(self._container, pair).record.unlink(missing_ok=True)

    def _work(self) -> None:
        _leave_cpus(self._container.call.cpus)
        while (name := self._waiting.get()) and not self._closed:
            # what cannot be done now is tried again, and told, when the container has ended
            with suppress(OSError, LumirageError):
                self._keep(self._names[name])

    def _keep(self, pair: str) -> None:
        """Record a pair if its answer is there, whole and in time."""
        container, watch = self._container, self._container.watch
        expected, job = container.written.expected[pair], container.job
        state = state_of(expected)
        with _copied(expected, container.written.given[pair].prepared.grid, self._folder) as copy:
            if copy is None or state_of(expected) != state:
                return
            answer = container.judge_answer(pair, copy)
            passed = NOT_ENDED.usage.model_copy(update={"wall_s": time.monotonic() - watch.began_s})
            now = watch.as_of_now(container.written.ids[pair])
            so_far = replace(container, watch=now, ended=CallResult(passed), over=False)
            if answer.state != "valid" or so_far.times(pair).longer_than(job.limits.pair_timeout_s):
                return
            run = record_pair(so_far, pair, Judged(answer, Outcome.OK), self._context)
            self.kept[pair] = Kept(replace(answer, displacement=None), state, run)


def _leave_cpus(taken: tuple[int, ...]) -> None:
    """Keep this thread off the CPUs of the method that is being timed, where there are others."""
    if hasattr(os, "sched_setaffinity") and (free := os.sched_getaffinity(0) - set(taken)):
        with suppress(OSError):
            os.sched_setaffinity(0, free)


@contextmanager
def _copied(expected: ExpectedAnswer, grid: Grid, folder: Path) -> Iterator[ExpectedAnswer | None]:
    """A copy of an answer, for as long as it is judged; None where it holds no field that is a plain file of its own."""
    target = folder / "answer"
    target.mkdir(parents=True, mode=0o700)
    try:
        most = largest_bytes(grid)
        there = [name for name in expected.fields if _copy(expected.folder, name, target, most)]
        for name in expected.moved:
            _copy(expected.folder, name, target, most)
        if expected.info:
            _copy(expected.folder, expected.info, target, MAX_INFO_BYTES)
        yield replace(expected, folder=target) if there else None
    finally:
        remove_tree(target)


def _copy(source: Path, name: str, target: Path, most_bytes: int) -> bool:
    """Copy a regular file without following links, even if the method renames files meanwhile. Gives whether it existed.

    Raises OSError if it is not a regular file, or a folder above it is a link: that is judged when the container has
    ended."""
    try:
        file = _opened(source, name)
    except FileNotFoundError:
        return False
    with os.fdopen(file, "rb") as reader:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size > most_bytes:
            raise OSError(f"{name} is no plain file of its own, or too large")
        copy, left = target / name, status.st_size  # no more: one that grows is not copied for ever
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("wb") as writer:
            while piece := reader.read(min(left, PIECE_BYTES)):
                writer.write(piece)
                left -= len(piece)
    return True


def _opened(folder: Path, name: str) -> int:
    """A descriptor of folder/name, every step of it no link; does not wait for the other end of a pipe."""
    *above, last = Path(name).parts
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for part in above:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            os.close(place)
            place = inner
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
