"""What a person sees: progress bars and the closing table with rich on stderr and stdout; or JSON for machines."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

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
from rich.text import Text

from lumirage.core.screen import Screen, Unit

if TYPE_CHECKING:
    from lumirage.core.evaluation_answer import EvaluationAnswer
    from lumirage.flow.forecast.plan_overview import PlanOverview


class CommandScreen(Screen, Protocol):
    """A screen that also shows the result."""

    def answer(self, answer: "EvaluationAnswer") -> None:
        """The closing table."""

    def plan(self, overview: "PlanOverview") -> None:
        """What would be done."""


WIDTH = 80
"""Of a log, and of whatever else is no terminal."""


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

    def answer(self, answer: "EvaluationAnswer") -> None:
        """The effects where they were asked for, the closing table, notes, the headline, and where the report lies."""
        from lumirage.cli.evaluation_text import closing_lines, closing_table, effects_table
        from lumirage.core.evaluation_answer import CompareAnswer

        self._progress.stop()
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        if isinstance(answer, CompareAnswer) and (effects := effects_table(answer)):
            console.print(effects)
        console.print(closing_table(answer, console.width))
        for line in closing_lines(answer, console.width):
            print(line)

    def plan(self, overview: "PlanOverview") -> None:
        """Lines of at most 80 columns."""
        from lumirage.cli.plan_text import plan_text

        self._progress.stop()
        print(plan_text(overview))


class JsonScreen:
    """No progress; the result as one JSON object on stdout; what is said goes to stderr."""

    def say(self, text: str) -> None:
        """A line on stderr."""
        print(text, file=sys.stderr)

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """Nothing."""

    def answer(self, answer: "EvaluationAnswer") -> None:
        """One object."""
        print(answer.model_dump_json(indent=1))

    def plan(self, overview: "PlanOverview") -> None:
        """One object."""
        print(overview.model_dump_json(indent=1))
