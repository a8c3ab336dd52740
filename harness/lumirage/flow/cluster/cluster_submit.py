"""An evaluation on a cluster: makes job arrays for the missing work of a plan, and submits them or writes their scripts.

It never waits. The tasks write the usual files; the same command, given again, submits what is still missing.
"""

import shutil
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lumirage.core.evaluation_part import PartMaker
from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.records import write_json
from lumirage.core.screen import Screen
from lumirage.flow.cluster.cluster_arrays import Filled, MissingWork, arrays_of, for_stages, missing_work
from lumirage.flow.cluster.cluster_feed import feed_all, submit_in_order
from lumirage.flow.cluster.cluster_scores import KnownScores, tables_are_current, unscored_pairs
from lumirage.flow.method_setup.install import method_installer
from lumirage.flow.plan import plan_evaluation
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.requested_pairs import with_requested
from lumirage.flow.status import QueueState, in_queue
from lumirage.flow.upkeep.mending import Mender
from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.output_description import place_work_folder, write_output_description
from lumirage.running.executors.cluster_tasks import Array, Submission, Task
from lumirage.running.executors.slurm import QueueFullError, driver, job_name, script
from lumirage.running.executors.slurm_queue import answers_here, array_size
from lumirage.running.executors.slurm_site import AT_ONCE, Site
from lumirage.running.participant_locks import lock_evaluation, lock_participants


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
    if first:
        site.check_parts(first.evaluation.methods)
    layout = first.layout if first else Layout(request.out or Path())
    with lock_participants(layout.lock, []), lock_evaluation(layout.change_lock):
        mender = Mender(layout, screen, executes=True)
        mended = mender.look()
        most = None if request.write_sbatch else feed_all(layout, screen)
        queued = mender.over(
            lambda: _queued(layout, request)
        )  # before the files: a task that ends between the two looks is in one of them
        # another command may have begun the tree, or added a method, while this one waited
        plan = first if first and not layout.evaluation.is_file() else plan_evaluation(request, installer, screen)
        site.check_parts(plan.evaluation.methods)
        place_work_folder(layout, request.work)
        plan = with_requested(plan)
        write_output_description(layout, plan.evaluation)
        presets = plan.evaluation.track.presets if "score" in stages else ()
        known = mender.over(lambda: KnownScores.read(layout, presets))
        lacking = unscored_pairs(layout, plan.evaluation, known) if "score" in stages else []
        missing = missing_work(plan, lacking, queued)
        ended = not queued.busy and not missing.jobs
        stale = mended or not tables_are_current(layout, plan.evaluation)
        work = for_stages(missing, stages, tables=ended and stale)
        runs = sum(len(job.pairs) for job in work.jobs)
        screen.say(f"{plan.complete} runs are complete, {len(queued.runs)} are in the queue, {runs} are missing")
        if request.write_sbatch:
            write_scripts(WorkOfPlan(plan, work, known, site), installer.runtime.name, request.write_sbatch)
            screen.say(f"nothing was submitted; look at {request.write_sbatch} and the scripts it names, then run it")
            return None
        if work.any:
            submit_all(WorkOfPlan(plan, work, known, site), installer.runtime.name, screen, most)
        if work.any or queued.busy:
            screen.say(f"look with 'lumirage-harness status {layout.root}'; type this again when all have ended")
            return None
    return layout


def _queued(layout: Layout, request: EvaluationRequest) -> QueueState:
    """What waits or runs. Scripts may also be written where there is no queue."""
    return in_queue(layout) if not request.write_sbatch or answers_here() else QueueState()


@dataclass(frozen=True)
class WorkOfPlan:
    """What of a plan is to be submitted, and to which site."""

    plan: Plan
    work: MissingWork
    known: KnownScores
    site: Site


def submit_all(wanted: WorkOfPlan, runtime: str, screen: Screen, most: int | None = None) -> None:
    """Write the tasks and submit the arrays, of at most `most` tasks; those for which the queue has no room follow later.

    If it has not even room for the first, as a site may allow fewer tasks than an array may have, smaller ones are made.
    Raises UnavailableError in Slurm's words.
    """
    size = array_size(str(wanted.site.options.get("clusters", "")))
    most = min(size, most or size)
    while True:
        submission = _write(wanted, runtime, most)
        files = wanted.plan.layout.submission(submission.name)
        largest = max(array.count for array in submission.arrays)
        try:
            submit_in_order(submission.arrays, files, screen)
        except QueueFullError:
            if largest == 1:
                raise
            shutil.rmtree(files.folder)  # nothing of it was submitted
            most = max(largest // 2, 1)
        else:
            return


def write_scripts(wanted: WorkOfPlan, runtime: str, file: Path) -> Submission:
    """Write the tasks, a batch script for each array, and `file`, which submits them; nothing is submitted."""
    most = array_size(str(wanted.site.options.get("clusters", "")))
    submission = _write(wanted, runtime, most)
    write_text(file, driver(submission.arrays, wanted.plan.layout.submission(submission.name)))
    file.chmod(0o755)
    return submission


def _write(wanted: WorkOfPlan, runtime: str, most: int) -> Submission:
    plan, site = wanted.plan, wanted.site
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    layout = Layout(plan.layout.root.resolve())
    files = layout.submission(name)
    named = [_named(filled, site, layout, name) for filled in arrays_of(wanted.work, plan, site, most)]
    files.logs.mkdir(parents=True)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    submission = Submission(name=name, created=created, runtime=runtime, arrays=tuple(array for array, _ in named))
    parts = PartMaker(plan.evaluation)
    write_json(files.evaluation, parts.rest)
    for array, tasks in named:
        with written_aside(files.tasks(array.name)) as aside, aside.open("w", encoding="utf-8") as lines:
            lines.writelines(_line(task, parts, wanted.known) for task in tasks)
        write_text(files.script(array.name), script(array, site, files, _command(layout, submission, array)))
    write_json(files.record, submission)
    return submission


def _named(filled: Filled, site: Site, layout: Layout, submission: str) -> Filled:
    array, tasks = filled
    said = site.of_array(array).options
    where = {"job_name": job_name(array, layout.submission(submission), site), "clusters": said.get("clusters", "")}
    return array.model_copy(update=where), tasks


def _line(task: Task, parts: PartMaker, known: KnownScores) -> str:
    """The task with its part of the evaluation, and of the scores; the one for the tables reads all of them."""
    if task.kind != "finish":
        part = parts.part(task.pairs, reverse=task.kind == "score")
        scored = known.of(pair.id for pair in part.pairs) if task.kind == "score" else {}
        task = task.model_copy(update={"part": part, "scored": scored})
    return task.model_dump_json(exclude_defaults=True) + "\n"


def _command(layout: Layout, submission: Submission, array: Array) -> list[str]:
    return [sys.executable, "-m", "lumirage.cli", "run-job", str(layout.root.resolve()), submission.name, array.name]
