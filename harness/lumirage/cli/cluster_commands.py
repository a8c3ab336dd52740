"""`run-job`, which a cluster's tasks call, and `status` of an evaluation."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lumirage.core.errors import BusyError, UnavailableError, UsageError

Done = Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("run-job")(run_job)
    app.command()(status)


def run_job(
    out: Done,
    submission: Annotated[str, typer.Argument(help="name of a submission of OUT")],
    array: Annotated[str, typer.Argument(help="name of an array in it, such as run-0")],
    index: Annotated[int | None, typer.Argument(help="which of its tasks; else SLURM_ARRAY_TASK_ID")] = None,
) -> None:
    """Carry out one task of a job array; its batch script calls this. Completed work is not repeated."""
    from lumirage.core.layout import Layout
    from lumirage.core.screen import Silent
    from lumirage.flow.cluster.cluster_task import run_task
    from lumirage.running.runtimes.runtime_interface import Stopped

    number = os.environ.get("SLURM_ARRAY_TASK_ID", "") if index is None else str(index)
    if not number.isdigit():
        raise UsageError("which task? give its number, or SLURM_ARRAY_TASK_ID")
    try:
        run_task(Layout(out), submission, array, int(number), Silent())
    except Stopped as error:
        raise BusyError("stopped by Slurm before it was done; type the evaluation's command again") from error


def status(out: Done, json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False) -> None:
    """Count runs by state, from the files of OUT and one look into the cluster's queue.

    Where no queue can be seen, those that wait or run there are counted as missing, and that is said.
    """
    from json import dumps

    from lumirage.core.evaluation_file import read_evaluation
    from lumirage.core.layout import Layout
    from lumirage.flow.status import STATES, QueueState, evaluation_status, in_queue

    layout = Layout(out)
    try:
        queued, unknown = in_queue(layout), None
    except UnavailableError as error:
        queued, unknown = QueueState(), error
    found = evaluation_status(layout, read_evaluation(layout), queued)
    if unknown:
        print(f"queue unknown, so what is missing may be waiting or running there: {unknown}", file=sys.stderr)
    if json:
        print(dumps({name: dict(counts) for name, counts in found.counts.items()}, indent=1))
        return
    print(f"{'method':28}" + "".join(f"{state:>10}" for state in STATES))
    for name, counts in found.counts.items():
        print(f"{name:28}" + "".join(f"{counts[state]:10}" for state in STATES))
    if found.total("missing") and not unknown:
        print(f"{found.total('missing')} runs are neither there nor in the queue: type the evaluation's command again")
