"""One container of Apptainer as processes of this machine: started, watched, killed, measured."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from lumirage.errors import EngineError
from lumirage.model import Usage
from lumirage.running.marked import CALL_VARIABLE, kill_marked
from lumirage.running.measure import End, Meter
from lumirage.running.own_group import OwnGroup, kill_all
from lumirage.running.pss import PssTree
from lumirage.running.runtimes.apptainer_argv import STARTED
from lumirage.running.runtimes.call import Call
from lumirage.running.supervise import Watched

CHUNK_BYTES = 32 * 1024
START_WITHIN_S = 300.0
"""An image on a busy parallel file system may take minutes to be opened."""
CLOSED_WITHIN_S = 10.0
KEPT_BYTES = 4096


class Container:
    """A started container, for `supervise`. `group` holds its processes where one could be made."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], call: Call, group: OwnGroup | None):
        self._call, self._group = call, group
        self._status: int | None = None
        self._cpu_s: float | None = None
        self._max_rss_bytes: int | None = None
        self._said = b""
        self._ordered_s, self._ordered_epoch_s = time.monotonic(), time.time()
        self._start_s = 0.0
        with _pinned(call.cpus):
            try:
                self._popen = subprocess.Popen(
                    argv,
                    env=dict(environment),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineError(f"cannot start {argv[0]}: {error}") from error
        self._leader = psutil.Process(self._popen.pid)
        self._meter = Meter(group or PssTree(self._members), call.gpus)

    def _members(self) -> list[psutil.Process]:
        """The container's processes: its starter's children, but not the one that reads the image."""
        try:
            below = self._leader.children(recursive=True)
        except psutil.Error:
            return []
        return [process for process in below if not _reads_image(process)]

    def chunks(self) -> Iterator[bytes]:
        """What it prints, the starter's own words among it."""
        pipe = self._popen.stdout
        assert pipe is not None  # we asked for one
        while chunk := os.read(pipe.fileno(), CHUNK_BYTES):
            self._said = (self._said + chunk)[-KEPT_BYTES:]
            yield chunk

    def wait_for_start(self, tmp: Path) -> float:
        """When the entry point began (time.monotonic). Raises EngineError with the starter's words where it never did."""
        mark, deadline = tmp / STARTED, self._ordered_s + START_WITHIN_S
        while not mark.exists():
            if (over := self.ended(0.005)) or time.monotonic() > deadline:
                if mark.exists():
                    break
                self.kill()
                said = self._said.decode(errors="replace").strip().splitlines()
                why = said[-1] if said else f"exit code {self._status}"
                raise EngineError(f"a container did not start: {why if over else f'not within {START_WITHIN_S:.0f} s'}")
        took = mark.stat().st_mtime - self._ordered_epoch_s
        mark.unlink()
        self._start_s = min(max(took, 0.0), time.monotonic() - self._ordered_s)
        return self._ordered_s + self._start_s

    def ended(self, within_s: float) -> bool:
        """See Process. Polls: only wait4 gives the CPU time of the process and its children."""
        deadline = time.monotonic() + within_s
        while self._status is None:
            pid, status, usage = os.wait4(self._popen.pid, os.WNOHANG)
            if pid:
                self._status = self._popen.returncode = os.waitstatus_to_exitcode(status)
                self._cpu_s = usage.ru_utime + usage.ru_stime
                self._max_rss_bytes = usage.ru_maxrss * 1024
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(min(0.005, max(0.0, deadline - time.monotonic())))
        return True

    def kill(self) -> None:
        """All processes. Children first: a starter that is killed leaves the reader of the image behind."""
        if self._group:
            self._group.kill()
        with contextlib.suppress(psutil.Error):
            kill_all([process.pid for process in self._leader.children(recursive=True)])
        if self._status is None:
            kill_all([self._popen.pid])
        kill_marked(CALL_VARIABLE, self._call.name)

    def sample(self) -> int | None:
        """See Process."""
        return self._meter.sample()

    def usage(self, watched: Watched) -> Usage:
        """The record, once it has ended. The ladder's last rung is the largest process the kernel saw."""
        status = self._status or 0
        code = status if status >= 0 else 128 - status
        own = None if self._group else self._cpu_s
        end = End(code, code - 128 if code > 128 else None, start_s=self._start_s, cpu_s=own)
        usage = self._meter.usage(watched, end)
        if usage.peak_memory_bytes is None and self._max_rss_bytes is not None:
            how = "ru_maxrss: the largest single process, with the pages of files"
            return usage.model_copy(update={"peak_memory_bytes": self._max_rss_bytes, "memory_how": how})
        return usage

    def close(self) -> None:
        """Kill what is left and give back what is open."""
        self.kill()
        self.ended(CLOSED_WITHIN_S)
        if self._popen.stdout:
            self._popen.stdout.close()
        self._meter.close()


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
