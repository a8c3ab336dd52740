"""Measures what one call used (memory, CPU time, GPU), and what disturbed the measurement.

The best available source is used and named in the record: a control group that outlives the call; the call's own group,
read when its last process had ended, or as last seen; the process tree; for Apptainer also ru_maxrss, of the largest single
process. If the harness itself runs in a container, none of them can be read for the containers beside it: then values are
absent, with the reason.
"""

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import psutil

from lumirage.core.model import Usage
from lumirage.running.control_groups import Totals
from lumirage.running.gpu_usage import GpuMeter
from lumirage.running.supervision import Watched

BUSY_SHARE = 1.25
"""A load average above this many runnable tasks a core means that the method waited for its turn."""

UNSEEN_S = 0.5
"""Longest time between two samples of memory, which are due every 0.05 s; a longer gap gives a warning."""


class Source(Protocol):
    """A source of the memory and CPU time of a call.

    `lasting` sources can be read after the call has ended, so their totals are exact; others are sampled during the call.
    """

    @property
    def memory_how(self) -> str:
        """How memory was found."""

    @property
    def cpu_how(self) -> str:
        """How CPU time was found."""

    @property
    def lasting(self) -> bool:
        """Asked while the call runs, and again once it has ended."""

    def memory_bytes(self) -> int:
        """In use now, without page cache. Raises OSError where there is nothing to read (yet, or any more)."""

    def totals(self) -> Totals:
        """CPU time and watermark so far. Raises OSError."""

    def pids(self) -> list[int]:
        """The call's processes by the host's numbers; none where they cannot be read (yet, or any more)."""

    def close(self) -> None:
        """Give back what is open, and remove what was made for measuring."""


@dataclass(frozen=True)
class End:
    """How a call ended, as its runtime knows it."""

    exit_code: int | None
    signal: int | None = None
    oom_flag: bool = False
    start_s: float | None = None
    wall_s: float | None = None
    cpu_s: float | None = None


@dataclass(frozen=True)
class _Host:
    """Counters of the machine."""

    swapped_bytes: int
    throttled: int

    @classmethod
    def now(cls) -> "_Host":
        swap = psutil.swap_memory()
        return cls(swap.sin + swap.sout, _thermal_throttles())


def _thermal_throttles() -> int:
    """How often the cores were slowed down by heat since the machine started; 0 where it is not counted."""
    total = 0
    for cpu in range(os.cpu_count() or 1):
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count", "rb") as file:  # noqa: PTH123
                total += int(file.read())
        except (OSError, ValueError):
            continue
    return total


class Meter:
    """Measures one call from start to end. Close it when done."""

    def __init__(self, source: Source | None, gpus: tuple[str, ...], why_not: str = ""):
        self._source, self._why_not = source, why_not
        self.gpu = GpuMeter(gpus, self.pids)
        self._before, self._totals = _Host.now(), Totals()

    def pids(self) -> list[int] | None:
        """The call's processes by the host's numbers; None where they are not known: a call that runs has some."""
        return (self._source.pids() or None) if self._source else None

    def sample(self) -> int | None:
        """Memory now, without page cache; None where it cannot be read."""
        used = self._memory_bytes()  # first, as it finds the group whose processes are looked for on the GPU
        self.gpu.sample()
        return used

    def _memory_bytes(self) -> int | None:
        if self._source is None:
            return None
        try:
            used = self._source.memory_bytes()
            if not self._source.lasting:
                self._totals = self._totals.latest(self._source.totals())
        except OSError:
            return None
        return used

    def usage(self, watched: Watched, end: End) -> Usage:
        """The record, once the call has ended."""
        if self._source and self._source.lasting:
            self._totals = self._source.totals()
        totals, load = self._totals, _load_1min()
        peak = max((used for _, used in watched.timeline), default=None)
        return Usage(
            wall_s=watched.wall_s if end.wall_s is None else end.wall_s,
            start_s=end.start_s,
            exit_code=end.exit_code,
            signal=end.signal,
            cpu_s=totals.cpu_s if end.cpu_s is None else end.cpu_s,
            cpu_how=self._cpu_how(end),
            peak_memory_bytes=peak,
            memory_watermark_bytes=totals.watermark_bytes,
            memory_how=self._memory_how(peak),
            gpu_peak_memory_bytes=self.gpu.peak_bytes,
            gpu_energy_j=self.gpu.energy_j(),
            gpu_how=self.gpu.how,
            out_of_memory=end.oom_flag or bool(totals.oom_kills) or watched.stopped == "memory",
            timed_out=watched.stopped == "timeout",
            over_quota=watched.stopped == "quota",
            load_1min=load,
            warnings=(*self._disturbances(load), *_gaps(watched), *self.gpu.warnings()),
        )

    def _cpu_how(self, end: End) -> str:
        """How the CPU time was found, or why it is absent."""
        if end.cpu_s is not None:
            return "rusage of the process and the children it waited for"
        if self._source is None:
            return self._why_not
        if self._totals.cpu_s is None:
            return f"absent: {self._totals.why_not or 'it ended before it was looked at'}"
        return self._source.cpu_how

    def _memory_how(self, peak_bytes: int | None) -> str:
        """How the peak and the watermark were found, or why they are absent."""
        if self._source is None:
            return self._why_not
        how = "absent: it could not be read while the call ran" if peak_bytes is None else self._source.memory_how
        if self._totals.watermark_bytes is None:
            how += f"; no watermark: {self._totals.why_not or 'only control groups keep one'}"
        return how

    def _disturbances(self, load: float | None) -> list[str]:
        now, cores, found = _Host.now(), os.cpu_count() or 1, []
        if now.swapped_bytes > self._before.swapped_bytes:
            found.append("the machine swapped during the call: times are too long")
        if now.throttled > self._before.throttled:
            found.append("the processor was slowed down by heat during the call")
        if load is not None and load > BUSY_SHARE * cores:
            found.append(f"load average {load:.1f} on {cores} cores: wall times are too long; compare CPU times")
        return found

    def close(self) -> None:
        """Give back what is open."""
        self.gpu.close()
        if self._source:
            self._source.close()


def _gaps(watched: Watched) -> list[str]:
    longest = max((later - earlier for (earlier, _), (later, _) in pairwise(watched.timeline)), default=0.0)
    return [f"memory was not looked at for {longest:.1f} s: a peak may be missed"] if longest > UNSEEN_S else []


def _load_1min() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
