"""An evaluation on a cluster: what is missing of a plan -> job arrays, submitted or written as scripts.

Nothing here waits: the tasks write the same files as everywhere, and the same command finds what they did not write.
"""

import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lumirage.layout import Layout, write_text, written_aside
from lumirage.model import Job
from lumirage.planning.plan import Plan
from lumirage.records import write_json
from lumirage.running.executors.slurm import (
    Array,
    Kind,
    Needs,
    Site,
    Submission,
    Task,
    chunks,
    driver,
    max_array_size,
    run_needs,
    script,
    submit,
)
from lumirage.standing import Queued

SPREAD = 100
"""Preparing and scoring are spread over at most so many tasks."""
PREPARING = Needs(memory_bytes=6 * 2**30, minutes=0)
SCORING = Needs(memory_bytes=6 * 2**30, minutes=0)
TABLES = Needs(memory_bytes=12 * 2**30, minutes=120)
MINUTES_A_PAIR = 4.0
"""To prepare or to score one pair, with much to spare."""


@dataclass(frozen=True)
class Wanted:
    """What is to be submitted: runs that are missing, and pairs that lack scores."""

    jobs: tuple[Job, ...] = ()
    pairs: tuple[str, ...] = ()


def missing(plan: Plan, unscored: Sequence[str], queued: Queued) -> Wanted:
    """What neither lies on disk nor waits in the queue. Where runs are missing, their pairs are scored after them."""
    left = []
    for job in plan.jobs:
        pairs = tuple(p for p in job.pairs if (job.method.name, job.condition, job.repeat, p) not in queued.runs)
        if pairs:
            left.append(job.model_copy(update={"pairs": pairs}))
    run = {pair for job in left for pair in job.pairs}
    score = run | {pair for pair in unscored if pair not in queued.scores}
    return Wanted(tuple(left), tuple(pair.id for pair in plan.pairs if pair.id in score))


def arrays_of(wanted: Wanted, plan: Plan, most: int) -> list[tuple[Array, Sequence[Task]]]:
    """The arrays in their order, each of at most `most` tasks: preparing, runs, scores, tables. Pure."""
    found: list[tuple[Array, Sequence[Task]]] = []

    def add(kind: Kind, tasks: Sequence[Task], needs: Needs, after: tuple[str, ...]) -> None:
        for piece in chunks(tasks, most):
            name = f"{kind}-{sum(array.kind == kind for array, _ in found)}"
            found.append((Array(name=name, kind=kind, count=len(piece), needs=needs, after=after), piece))

    def names(*kinds: Kind) -> tuple[str, ...]:
        return tuple(array.name for array, _ in found if array.kind in kinds)

    for condition in dict.fromkeys(job.condition for job in wanted.jobs):
        pairs = dict.fromkeys(pair for job in wanted.jobs if job.condition == condition for pair in job.pairs)
        size = -(-len(pairs) // SPREAD)
        add("prepare", _spread("prepare", list(pairs), size, condition), _timed(PREPARING, size), ())
    by_needs: dict[Needs, list[Task]] = {}
    for job in wanted.jobs:
        task = Task(
            id=job.id, kind="run", method=job.method.name, condition=job.condition, repeat=job.repeat, pairs=job.pairs
        )
        by_needs.setdefault(run_needs(job.limits, len(job.pairs)), []).append(task)
    for needs, tasks in by_needs.items():
        add("run", tasks, needs, names("prepare"))
    size = -(-len(wanted.pairs) // SPREAD)
    each = size * len(plan.conditions) * (len(plan.evaluation.methods) * plan.evaluation.repeats + 2)
    add("score", _spread("score", wanted.pairs, size), _timed(SCORING, each), names("run"))
    if found:
        add("finish", [Task(id="finish", kind="finish")], TABLES, names("run", "score"))
    return found


def _spread(kind: Kind, pairs: Sequence[str], size: int, condition: str = "") -> list[Task]:
    starts = range(0, len(pairs), max(size, 1))
    return [
        Task(id=f"{kind}-{condition}{start}", kind=kind, condition=condition, pairs=tuple(pairs[start : start + size]))
        for start in starts
    ]


def _timed(needs: Needs, pairs: int) -> Needs:
    return needs.model_copy(update={"minutes": 15 + int(pairs * MINUTES_A_PAIR)})


def submit_all(plan: Plan, wanted: Wanted, site: Site, runtime: str) -> dict[str, str]:
    """Write the tasks and submit the arrays; gives their numbers. Raises UnavailableError in Slurm's words."""
    submission = _write(plan, wanted, site, runtime)
    files, numbers = plan.layout.submission(submission.name), {}
    for array in submission.arrays:
        numbers[array.name] = submit(array, site, files, _command(plan.layout, submission, array))
        write_text(files.number(array.name), numbers[array.name] + "\n")
    return numbers


def write_scripts(plan: Plan, wanted: Wanted, site: Site, runtime: str, file: Path) -> Submission:
    """Write the tasks, a batch script for each array, and `file`, which submits them; nothing is submitted."""
    submission = _write(plan, wanted, site, runtime)
    write_text(file, driver(submission.arrays, plan.layout.submission(submission.name)))
    file.chmod(0o755)
    return submission


def _write(plan: Plan, wanted: Wanted, site: Site, runtime: str) -> Submission:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    layout = Layout(plan.layout.root.resolve())
    files, arrays = layout.submission(name), arrays_of(wanted, plan, max_array_size())
    files.logs.mkdir(parents=True)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    submission = Submission(name=name, created=created, runtime=runtime, arrays=tuple(array for array, _ in arrays))
    for array, tasks in arrays:
        with written_aside(files.tasks(array.name)) as aside, aside.open("w", encoding="utf-8") as lines:
            lines.writelines(task.model_dump_json(exclude_defaults=True) + "\n" for task in tasks)
        write_text(files.script(array.name), script(array, site, files, _command(layout, submission, array)))
    write_json(files.record, submission)
    return submission


def _command(layout: Layout, submission: Submission, array: Array) -> list[str]:
    return [sys.executable, "-m", "lumirage.cli", "run-job", str(layout.root.resolve()), submission.name, array.name]
