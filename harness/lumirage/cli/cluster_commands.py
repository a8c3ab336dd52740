"""`run-job`, which a cluster's tasks call, and `status` of an evaluation."""

import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.core.errors import BusyError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumirage.core.command_answers import StatusAnswer

WIDTH = 80
Done = Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("run-job")(run_job)
    app.command()(status)


def run_job(
    out: Done,
    submission: Annotated[str, typer.Argument(help="name of a submission of OUT")],
    array: Annotated[str, typer.Argument(help="name of an array in it, such as run-0")],
    index: Annotated[
        int | None, typer.Argument(help="which of its tasks; else as the scheduler's variable says")
    ] = None,
) -> None:
    """Carry out one task of a job array; its batch script calls this. Completed work is not repeated."""
    from lumirage.core.layout import Layout
    from lumirage.core.screen import Silent
    from lumirage.flow.cluster.cluster_task import run_task
    from lumirage.running.executors.task_environment import index_of_task
    from lumirage.running.runtimes.runtime_interface import Stopped

    number = index_of_task(os.environ) if index is None else index
    try:
        run_task(Layout(out), submission, array, number, Silent())
    except Stopped as error:
        raise BusyError("stopped by the scheduler before it was done; type the evaluation's command again") from error


def status(out: Done, json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False) -> None:
    """Count runs by state, from the files of OUT, who works in it here, and one look into the cluster's queue.

    Where no queue can be seen, those that wait or run there are counted as missing, and that is said.
    """
    from lumirage.core.command_answers import RunCounts, StatusAnswer
    from lumirage.core.evaluation_file import read_evaluation
    from lumirage.core.layout import Layout
    from lumirage.flow.status import QueueState, evaluation_status, in_queue, who_works
    from lumirage.running.executors.slurm_reasons import waiting_lines

    layout = Layout(out)
    messages = []
    try:
        queued, unknown = in_queue(layout), None
    except UnavailableError as error:
        queued, unknown = QueueState(), error
        messages.append(f"queue unknown, so what is missing may be waiting or running there: {unknown}")
        print(messages[0], file=sys.stderr)
    evaluation = read_evaluation(layout)
    messages += waiting_lines(queued.reasons)
    found = evaluation_status(layout, evaluation, queued)
    working = who_works(layout)
    missing, not_asked = found.total("missing"), found.total("not_asked")
    if missing and not unknown and not working:
        messages.append(f"{missing} runs are neither there nor in the queue: type the evaluation's command again")
    if not_asked:
        messages.append(
            f"{not_asked} of the track's runs were not asked for: evaluate without --limit or --pair to add them"
        )
    answer = StatusAnswer(
        out=str(layout.root), track=evaluation.track.name, under_way=working, messages=tuple(messages),
        methods={name: RunCounts(**counts) for name, counts in found.counts.items()},
        queue="unknown" if unknown else "known", waiting=dict(queued.reasons),
    )  # fmt: skip
    if json:
        print(answer.model_dump_json(indent=1))
        return
    for line in _status_lines(answer, already_told=bool(unknown)):
        print(line)


def _status_lines(answer: "StatusAnswer", *, already_told: bool) -> "Iterator[str]":
    """A line a method; runs that nobody asked for have a column only where there are some."""
    states = ["done", "failed", "running", "pending", "missing"]
    states += ["not_asked"] if any(counts.not_asked for counts in answer.methods.values()) else []
    widths = {state: max(len(state) + 2, 8) for state in states}
    yield f"{'method':26}" + "".join(f"{state.replace('_', ' '):>{width}}" for state, width in widths.items())
    for name, counts in answer.methods.items():
        yield f"{name:26}" + "".join(f"{getattr(counts, state):{width}}" for state, width in widths.items())
    for line in (*(f"under way: {each}" for each in answer.under_way), *answer.messages[already_told:]):
        yield from textwrap.wrap(line, WIDTH, break_on_hyphens=False, break_long_words=False)
