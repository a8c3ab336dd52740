"""What a person sees: progress bars and the closing table with rich on stderr and stdout; or JSON for machines."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from lumirage.core.screen import Screen, Unit

if TYPE_CHECKING:
    from lumirage.flow.forecast.plan_overview import PlanOverview
    from lumirage.flow.summary import Summary


class CommandScreen(Screen, Protocol):
    """A screen that also shows the result."""

    def summary(self, summary: "Summary") -> None:
        """The closing table."""

    def plan(self, overview: "PlanOverview") -> None:
        """What would be done."""


WIDTH = 80
"""Of a log, and of whatever else is no terminal."""
HEADS = {"runs": "runs", "device": "device", "wall s": "time (s)", "cpu s": "CPU (s)", "peak MB": "mem (GB)"}
"""The columns that are no metric, as people read them."""


@contextmanager
def show(as_json: bool) -> Iterator[CommandScreen]:
    """The screen for one command."""
    if as_json:
        yield JsonScreen()
        return
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        _Counted(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield RichScreen(console, progress)


def _counted(done: int, total: int, unit: Unit) -> str:
    """How far it is: `3 of 30`, or `12.3 of 283.0 MB`; without the total where that is not known."""
    numbers = [f"{n / 1e6:.1f}" if unit == "bytes" else str(n) for n in ((done, total) if total else (done,))]
    return " of ".join(numbers) + (" MB" if unit == "bytes" else "")


class _Counted(ProgressColumn):
    """The numbers beside a bar."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        return Text(_counted(int(task.completed), int(task.total or 0), task.fields["unit"]))


class RichScreen:
    """Bars on stderr, or a line for every tenth in a log; the result on stdout."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}

    def say(self, text: str) -> None:
        """A line for the user."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """`done` of `total`, under the name `what`."""
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(what, total=total or None, unit=unit)
        self._progress.update(self._bars[what], completed=done, total=total or None)
        tenth = 10 * done // max(total, 1)
        if not self._console.is_terminal and total > 1 and tenth > self._tenths.get(what, 0):
            self._tenths[what] = tenth
            self.say(f"{what}: {_counted(done, total, unit)}")

    def summary(self, summary: "Summary") -> None:
        """The closing table."""
        self._progress.stop()
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        console.print(_table(summary, console.width))
        if summary.headline:
            console.print(summary.headline, highlight=False, markup=False)
        for line in summary.notes:
            print(line)

    def plan(self, overview: "PlanOverview") -> None:
        """Lines of at most 80 columns."""
        from lumirage.cli.plan_text import plan_text

        self._progress.stop()
        print(plan_text(overview))


def _shown(column: str, cell: str) -> str:
    """A cell as people read it: memory in gigabytes."""
    return f"{float(cell) / 1000:.2f}" if column == "peak MB" and cell else cell


def _table(summary: "Summary", width: int) -> Table:
    """The closing table, with as many columns as a console of this width has room for; --json and the report have all."""
    from lumirage.core.metrics import title

    rows = {name: tuple(map(_shown, summary.columns, summary.marked(name))) for name in summary.rows}
    heads = [HEADS.get(column, title(column)) for column in summary.columns]
    widths = [max(len(cell) for cell in column) + 3 for column in zip(heads, *rows.values(), strict=True)]
    room = width - 1 - max((len(name) for name in rows), default=6)
    metrics = [i for i, column in enumerate(summary.columns) if column not in {*HEADS, "rank", "failed"}]
    first = [i for i, column in enumerate(summary.columns) if column in {"rank", "failed", "wall s", "peak MB"}]
    kept: list[int] = []
    for index in dict.fromkeys([*metrics[:1], *first, *metrics[1:], *range(len(heads))]):
        if widths[index] <= room:
            room -= widths[index]
            kept.append(index)
    table = Table(title=summary.title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", overflow="fold")
    for index in sorted(kept):
        table.add_column(heads[index], justify="right", no_wrap=True)
    for name, cells in rows.items():
        table.add_row(name, *(cells[index] for index in sorted(kept)))
    return table


class JsonScreen:
    """No progress; the result as one JSON object on stdout; what is said goes to stderr."""

    def say(self, text: str) -> None:
        """A line on stderr."""
        print(text, file=sys.stderr)

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """Nothing."""

    def summary(self, summary: "Summary") -> None:
        """One object."""
        print(json.dumps(summary.as_json(), indent=1))

    def plan(self, overview: "PlanOverview") -> None:
        """One object."""
        print(overview.model_dump_json(indent=1))
