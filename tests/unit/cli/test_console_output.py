"""What a person who waits is told: tenths in a log, and why a method failed."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from lumirage.cli.console_output import RichScreen
from lumirage.core.model import Outcome
from lumirage.flow.run import log_ending


def test_a_log_gets_a_line_for_every_tenth() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=False)
    screen = RichScreen(console, Progress(console=console, disable=True))
    for done in range(31):
        screen.progress("greedy", done, 30)
    screen.progress("compare", 1, 1)
    assert text.getvalue().splitlines() == [f"greedy: {done} of 30" for done in range(3, 31, 3)]


@pytest.mark.parametrize(
    ("outcome", "log", "told"),
    [
        (Outcome.FAILED, "a\nNameError: x\n\n", "; its log ends: NameError: x"),
        (Outcome.CRASHED, 'why\n@lumirage {"event": "end"}', "; its log ends: why"),
        (Outcome.FAILED, "\x1b[31mred\a", "; its log ends: [31mred"),
        (Outcome.FAILED, "x" * 999, "; its log ends: " + "x" * 200),
        (Outcome.NO_ANSWER, "", ""),
        (Outcome.TIMEOUT, "working\n", ""),
    ],
)
def test_a_failure_is_told_with_the_last_words_of_the_log(outcome: Outcome, log: str, told: str) -> None:
    assert log_ending(outcome, log) == told
