"""Measures a process tree where there is no control group of ours: proportional set size, which counts shared pages once."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from lumirage.running.control_groups import PROC
from lumirage.running.usage_sources import ProcessTree

DUTY = 0.05
"""Reading the pages of a process holds its memory map: at most this share of the time is spent on it."""


class PssTree(ProcessTree):
    """The process tree, with each page that processes share counted once."""

    memory_how = "process tree, proportional set size of anonymous and shared memory, sampled at up to 20 Hz"

    def __init__(self, members: Callable[[], list[psutil.Process]], proc: Path = PROC):
        super().__init__(members)
        self._proc = proc
        self._next_s, self._last = 0.0, 0

    def memory_bytes(self) -> int:
        """See Source. Where reading takes long the last value stands for a while. Raises OSError: nothing to read."""
        began = time.monotonic()
        if began < self._next_s:
            return self._last
        seen = [pss_bytes(self._proc / str(process.pid) / "smaps_rollup") for process in self._members()]
        known = [size for size in seen if size is not None]
        if not known:
            raise FileNotFoundError("the pages of no process can be read")
        self._last = sum(known)
        self._next_s = began + (time.monotonic() - began) / DUTY
        return self._last


def pss_bytes(rollup: Path) -> int | None:
    """Anonymous and shared memory of one process by its smaps_rollup; None where it cannot be read."""
    try:
        lines = rollup.read_text().splitlines()
    except OSError:
        return None
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Pss")}
    parts = [kib[name] for name in ("Pss_Anon", "Pss_Shmem") if name in kib]
    return sum(parts) * 1024 if parts else kib.get("Pss", 0) * 1024 or None
