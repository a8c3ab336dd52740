"""Where memory and CPU time are read, best first: groups that outlive the call, groups of the call, the process tree."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil

from lumirage.running.control_groups import Group, Hierarchy, Totals
from lumirage.running.last_reading import LastReading


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
    """The control group of a running process, which is gone soon after it: its totals are read in between where the kernel
    tells of that moment, and are else those last seen."""

    def __init__(self, hierarchy: Hierarchy, path: str):
        self._version, self._group = hierarchy.version, hierarchy.group(path)
        self._end = _last_reading(hierarchy, path)

    @property
    def memory_how(self) -> str:
        """See Source."""
        how = f"cgroup v{self._version}, anonymous and shared memory with tmpfs, sampled at 20 Hz"
        return how if self._version == 1 else f"{how}; watermark {self._when}"

    @property
    def cpu_how(self) -> str:
        """See Source."""
        return f"cgroup v{self._version}, {self._when}"

    @property
    def _when(self) -> str:
        return "read after its last process had ended, exact" if self.lasting else "last sample before the end (20 Hz)"

    @property
    def lasting(self) -> bool:
        """See Source."""
        return self._end is not None and self._end.totals() is not None

    def memory_bytes(self) -> int:
        """See Source."""
        return self._group.memory_bytes()

    def totals(self) -> Totals:
        """See Source."""
        return (self._end and self._end.totals()) or self._group.totals()

    def pids(self) -> list[int]:
        """See Source."""
        return self._group.pids()

    def close(self) -> None:
        """See Source."""
        self._group.close()
        if self._end:
            self._end.close()


def _last_reading(hierarchy: Hierarchy, path: str) -> LastReading | None:
    """None in version 1, which does not tell when a group's last process ends."""
    if hierarchy.version == 1:
        return None
    try:
        return LastReading(hierarchy, path)
    except OSError:
        return None


class SliceGroup:
    """A call's group in a slice of systemd's that is kept, and used by one call at a time: what the slice counted meanwhile.

    `before` is what the slice had counted before the call. A slice keeps the highest watermark of all calls and counts page
    cache that earlier ones left, so memory is that of the call's own group.
    """

    lasting = True

    def __init__(self, hierarchy: Hierarchy, path: str, before: Totals, name: str):
        self._hierarchy, self._path, self._before, self._name = hierarchy, path, before, name
        self.cpu_how = f"cgroup v{hierarchy.version}, slice of its own, read before and after, exact"
        self._own: LiveGroup | None = None
        self._seen = Totals()

    @property
    def memory_how(self) -> str:
        """See Source."""
        return self._own.memory_how if self._own else "cgroup v2"

    def memory_bytes(self) -> int:
        """See Source."""
        if self._own is None:
            self._own = LiveGroup(self._hierarchy, f"{self._path}/{self._name}")
        used = self._own.memory_bytes()
        self._seen = self._seen.latest(self._own.totals())
        return used

    def totals(self) -> Totals:
        """See Source."""
        own = self._seen.latest(self._own.totals()) if self._own else Totals(why_not="it ended before it was looked at")
        try:
            with closing(self._hierarchy.group(self._path)) as group:
                after = group.totals()
        except OSError as error:
            return Totals(why_not=f"the call's slice cannot be read ({error.strerror or error})")
        before = self._before
        return Totals(
            None if before.cpu_s is None or after.cpu_s is None else after.cpu_s - before.cpu_s,
            own.watermark_bytes,
            None if before.oom_kills is None or after.oom_kills is None else after.oom_kills - before.oom_kills,
            own.why_not or after.why_not,
        )

    def pids(self) -> list[int]:
        """See Source."""
        return self._own.pids() if self._own else []

    def close(self) -> None:
        """See Source."""
        if self._own:
            self._own.close()


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


def container_tree(pid: int, proc: Path = Path("/proc")) -> ProcessTree | None:
    """The processes of a container without a control group of its own, by the number of its first process.

    None unless that is the first process of a namespace of process numbers within ours: an engine on another machine has
    numbers of its own, and here they mean other processes. Raises OSError where there is no such process.
    """
    lines = (proc / str(pid) / "status").read_text().splitlines()
    numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    if len(numbers) < 2 or numbers[-1] != "1":
        return None
    try:
        first = psutil.Process(pid)
    except psutil.Error:
        return None

    def members() -> list[psutil.Process]:
        try:
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []

    tree = ProcessTree(members)
    tree.memory_how += "; the container's temporary files in memory do not count"
    return tree


def _resident(process: psutil.Process) -> tuple[int, int]:
    """Anonymous and shared resident bytes of one process."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return process.memory_info().rss, 0
    sizes = dict(line.split(":", 1) for line in status.read_text().splitlines() if line.startswith("Rss"))
    kib = {key: int(value.split()[0]) for key, value in sizes.items()}
    return kib.get("RssAnon", 0) * 1024, kib.get("RssShmem", 0) * 1024
