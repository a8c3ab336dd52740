"""Reads a control group at the moment when its last process ends, before whoever made the group removes it.

The kernel wakes who waits for `cgroup.events` (version 2) once a group is empty. The supervisor of a container has to hear of
it too before it removes the group, which takes it some milliseconds: docs/decisions/0021.md has how often this was in time.
"""

import os
import select
import threading

from lumirage.running.control_groups import EVENTS, NOBODY_LEFT, Hierarchy, Totals

LOOK_EVERY_MS = 500
"""Not every kernel wakes who waits for a group that is removed."""


class LastReading:
    """Waits in a thread for the end of a group's last process. Raises OSError where the group does not tell of it."""

    def __init__(self, hierarchy: Hierarchy, path: str):
        self._group = hierarchy.group(path)
        self._totals: Totals | None = None
        self._closed = threading.Event()
        try:
            self._events = os.open(hierarchy.mounts[""] / path.lstrip("/") / EVENTS, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._group.close()
            raise
        threading.Thread(target=self._wait, name="lumirage-last-reading", daemon=True).start()

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._events, select.POLLPRI)
        try:
            while not self._closed.is_set():
                if NOBODY_LEFT in os.pread(self._events, 4096, 0):
                    totals = self._group.totals()
                    os.pread(self._events, 1, 0)  # still there, so nothing of the totals is missing
                    self._totals = totals
                    return
                poller.poll(LOOK_EVERY_MS)
        except OSError:
            return  # the group was removed first
        finally:
            os.close(self._events)
            self._group.close()

    def totals(self) -> Totals | None:
        """What the group used in its whole life; None before its end, and where it was removed too soon."""
        return self._totals

    def close(self) -> None:
        """Wait no longer; the thread closes its files."""
        self._closed.set()
