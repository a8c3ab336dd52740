"""An evaluation on a cluster: makes job arrays for the missing work of a plan, and submits them or writes their scripts.

It never waits. The tasks write the usual files; the same command, given again, submits what is still missing.
"""

import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lumirage.core.layout import Layout, digest, write_text, written_aside
from lumirage.core.model import SENTINELS, Job
from lumirage.core.records import write_json
from lumirage.core.screen import Screen
from lumirage.flow.method_setup.install import method_installer
from lumirage.flow.plan import plan_evaluation
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.requested_pairs import with_requested
from lumirage.flow.status import QueueState, in_queue, unscored_pairs
from lumirage.flow.upkeep.mending import Mender
from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.output_description import place_work_folder, write_output_description
from lumirage.running.executors.slurm import (
    AT_ONCE,
    Array,
    Kind,
    Needs,
    Site,
    Submission,
    Task,
    answers_here,
    chunks,
    driver,
    max_array_size,
    run_needs,
    script,
    submit_array,
)
from lumirage.running.participant_locks import lock_evaluation, lock_participants

SPREAD = 100
"""Preparing and scoring are spread over about so many tasks."""
AT_LEAST = 8
"""Pairs that one of those tasks takes where there are so many: loading the scorers takes as long as scoring a few."""
AT_MOST_MINUTES = 240.0
"""Of what such a task asks for, unless a single pair asks for more: sites refuse or delay what is long."""
PREPARING = Needs(memory_bytes=6 * 2**30, minutes=0)
SCORING = Needs(memory_bytes=6 * 2**30, minutes=0)
TABLES = Needs(memory_bytes=8 * 2**30, minutes=120)
MINUTES_A_PAIR = 4.0
"""To prepare a pair, or to score one run of it, with much to spare."""


def submit(request: EvaluationRequest, stages: Sequence[str], screen: Screen) -> Layout | None:
    """Submit the work of these stages that is neither done nor in the queue, or write the scripts for it.

    Gives the tree if everything is done, None if tasks are still waiting or running. Raises UnavailableError if Slurm does
    not answer.
    """
    installer = method_installer(request.runtime, screen, offline=request.offline)
    site = Site.of_words(request.slurm, request.jobs if request.jobs > 1 else AT_ONCE)
    begun = request.out is not None and Layout(request.out).evaluation.is_file()
    # whatever is wrong with the request is said before OUT is made
    first = None if begun else plan_evaluation(request, installer, screen)
    layout = first.layout if first else Layout(request.out or Path())
    with lock_participants(layout.lock, []), lock_evaluation(layout.change_lock):
        mender = Mender(layout, screen, executes=True)
        mender.look()
        queued = mender.over(
            lambda: _queued(layout, request)
        )  # before the files: a task that ends between the two looks is in one of them
        # another command may have begun the tree, or added a method, while this one waited
        plan = first if first and not layout.evaluation.is_file() else plan_evaluation(request, installer, screen)
        place_work_folder(layout, request.work)
        plan = with_requested(plan)
        write_output_description(layout, plan.evaluation)
        lacking = mender.over(lambda: unscored_pairs(layout, plan.evaluation)) if "score" in stages else []
        work = for_stages(missing_work(plan, lacking, queued), stages)
        runs = sum(len(job.pairs) for job in work.jobs)
        screen.say(f"{plan.complete} runs are complete, {len(queued.runs)} are in the queue, {runs} are missing")
        if request.write_sbatch:
            write_scripts(plan, work, site, installer.runtime.name, request.write_sbatch)
            screen.say(f"nothing was submitted; look at {request.write_sbatch} and the scripts it names, then run it")
            return None
        if work.jobs or work.pairs:
            numbers = submit_all(plan, work, site, installer.runtime.name)
            screen.say(f"submitted: {', '.join(f'{name} {number}' for name, number in numbers.items())}")
        if work.jobs or work.pairs or queued.busy:
            screen.say(f"look with 'lumirage-harness status {layout.root}'; type this again when all have ended")
            return None
    return layout


def _queued(layout: Layout, request: EvaluationRequest) -> QueueState:
    """What waits or runs. Scripts may also be written where there is no queue."""
    return in_queue(layout) if not request.write_sbatch or answers_here() else QueueState()


@dataclass(frozen=True)
class MissingWork:
    """What is to be submitted: runs that are missing, pairs that lack scores, and whether tables are made after them."""

    jobs: tuple[Job, ...] = ()
    pairs: tuple[str, ...] = ()
    tables: bool = True


