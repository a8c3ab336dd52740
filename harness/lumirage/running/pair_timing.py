"""When each pair of a container ran, seen from outside: by its events, by its container, or by its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lumirage.core.model import Usage
from lumirage.running.job_watch import JobWatch
from lumirage.running.method_events import PairEvents

CLOCK_SLACK_S = 0.5
"""Longest time between an event and its arrival."""
MAX_POINTS = 2000
"""Longest time line of memory that is kept; of a longer one each bin keeps its highest sample."""


@dataclass(frozen=True)
class Times:
    """Begin and end of a pair by time.monotonic; None if not known."""

    begin_s: float | None
    end_s: float | None
    by: Literal["events", "container", "answers"]
    warnings: tuple[str, ...] = ()

    @property
    def wall_s(self) -> float | None:
        """From begin to end."""
        return None if self.begin_s is None or self.end_s is None else max(0.0, self.end_s - self.begin_s)

    def longer_than(self, limit_s: float) -> bool:
        """Whether it is known to have taken longer."""
        return self.wall_s is not None and self.wall_s > limit_s + CLOCK_SLACK_S


@dataclass(frozen=True)
class Changes:
    """When a pair's answer and those of the other pairs of its container were last changed, seconds since 1970."""

    own: float | None
    others: Sequence[float] = ()


def times_of(watch: JobWatch, usage: Usage, events: PairEvents, changes: Changes) -> Times:
    """When a pair ran. An end that is said before the answer is there is not believed, nor is a begin that comes late:
    what a container did since the pair before had ended is this pair's."""
    offset = watch.began_s - watch.began_epoch_s - watch.ahead_s
    changed = None if changes.own is None else changes.own + offset
    over = watch.began_s + usage.wall_s
    if events.begin_s is None:
        if len(watch.events.pairs) == 1:
            return Times(watch.began_s, over, "container")
        before = [at + offset for at in changes.others if changes.own is not None and at < changes.own]
        return Times(None if changed is None else max([watch.began_s, *before]), changed, "answers")
    begin, warnings = _begin(events.begin_s, events.after_s)
    if events.end_s is None:
        return Times(begin, over, "events", warnings)
    if changed is not None and changed > events.end_s + CLOCK_SLACK_S:
        late = changed - events.end_s
        warning = f"its answer was changed {late:.1f} s after the method reported its end"
        return Times(begin, changed, "answers", (*warnings, warning))
    return Times(begin, events.end_s, "events", warnings)


def _begin(said_s: float, after_s: float | None) -> tuple[float, tuple[str, ...]]:
    """When a pair began, and why that differs from the method's own event."""
    if after_s is None or said_s - after_s <= CLOCK_SLACK_S:
        return said_s, ()
    late = said_s - after_s
    return after_s, (f"the method reported its begin {late:.1f} s after the pair before had ended: they are counted",)


def memory_table(timeline: Sequence[tuple[float, int]], began_s: float, times: Times) -> str:
    """The part of a container's memory time line that belongs to a pair, as TSV from the pair's begin."""
    first = 0.0 if times.begin_s is None else times.begin_s - began_s
    last = float("inf") if times.end_s is None else times.end_s - began_s
    points = [(at - first, used) for at, used in timeline if first <= at <= last]
    step = -(-len(points) // MAX_POINTS) or 1
    kept = [max(points[i : i + step], key=lambda point: point[1]) for i in range(0, len(points), step)]
    return "seconds\tbytes\n" + "".join(f"{at:.3f}\t{used}\n" for at, used in kept)
