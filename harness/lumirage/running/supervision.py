"""Watches a running method until it ends: deadlines, output quota, memory samples. All runtimes use it."""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lumirage.core.errors import EngineError
from lumirage.running.file_systems import in_memory
from lumirage.running.runtimes.runtime_interface import Call, StopReason, Watch

TICK_S = 0.05
"""20 Hz: a spike of memory that lasts half a second is seen ten times."""
QUOTA_EVERY_S = 0.25
MAX_FILES = 20_000
KILL_WITHIN_S = 30.0


class Process(Protocol):
    """A started method, as a runtime sees it."""

    def ended(self, within_s: float) -> bool:
        """Wait at most this long; gives whether it has ended. Raises EngineError when that cannot be known."""

    def kill(self) -> None:
        """Kill it and all its children, at once. Raises EngineError."""

    def sample(self) -> int | None:
        """Bytes of memory in use now, without page cache; None where that is unknown."""


@dataclass(frozen=True)
class Watched:
    """What was seen. The time line holds (seconds since the start, bytes)."""

    wall_s: float
    stopped: StopReason | None
    timeline: tuple[tuple[float, int], ...]


def supervise(process: Process, call: Call, watch: Watch, begin: float, *, memory_limit: bool = False) -> Watched:
    """Wait until the method, whose entry point began at `begin` (time.monotonic), has ended or was killed.

    With `memory_limit` the sampled memory is compared with the limit here, for runtimes without a limit of their own. Files
    in a folder in memory do not count as memory of the method. Raises EngineError; the process may then still run, and
    the runtime has to remove it.
    """
    watch.started(begin)
    timeline: list[tuple[float, int]] = []
    stopped: StopReason | None = None
    quota_at = due = time.monotonic()
    apart, written = in_memory(call.output), 0
    while not process.ended(max(0.0, due - time.monotonic())):
        now = time.monotonic()
        due = max(due + TICK_S, now)
        used = process.sample()
        if used is not None:
            timeline.append((now - begin, max(0, used - written) if apart else used))
        stopped = watch.reason_to_stop(now)
        if stopped is None and memory_limit and used is not None and used > call.limits.memory_bytes:
            stopped = "memory"
        if stopped is None and now >= quota_at:
            quota_at = now + QUOTA_EVERY_S
            written, files = folder_use(call.output, call.limits.output_bytes)
            if written > call.limits.output_bytes or files > MAX_FILES:
                stopped = "quota"
        if stopped:
            _kill(process)
            break
    return Watched(time.monotonic() - begin, stopped, tuple(timeline))


def _kill(process: Process) -> None:
    process.kill()
    if not process.ended(KILL_WITHIN_S):
        raise EngineError(f"a method did not end {KILL_WITHIN_S:.0f} s after it was killed")


def over_quota(folder: Path, limit_bytes: int) -> bool:
    """Whether a folder takes more disk space than the limit, or holds unreasonably many files."""
    used, files = folder_use(folder, limit_bytes)
    return used > limit_bytes or files > MAX_FILES


def folder_use(folder: Path, limit_bytes: int) -> tuple[int, int]:
    """Bytes that a folder occupies on disk, and the number of its files. Stops counting beyond the limit.

    Counts allocated blocks, so that sparse files count as much as they occupy. Follows no links and ignores files that
    vanish.
    """
    used = files = 0
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            used += stat.st_blocks * 512
            files += 1
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
        if used > limit_bytes or files > MAX_FILES:
            break
    return used, files


def pump(chunks: Iterable[bytes], watch: Watch) -> threading.Thread:
    """Add a time to what a method prints and pass it on until the stream ends or breaks; gives the running thread."""

    def read() -> None:
        try:
            for chunk in chunks:
                watch.output(chunk, time.monotonic())
        except (OSError, ValueError):
            return  # closed under us, which is how the stream of a killed call may end

    thread = threading.Thread(target=read, name="lumirage-log", daemon=True)
    thread.start()
    return thread
