"""One container of Apptainer as processes of this machine: started, watched, killed, measured."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from lumirage.core.errors import EngineError
from lumirage.core.model import Usage
from lumirage.running.call_control_group import OwnGroup, kill_all
from lumirage.running.child_process import Child
from lumirage.running.marked_processes import CALL_VARIABLE, kill_marked
from lumirage.running.measurement import End, Meter
from lumirage.running.process_memory import PssTree
from lumirage.running.runtimes.apptainer_argv import STARTED
from lumirage.running.runtimes.runtime_interface import Call
from lumirage.running.supervision import Watched

START_WITHIN_S = 300.0
"""An image on a busy parallel file system may take minutes to be opened."""
KEPT_BYTES = 4096


class Container:
    """A started container, for `supervise`. `group` holds its processes where one could be made."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], call: Call, group: OwnGroup | None):
        self._call, self._group, self._said = call, group, b""
        self.ordered_s, self._ordered_epoch_s = time.monotonic(), time.time()
        self._start_s: float | None = None
        with _pinned(call.cpus):
            self._child = Child(argv, environment, Path("/"))
        self._meter = Meter(group or PssTree(self._members), call.gpus)

    def _members(self) -> list[psutil.Process]:
        """The container's processes: its starter's children, but not the one that reads the image."""
        return [process for process in self._child.below() if not _reads_image(process)]

    def chunks(self) -> Iterator[bytes]:
        """What it prints, the starter's own words among it."""
        for chunk in self._child.chunks():
            self._said = (self._said + chunk)[-KEPT_BYTES:]
            yield chunk

    def begun(self, tmp: Path) -> float:
        """When the entry point began (time.monotonic), once `Starting` has ended. Raises EngineError with the starter's
        words where it never did."""
        mark = tmp / STARTED
        if not mark.exists():
            self.kill()
            said = self._said.decode(errors="replace").strip().splitlines()
            raise EngineError(f"a container did not start: {said[-1] if said else f'exit code {self._child.status}'}")
        took = mark.stat().st_mtime - self._ordered_epoch_s
        mark.unlink()
        self._start_s = min(max(took, 0.0), time.monotonic() - self.ordered_s)
        return self.ordered_s + self._start_s

    def ended(self, within_s: float) -> bool:
        """See Process."""
        return self._child.ended(within_s)

    def kill(self) -> None:
        """All processes. Children first: a starter that is killed leaves the reader of the image behind."""
        if self._group:
            self._group.kill()
        kill_all([process.pid for process in self._child.below()])
        if self._child.status is None:
            kill_all([self._child.pid])
        kill_marked(CALL_VARIABLE, self._call.name)

    def sample(self) -> int | None:
        """See Process."""
        return self._meter.sample()

    def usage(self, watched: Watched) -> Usage:
        """The record, once it has ended. The ladder's last rung is the largest process the kernel saw."""
        child = self._child
        status = child.status or 0
        code = status if status >= 0 else 128 - status
        own = None if self._group else child.cpu_s
        end = End(code, code - 128 if code > 128 else None, start_s=self._start_s, cpu_s=own)
        usage = self._meter.usage(watched, end)
        if usage.peak_memory_bytes is None and child.rusage is not None:
            how = "ru_maxrss: the largest single process, with the pages of files"
            return usage.model_copy(update={"peak_memory_bytes": child.rusage.ru_maxrss * 1024, "memory_how": how})
        return usage

    def close(self) -> None:
        """Kill what is left and give back what is open."""
        self.kill()
        self._child.close()
        self._meter.close()


class Starting:
    """A container until its entry point begins or it ends, for `supervise`: its image's own shell runs before, and is
    held to the limits and ended by Ctrl-C like all else."""

    def __init__(self, container: Container, tmp: Path):
        self._container, self._mark = container, tmp / STARTED
        self.kill, self.sample = container.kill, container.sample

    def ended(self, within_s: float) -> bool:
        """See Process."""
        until = time.monotonic() + within_s
        while not (over := self._mark.exists() or self._container.ended(0.005)) and time.monotonic() < until:
            if time.monotonic() > self._container.ordered_s + START_WITHIN_S:
                raise EngineError(f"a container did not start: not within {START_WITHIN_S:.0f} s")
        return over


def _reads_image(process: psutil.Process) -> bool:
    try:
        return process.name().startswith(("squashfuse", "fuse"))
    except psutil.Error:
        return True


@contextlib.contextmanager
def _pinned(cpus: tuple[int, ...]) -> Iterator[None]:
    """What this thread starts meanwhile inherits its CPUs: no moment in which it runs elsewhere."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        yield
        return
    thread = threading.get_native_id()
    before = os.sched_getaffinity(thread)
    os.sched_setaffinity(thread, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(thread, before)
