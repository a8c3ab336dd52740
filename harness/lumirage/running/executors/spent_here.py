"""Where the time of this executor goes, added up from several threads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lumirage.core.time_spent import TimeSpent


class SpentHere:
    """Seconds of containers, preparation and scoring, and those in which a place for a container stood free."""

    def __init__(self) -> None:
        self._lock, self._seconds = threading.Lock(), dict.fromkeys(TimeSpent.model_fields, 0.0)

    @contextmanager
    def adding(self, what: str, times: int = 1) -> Iterator[None]:
        """Add the time that passes, once for each of so many."""
        start = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[what] += times * (time.monotonic() - start)

    @property
    def total(self) -> TimeSpent:
        """So far."""
        with self._lock:
            return TimeSpent(**{name: round(seconds, 3) for name, seconds in self._seconds.items()})
