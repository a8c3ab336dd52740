"""Slices of systemd's in which Docker puts our containers, so that their CPU time can be read after their end.

With the driver systemd, the control group of a container is gone with it, and only root may make one above it. But a slice that
Docker is told to use is made by systemd and stays, with all that was counted in it, and anybody may read it. Only root can
remove one, so a few are kept and used again: as many as containers ran at a time on this machine since it started.
`systemctl stop lumirage.slice` removes them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from lumirage.running.control_groups import Hierarchy, Totals
from lumirage.running.resource_leases import Leases

MOST = 1024
"""More containers at a time are measured without a slice."""
NEW = Totals(cpu_s=0.0, watermark_bytes=0, oom_kills=0)


@dataclass(frozen=True)
class Slice:
    """A slice that one call has for itself, and what it had counted before."""

    name: str
    path: str
    before: Totals


class Slices:
    """Gives one slice to each call. No other harness of this machine has it at the same time, whoever runs it."""

    def __init__(self, hierarchy: Hierarchy, leases: Leases):
        self._hierarchy, self._leases = hierarchy, leases

    @contextlib.contextmanager
    def one(self) -> Iterator[Slice | None]:
        """A slice for as long as the context lasts; None where none is free."""
        slot = self._take()
        try:
            yield slot
        finally:
            if slot:
                self._leases.give_back([slot.name])

    def _take(self) -> Slice | None:
        for number in range(MOST):
            name = f"lumirage-{number}.slice"
            _, others = self._leases.take([name], 1)
            if others:
                continue
            path = f"/lumirage.slice/{name}"
            with contextlib.suppress(OSError):
                if not self._hierarchy.in_use(path):  # a killed harness may have left its container there
                    return Slice(name, path, self._counted(path))
            self._leases.give_back([name])
        return None

    def _counted(self, path: str) -> Totals:
        try:
            with contextlib.closing(self._hierarchy.group(path)) as group:
                return group.totals()
        except FileNotFoundError:
            return NEW
