"""What a person who waits is told: tenths in a log, and why a method failed."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from lumirage.cli.console_output import RichScreen, _Counted
from lumirage.core.model import Outcome
from lumirage.flow.run import log_ending
from lumirage.flow.summary import Summary


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


def summary(names: list[str]) -> Summary:
    columns = ("rank", "runs", "failed", "dice_nearest_fg", "hd95_mm", "tre_mm_linear", "det_le0_percent", "device",
               "wall s", "cpu s", "peak MB")  # fmt: skip
    cells = ("2= [2, 3]", "112", "3", "0.8123", "12.3456", "3.1234", "0.0123", "gpu", "1234.5", "2345.6", "12345.6")
    return Summary("t1w on oasis", columns, dict.fromkeys(names, cells), 3, headline="greedy is first.")


@pytest.mark.parametrize("names", [["greedy"], ["identity", "voxelmorph-diffeomorphic", "ants-syn-quick"]])
def test_the_closing_table_fits_eighty_columns(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(stderr=True)
    RichScreen(console, Progress(console=console, disable=True)).summary(summary(names))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(name in line for line in lines) for name in names)
    for head in ("Dice", "rank", "failed", "time (s)", "mem (GB)"):
        assert any(head in line for line in lines), head
    assert any(" 12.35" in line for line in lines)
    assert "greedy is first." in lines


def test_bytes_are_told_in_megabytes_and_without_a_total_where_none_is_known() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    bars = Progress(_Counted(), console=console)
    screen = RichScreen(console, bars)
    screen.progress("net weights", 12_300_000, 283_000_000, "bytes")
    screen.progress("pull image", 4_000_000, 0, "bytes")
    screen.progress("greedy", 3, 30)
    bars.refresh()
    shown = [str(_Counted().render(task)) for task in bars.tasks]
    assert shown == ["12.3 of 283.0 MB", "4.0 MB", "3 of 30"]
