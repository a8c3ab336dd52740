"""Where the time of an evaluation went, as each command on this machine notes it at its end.

Tasks of a cluster do not: what their methods took is in the run records.
"""

from collections.abc import Iterable

from pydantic import Field, ValidationError

from lumirage.core.layout import Layout
from lumirage.core.model import Record


class TimeSpent(Record):
    """Seconds, summed over what went on at the same time; so they may be more than passed on the clock."""

    method_s: float = Field(default=0.0, description="containers, from the order to start until they were gone")
    preparation_s: float = Field(default=0.0, description="preparing the images of pairs")
    scoring_s: float = Field(default=0.0, description="scoring, while methods ran and after them")
    waiting_s: float = Field(
        default=0.0, description="places for a container that stood free because no pair was prepared yet"
    )


def note_time(layout: Layout, spent: TimeSpent) -> None:
    """Add what a command spent to the file of the tree."""
    with layout.times.open("a", encoding="utf-8") as lines:
        lines.write(spent.model_dump_json() + "\n")


def time_spent(layout: Layout) -> TimeSpent | None:
    """The sum over all commands; none where no command noted any. A line that was cut off is passed over."""
    if not layout.times.is_file():
        return None
    found: list[TimeSpent] = []
    for line in layout.times.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(TimeSpent.model_validate_json(line))
        except ValidationError:
            continue
    return _sum(found) if found else None


def _sum(all_of: Iterable[TimeSpent]) -> TimeSpent:
    spent = list(all_of)
    return TimeSpent(**{name: round(sum(getattr(one, name) for one in spent), 3) for name in TimeSpent.model_fields})


def in_words(spent: TimeSpent) -> str:
    """The shares, the largest first."""
    parts = {"methods": spent.method_s, "preparation": spent.preparation_s, "scoring": spent.scoring_s}
    parts["waiting for a prepared pair"] = spent.waiting_s
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    total = sum(parts.values())
    if not total:
        return ""
    return "; ".join(f"{name} {seconds:.3g} s ({100 * seconds / total:.0f} %)" for name, seconds in ordered)
