"""What a person who waits is told: tenths in a log, and why a method failed."""

import io
import itertools

import pytest
from rich.console import Console
from rich.progress import Progress

from lumirage.cli.console_output import RichScreen, _Counted
from lumirage.core.evaluation_answer import Estimate, EvaluationAnswer, MethodAnswer, MetricAnswer, Rank
from lumirage.core.metrics import title
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


def answer(names: list[str]) -> EvaluationAnswer:
    """An answer with long numbers under every head."""
    estimates = {
        metric: Estimate(mean=value, ci_low=0.98 * value, ci_high=1.02 * value, n_pairs=112, filled=3)
        for metric, value in {"dice_nearest_fg": 0.8123, "hd95_mm": 12.3456, "tre_mm_linear": 3.1234}.items()
    }
    method = MethodAnswer(
        version="1", kind="deep", reference=False, image="", runs=112, failed=13, means=estimates, device="gpu",
        rank=Rank(place="2=", low=2, high=3, beyond_gate=False), wall_s=1234.5, cpu_s=2345.6, peak_memory_bytes=12345.6e6,
    )  # fmt: skip
    metric = MetricAnswer(title="", unit="", better="higher", preset="strict", source="")
    return EvaluationAnswer(
        harness="0", out="out", track="t1w", dataset="oasis", runtime="docker", n_pairs=112, n_subjects=56,
        condition="reference", conditions=1, repeats=1, policy="identity", methods=dict.fromkeys(names, method),
        metrics={name: metric.model_copy(update={"title": title(name)}) for name in estimates}, failed=13,
        headline="greedy is first.", left_out={}, pair_warnings={}, notes=("a note " * 30,), report="out/report/index.html",
    )  # fmt: skip


@pytest.mark.parametrize("names", [["greedy"], ["identity", "voxelmorph-diffeomorphic", "ants-syn-quick"]])
def test_the_closing_table_fits_eighty_columns(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(stderr=True)
    RichScreen(console, Progress(console=console, disable=True)).answer(answer(names))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in names:  # one that is too long goes on in the next line
        assert any(f" {name[:16]}" in line for line in lines), name
    if "voxelmorph-diffeomorphic" in names:
        first, second = next(two for two in itertools.pairwise(lines) if "voxelmorph" in two[0])
        assert first.split()[1] + second.strip() == "voxelmorph-diffeomorphic"
    for head in ("Dice [95 %]", "rank", "failed", "time (s)", "mem (GB)"):
        assert any(head in line for line in lines), head
    assert any(" 12.35" in line for line in lines)
    assert any("0.812* [0.796, 0.829]" in line for line in lines)
    assert any("13 of 112" in line for line in lines)
    assert lines[-2:] == ["greedy is first.", "report: out/report/index.html"], "the news comes last, in a log as well"


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
