"""A control group for one call: it limits and measures the call, and lists its processes.

Needs permission to make groups (root, or a delegated hierarchy). Without it, `PssTree` measures the call.
"""

import contextlib
import os
import signal
from pathlib import Path

from lumirage.core.model import Limits
from lumirage.running.control_groups import Hierarchy, Totals

PARENT = "lumirage"
CONTROLLERS_V1 = ("memory", "cpuacct", "pids")


class OwnGroup:
    """One group under every controller. `procs` are the files to which a process writes itself to join.

    Raises OSError where the group cannot be made or a limit cannot be set.
    """

    lasting = True

    def __init__(self, hierarchy: Hierarchy, name: str, limits: Limits):
        self._hierarchy, self._path = hierarchy, f"/{PARENT}/{name}"
        self.memory_how = f"cgroup v{hierarchy.version}, own group, anonymous and shared memory, sampled at 20 Hz"
        self.cpu_how = f"cgroup v{hierarchy.version}, own group, exact, with the start of the container"
        try:
            self.procs = self._make(limits)
            self._group = hierarchy.group(self._path)
        except OSError:
            hierarchy.remove(self._path)
            raise

    def _make(self, limits: Limits) -> tuple[Path, ...]:
        if self._hierarchy.version == 1:
            folders = {name: self._hierarchy.mounts.get(name) for name in CONTROLLERS_V1}
            places = {name: root / self._path[1:] for name, root in folders.items() if root}
            for place in places.values():
                place.mkdir(parents=True, exist_ok=True)
            write(places["memory"] / "memory.limit_in_bytes", limits.memory_bytes)
            if (places["memory"] / "memory.memsw.limit_in_bytes").exists():
                write(places["memory"] / "memory.memsw.limit_in_bytes", limits.memory_bytes)
            if "pids" in places:
                write(places["pids"] / "pids.max", limits.pids)
            return tuple(place / "cgroup.procs" for place in places.values())
        root = self._hierarchy.mounts[""]
        place = root / self._path[1:]
        place.mkdir(parents=True, exist_ok=True)
        for above in (root, root / PARENT):
            write(above / "cgroup.subtree_control", "+memory +pids")
        write(place / "memory.max", limits.memory_bytes)
        if (place / "memory.swap.max").exists():
            write(place / "memory.swap.max", 0)
        write(place / "pids.max", limits.pids)
        return (place / "cgroup.procs",)

    def memory_bytes(self) -> int:
        """See Source."""
        return self._group.memory_bytes()

    def totals(self) -> Totals:
        """See Source."""
        return self._group.totals()

    def pids(self) -> list[int]:
        """See Source."""
        return self._group.pids()

    def kill(self) -> int:
        """Kill all that is in the group; gives their number."""
        return kill_all(self.pids())

    def close(self) -> None:
        """Close and remove the group."""
        self._group.close()
        self._hierarchy.remove(self._path)


def remove_groups(hierarchy: Hierarchy, prefix: str) -> int:
    """Kill what is left in groups whose name begins so, and remove them; gives the number of processes."""
    killed = 0
    for root in set(hierarchy.mounts.values()):
        for folder in (root / PARENT).glob(f"{prefix}*"):
            with contextlib.suppress(OSError, ValueError):
                killed += kill_all([int(pid) for pid in (folder / "cgroup.procs").read_text().split()])
            hierarchy.remove(f"/{PARENT}/{folder.name}")
    return killed


def kill_all(pids: list[int]) -> int:
    """Send SIGKILL to each process; gives how many existed."""
    killed = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def write(path: Path, value: int | str) -> None:
    """Set a value of a group; the kernel takes it in one write."""
    path.write_text(str(value))
