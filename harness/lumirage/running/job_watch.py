"""What the harness does while a container runs: reads its events, looks for answers, keeps its deadlines."""

import copy
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lumirage.core.model import Limits
from lumirage.running.method_events import EventReader
from lumirage.running.runtimes.runtime_interface import StopReason

LOOK_EVERY_S = 1.0


class JobWatch:
    """Watches one container. `answers` are the files that finished pairs write, the first of them counts; the clock of their
    time stamps is `ahead_s` ahead of this machine's clock.

    A container is overdue if no pair has begun, ended or been answered for `pair_timeout_s`, or after
    `container_timeout_s`. Each event of a pair counts once, so a method gains no time by repeating events.
    """

    def __init__(
        self,
        events: EventReader,
        answers: Sequence[Path],
        limits: Limits,
        stop: threading.Event,
        *,
        ahead_s: float = 0.0,
    ):
        self.events, self._limits, self._stop, self.ahead_s = events, limits, stop, ahead_s
        self._missing = set(answers)
        self._lock = threading.Lock()
        self._pairs = max(len(events.pairs), 1)
        self._mark_s = self._look_s = 0.0
        self.began_s = self.began_epoch_s = 0.0

    def started(self, at_s: float) -> None:
        """See Watch."""
        self.began_s = self._mark_s = at_s
        self.began_epoch_s = time.time() - (time.monotonic() - at_s)

    def output(self, chunk: bytes, at_s: float) -> None:
        """See Watch."""
        with self._lock:
            self.events.feed(chunk, at_s)

    def as_of_now(self, name: str) -> Self:
        """A copy that ignores further events of the pair with this anonymous name."""
        now = copy.copy(self)
        with self._lock:
            now.events = self.events.as_of_now(name)
        return now

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        """See Watch."""
        if self._stop.is_set():
            return "interrupted"
        if now_s >= self._look_s + LOOK_EVERY_S:
            self._look_s = now_s
            self._look(now_s)
        with self._lock:
            mark = max(self._mark_s, self.events.last_mark_s or 0.0)
        whole = self._limits.container_timeout_s or self._pairs * self._limits.pair_timeout_s
        late = now_s - mark > self._limits.pair_timeout_s or now_s - self.began_s > whole
        return "timeout" if late else None

    def _look(self, now_s: float) -> None:
        there = {path for path in self._missing if os.path.lexists(path)}  # follows no link, and raises nothing
        if there:
            self._missing -= there
            self._mark_s = now_s
