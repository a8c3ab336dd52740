"""Where memory and CPU time are read, best first: groups that outlive the call, groups as last seen, the process tree."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil

from lumirage.running.control_groups import Group, Hierarchy, Totals


class ParentGroup:
    """A control group made for one call, which outlives the call: CPU time and watermark are exact after its end.

    Memory is sampled in the call's own group below it, as the statistics of a parent are seconds late.
    """

    lasting = True

    def __init__(self, hierarchy: Hierarchy, path: str, name: str):
        self._hierarchy, self._path, self._name = hierarchy, path, name
        self.memory_how = f"cgroup v{hierarchy.version}, anonymous and shared memory with tmpfs, sampled at 20 Hz"
        self.cpu_how = f"cgroup v{hierarchy.version}, parent group, exact"
        self._own: Group | None = None

    def memory_bytes(self) -> int:
        """See Source."""
        if self._own is None:
            self._own = self._hierarchy.group(f"{self._path}/{self._name}")
        return self._own.memory_bytes()

    def totals(self) -> Totals:
        """See Source."""
        try:
            with closing(self._hierarchy.group(self._path)) as parent:
                return parent.totals()
        except OSError as error:
            return Totals(why_not=f"the call's parent group cannot be read ({error.strerror or error})")

    def pids(self) -> list[int]:
        """See Source."""
        return self._own.pids() if self._own else []

    def close(self) -> None:
        """Close and remove the group."""
        if self._own:
            self._own.close()
        self._hierarchy.remove(self._path)


class LiveGroup:
    """The control group of a running process: gone with it, so the totals are those last seen."""

    lasting = False

    def __init__(self, hierarchy: Hierarchy, path: str):
        self._group = hierarchy.group(path)
        self.memory_how = f"cgroup v{hierarchy.version}, anonymous and shared memory with tmpfs, sampled at 20 Hz"
        self.cpu_how = f"cgroup v{hierarchy.version}, last sample before the end (20 Hz)"

    def memory_bytes(self) -> int:
        """See Source."""
        return self._group.memory_bytes()

    def totals(self) -> Totals:
        """See Source."""
        return self._group.totals()

    def pids(self) -> list[int]:
        """See Source."""
        return self._group.pids()

    def close(self) -> None:
        """See Source."""
        self._group.close()


class ProcessTree:
    """A process and its descendants, from /proc (on other systems: resident sizes from psutil).

    The sum of their anonymous memory, plus the largest shared memory among them. Pages that forks share count for each.
    """

    lasting = False
    memory_how = "process tree, sampled at 20 Hz: anonymous and shared memory; pages shared by forks count for each"
    cpu_how = "process tree, last sample before the end"

    def __init__(self, members: Callable[[], list[psutil.Process]]):
        self._members = members
        self._cpu: dict[int, float] = {}

    def memory_bytes(self) -> int:
        """See Source."""
        anonymous, shared = 0, 0
        for process in self._members():
            try:
                own, common = _resident(process)
            except (psutil.Error, OSError):
                continue
            anonymous, shared = anonymous + own, max(shared, common)
        return anonymous + shared

    def totals(self) -> Totals:
        """CPU time of all members ever seen."""
        for process in self._members():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self._cpu[process.pid] = times.user + times.system
        return Totals(cpu_s=sum(self._cpu.values()) or None)

    def pids(self) -> list[int]:
        """See Source."""
        return [process.pid for process in self._members()]

    def close(self) -> None:
        """Nothing is open."""


def _resident(process: psutil.Process) -> tuple[int, int]:
    """Anonymous and shared resident bytes of one process."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return process.memory_info().rss, 0
    sizes = dict(line.split(":", 1) for line in status.read_text().splitlines() if line.startswith("Rss"))
    kib = {key: int(value.split()[0]) for key, value in sizes.items()}
    return kib.get("RssAnon", 0) * 1024, kib.get("RssShmem", 0) * 1024
