"""Reads memory and CPU time of a group of processes from the kernel's control groups, version 1 or 2.

Memory means anonymous memory plus shared memory including tmpfs; the sum is the same in both versions. The kernel's own
watermark includes page cache, so it is only an upper bound: 109 or 2153 MiB for the same program, depending on which
process read a file first. Usage minus page cache is not better: a program that writes 2 GB is charged 56 MiB of buffer
heads, and the two counters differ in time by up to 250 MiB (measured on Linux 6.18).
"""

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

MOUNTS = Path("/proc/mounts")
PROC = Path("/proc")
EVENTS, NOBODY_LEFT = "cgroup.events", b"populated 0"
"""The file of a group of version 2 that says whether it holds a process, and what it says then."""
DEAD_WITHIN_S = 2.0
"""The longest wait for a killed process."""


@dataclass(frozen=True)
class Totals:
    """What a group used in its life; None where the kernel does not say, and then `why_not` names what is missing."""

    cpu_s: float | None = None
    watermark_bytes: int | None = None
    oom_kills: int | None = None
    why_not: str = ""

    def latest(self, now: "Totals") -> "Totals":
        """The newest value of each; a group on its way out loses its files one by one."""
        return Totals(
            self.cpu_s if now.cpu_s is None else now.cpu_s,
            self.watermark_bytes if now.watermark_bytes is None else now.watermark_bytes,
            self.oom_kills if now.oom_kills is None else now.oom_kills,
            self.why_not or now.why_not,
        )


class Group(Protocol):
    """One control group."""

    def memory_bytes(self) -> int:
        """In use now, without page cache. Raises OSError when the group is gone."""

    def totals(self) -> Totals:
        """CPU time and watermark so far; values of a group that is gone are None."""

    def pids(self) -> list[int]:
        """The processes in this group and below, by the host's numbers."""

    def close(self) -> None:
        """Give back the open files."""


class _Open:
    """A file of a group, kept open: opening it again takes longer than reading it."""

    def __init__(self, path: Path):
        self._file: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        if self._file is None:
            raise OSError("the group is closed")
        return os.pread(self._file, 1 << 16, 0)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _value(text: bytes, key: bytes) -> int:
    """The number after `key` in a flat-keyed file; 0 where the kernel is too old to know the key."""
    at = 0 if text.startswith(key + b" ") else text.find(b"\n" + key + b" ") + 1
    if at == 0 and not text.startswith(key + b" "):
        return 0
    return int(text[at + len(key) + 1 : text.find(b"\n", at)])


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _missing(read: Mapping[str, float | None]) -> str:
    names = [name for name, value in read.items() if value is None]
    return f"the control group has no readable {', '.join(names)}" if names else ""


def _pids(folder: Path) -> list[int]:
    found: list[int] = []
    for root, _, _ in os.walk(folder):
        try:
            found += [int(pid) for pid in (Path(root) / "cgroup.procs").read_text().split()]
        except OSError:
            continue
    return found


class GroupV1:
    """A group whose controllers are mounted one by one."""

    def __init__(self, memory: Path, cpu: Path | None):
        self._memory, self._cpu = memory, cpu
        self._open = _Open(memory / "memory.stat")

    def memory_bytes(self) -> int:
        """rss + shmem, with all groups below; version 1 calls anonymous memory rss."""
        stat = self._open.read()
        return _value(stat, b"total_rss") + _value(stat, b"total_shmem")

    def totals(self) -> Totals:
        """cpuacct.usage counts nanoseconds."""
        cpu_ns = _number(self._cpu / "cpuacct.usage") if self._cpu else None
        try:
            oom = _value((self._memory / "memory.oom_control").read_bytes(), b"oom_kill")
        except OSError:
            oom = None
        watermark = _number(self._memory / "memory.max_usage_in_bytes")
        missing = _missing({"cpuacct.usage": cpu_ns, "memory.max_usage_in_bytes": watermark})
        return Totals(None if cpu_ns is None else cpu_ns / 1e9, watermark, oom, missing)

    def pids(self) -> list[int]:
        """See Group."""
        return _pids(self._memory)

    def close(self) -> None:
        """See Group."""
        self._open.close()


