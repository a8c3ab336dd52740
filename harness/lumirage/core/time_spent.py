"""Where the time of an evaluation went, as each command on this machine notes it at its end.

Tasks of a cluster do not: what their methods took is in the run records.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from pydantic import Field

from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.layout import Layout
from lumirage.core.model import Record
from lumirage.core.records import read_json, write_json


class TimeSpent(Record):
    """Seconds, summed over what went on at the same time; so they may be more than passed on the clock."""

    method_s: float = Field(default=0.0, description="containers, from the order to start until they were gone")
    preparation_s: float = Field(default=0.0, description="preparing the images of pairs")
    scoring_s: float = Field(default=0.0, description="scoring, while methods ran and after them")
    waiting_s: float = Field(
        default=0.0, description="places for a container that stood free because no pair was prepared yet"
    )


class TimesKept(Record):
    """What each command spent, in their order."""

    schema_version: Literal[1] = 1
    commands: tuple[TimeSpent, ...] = ()


def note_time(layout: Layout, spent: TimeSpent) -> None:
    """Add what a command spent to the file of the tree. What cannot be read there any more is lost."""
    kept = TimesKept()
    with suppress(DataError, DamagedFileError):
        kept = read_json(layout.times, TimesKept)
    write_json(layout.times, kept.model_copy(update={"commands": (*kept.commands, spent)}))


def time_spent(layout: Layout) -> TimeSpent | None:
    """The sum over all commands; none where it is not known."""
    try:
        return _sum(read_json(layout.times, TimesKept).commands)
    except (DataError, DamagedFileError):
        return None


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
    return "; ".join(f"{name} {_amount(seconds)} s ({100 * seconds / total:.0f} %)" for name, seconds in ordered)


def _amount(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"