def missing_work(plan: Plan, unscored_pairs: Sequence[str], queued: QueueState) -> MissingWork:
    """What is neither on disk nor in the queue. Where runs are missing, their pairs are scored after them."""
    left = []
    for job in plan.jobs:
        pairs = tuple(p for p in job.pairs if (job.method.name, job.condition, job.repeat, p) not in queued.runs)
        if pairs == job.pairs:
            left.append(job)
        elif pairs:  # a task stops what an earlier life of its own id left, so no other task may have that id
            left.append(job.model_copy(update={"id": f"{job.id}-{digest(*pairs)}", "pairs": pairs}))
    run = {pair for job in left for pair in job.pairs}
    score = run | {pair for pair in unscored_pairs if pair not in queued.scores}
    return MissingWork(tuple(left), tuple(pair.id for pair in plan.pairs if pair.id in score))


def for_stages(work: MissingWork, stages: Sequence[str]) -> MissingWork:
    """The part of it that belongs to these stages."""
    return replace(work, pairs=work.pairs if "score" in stages else (), tables="report" in stages)


def arrays_of(work: MissingWork, plan: Plan, most: int) -> list[tuple[Array, Sequence[Task]]]:
    """The arrays in order, each of at most `most` tasks: preparing, runs, scores, tables. Pure."""
    found: list[tuple[Array, Sequence[Task]]] = []

    def add(kind: Kind, tasks: Sequence[Task], needs: Needs, after: tuple[str, ...]) -> None:
        for piece in chunks(tasks, most):
            name = f"{kind}-{sum(array.kind == kind for array, _ in found)}"
            found.append((Array(name=name, kind=kind, count=len(piece), needs=needs, after=after), piece))

    def names(*kinds: Kind) -> tuple[str, ...]:
        return tuple(array.name for array, _ in found if array.kind in kinds)

    for condition in dict.fromkeys(job.condition for job in work.jobs):
        pairs = dict.fromkeys(pair for job in work.jobs if job.condition == condition for pair in job.pairs)
        size = _share(len(pairs), MINUTES_A_PAIR)
        minutes = min(size, len(pairs)) * MINUTES_A_PAIR
        add("prepare", _spread("prepare", list(pairs), size, condition), _timed(PREPARING, minutes), ())
    by_needs: dict[Needs, list[Task]] = {}
    for job in work.jobs:
        task = Task(
            id=job.id,
            kind="run",
            method=job.method.name,
            condition=job.condition,
            repeat=job.repeat,
            pairs=job.pairs,
            gpus=job.limits.gpus,
        )
        by_needs.setdefault(run_needs(job.limits, len(job.pairs)), []).append(task)
    for needs, tasks in by_needs.items():
        add("run", tasks, needs, names("prepare"))
    runs = len(plan.conditions) * (len(plan.evaluation.methods) * plan.evaluation.repeats + len(SENTINELS))
    size = _share(len(work.pairs), MINUTES_A_PAIR * runs)
    minutes = min(size, len(work.pairs)) * MINUTES_A_PAIR * runs
    add("score", _spread("score", work.pairs, size), _timed(SCORING, minutes), names("run"))
    if found and work.tables:
        add("finish", [Task(id="finish", kind="finish")], TABLES, names("run", "score"))
    return found


def _share(pairs: int, minutes_a_pair: float) -> int:
    """Pairs that one task takes."""
    return min(max(-(-pairs // SPREAD), AT_LEAST), max(int(AT_MOST_MINUTES / minutes_a_pair), 1))


def _spread(kind: Kind, pairs: Sequence[str], size: int, condition: str = "") -> list[Task]:
    starts = range(0, len(pairs), size)
    return [
        Task(id=f"{kind}-{condition}{start}", kind=kind, condition=condition, pairs=tuple(pairs[start : start + size]))
        for start in starts
    ]


def _timed(needs: Needs, minutes: float) -> Needs:
    return needs.model_copy(update={"minutes": 15 + int(minutes)})


def submit_all(plan: Plan, work: MissingWork, site: Site, runtime: str) -> dict[str, str]:
    """Write the tasks and submit the arrays; gives their numbers. Raises UnavailableError in Slurm's words."""
    submission = _write(plan, work, site, runtime)
    files, numbers = plan.layout.submission(submission.name), {}
    for array in submission.arrays:
        numbers[array.name] = submit_array(array, files)
        write_text(files.number(array.name), numbers[array.name] + "\n")
    return numbers


def write_scripts(plan: Plan, work: MissingWork, site: Site, runtime: str, file: Path) -> Submission:
    """Write the tasks, a batch script for each array, and `file`, which submits them; nothing is submitted."""
    submission = _write(plan, work, site, runtime)
    write_text(file, driver(submission.arrays, plan.layout.submission(submission.name)))
    file.chmod(0o755)
    return submission


def _write(plan: Plan, work: MissingWork, site: Site, runtime: str) -> Submission:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    layout = Layout(plan.layout.root.resolve())
    files, arrays = layout.submission(name), arrays_of(work, plan, max_array_size())
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