class GroupV2:
    """A group of the unified hierarchy."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._open = _Open(folder / "memory.stat")

    def memory_bytes(self) -> int:
        """anon + shmem, with all groups below."""
        stat = self._open.read()
        return _value(stat, b"anon") + _value(stat, b"shmem")

    def totals(self) -> Totals:
        """cpu.stat counts microseconds; memory.peak came with Linux 5.19."""
        try:
            cpu: float | None = _value((self._folder / "cpu.stat").read_bytes(), b"usage_usec") / 1e6
        except OSError:
            cpu = None
        try:
            oom = _value((self._folder / "memory.events").read_bytes(), b"oom_kill")
        except OSError:
            oom = None
        peak = _number(self._folder / "memory.peak")
        return Totals(cpu, peak, oom, _missing({"cpu.stat": cpu, "memory.peak (it came with Linux 5.19)": peak}))

    def pids(self) -> list[int]:
        """See Group."""
        return _pids(self._folder)

    def close(self) -> None:
        """See Group."""
        self._open.close()


@dataclass(frozen=True)
class Hierarchy:
    """Where the controllers of this machine are mounted: controller -> folder; "" is the unified one."""

    mounts: Mapping[str, Path]

    @classmethod
    def found(cls, mounts: Path = MOUNTS) -> Self:
        """Read from a file in the format of /proc/mounts; empty where there is none (not Linux)."""
        folders: dict[str, Path] = {}
        try:
            lines = mounts.read_text().splitlines()
        except OSError:
            return cls({})
        for fields in (line.split() for line in lines):
            if fields[2] == "cgroup2":
                folders.setdefault("", Path(fields[1]))
            elif fields[2] == "cgroup":
                folders.update({option: Path(fields[1]) for option in fields[3].split(",")})
        return cls(folders)

    @property
    def version(self) -> int:
        """1, 2, or 0 where there is no memory controller."""
        if "memory" in self.mounts:
            return 1
        root = self.mounts.get("")
        return 2 if root and (root / "cgroup.controllers").is_file() else 0

    def group(self, path: str) -> Group:
        """The group at this path below the mounts. Raises OSError when it does not exist (yet)."""
        relative = path.lstrip("/")
        if self.version == 1:
            cpu = self.mounts.get("cpuacct")
            return GroupV1(self.mounts["memory"] / relative, cpu / relative if cpu else None)
        if self.version == 2:
            return GroupV2(self.mounts[""] / relative)
        raise FileNotFoundError("no memory controller is mounted on this machine")

    def path_of(self, pid: int, proc: Path = PROC) -> str:
        """The path of the group in which a process is. Raises OSError when it is gone or has none."""
        wanted = "memory" if self.version == 1 else ""
        for line in (proc / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if wanted in controllers.split(","):
                return path
        raise FileNotFoundError(f"process {pid} is in no memory group")

    def in_use(self, path: str) -> bool:
        """Whether a group of version 2 holds a process, itself or below; False where there is none. Raises OSError."""
        try:
            return NOBODY_LEFT not in (self.mounts[""] / path.lstrip("/") / EVENTS).read_bytes()
        except FileNotFoundError:
            return False

    @property
    def is_whole(self) -> bool:
        """Whether version 2 is seen from its root here. In a container the root is the container's own group, which has
        files that the true root has not."""
        return self.version == 2 and not (self.mounts[""] / EVENTS).exists()

    def can_own(self) -> bool:
        """Whether groups may be removed here, so that a parent group can outlive a container and leave nothing."""
        roots = [folder for name, folder in self.mounts.items() if name] if self.version == 1 else [self.mounts.get("")]
        if self.version == 1 and _number(self.mounts["memory"] / "memory.use_hierarchy") == 0:
            return False  # before Linux 5.11 a parent did not count its children's memory
        return self.version > 0 and all(root and os.access(root, os.W_OK) for root in roots)

    def remove(self, path: str) -> None:
        """Remove an empty group under every controller. Does nothing if it is not empty or does not exist.

        Processes that have just been killed stay in their group for a moment; this waits for them.
        """
        until = time.monotonic() + DEAD_WITHIN_S
        for root in set(self.mounts.values()):
            for folder, _, _ in os.walk(root / path.lstrip("/"), topdown=False):
                while _is_busy(Path(folder)) and time.monotonic() < until:
                    time.sleep(0.02)

    def remove_empty(self, path: str, prefix: str) -> None:
        """Remove the groups directly below `path` whose names begin with `prefix` and that contain no group: leftovers of a
        harness that was killed.

        A group in use contains the group of its call, so the kernel does not remove it.
        """
        for root in set(self.mounts.values()):
            for folder in (root / path.lstrip("/")).glob(f"{prefix}*/"):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _is_busy(folder: Path) -> bool:
    """Remove a group if that can be; whether it still holds a process."""
    try:
        folder.rmdir()
    except OSError as error:
        return error.errno == errno.EBUSY
    return False
