"""One task of a job array: what `lumirage-harness run-job` does on a node."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from lumirage.core.errors import BusyError, EngineError, GpuFaultError, UnavailableError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.evaluation_part import with_part
from lumirage.core.layout import Layout
from lumirage.core.model import Job, Limits
from lumirage.core.records import read_json
from lumirage.core.screen import Screen
from lumirage.core.track import Evaluation
from lumirage.flow.cluster.cluster_feed import feed_after_task
from lumirage.flow.job_inputs import InputPreparer, run_context
from lumirage.methods.weights import require_weights
from lumirage.planning.jobs import limits_of, seed_of
from lumirage.running.dead_tasks import alive, remove_dead
from lumirage.running.executors.cluster_tasks import Submission, Task, read_task
from lumirage.running.executors.task_environment import cpus_of_task, number_of_task, processes_of_task
from lumirage.running.executors.this_machine import PAUSES_S
from lumirage.running.gpu_devices import gpus_of_task, list_gpus
from lumirage.running.job_execution import RunContext, execute_job, remove_leftovers
from lumirage.running.method_contract import PairInput
from lumirage.running.participant_locks import lock_participants
from lumirage.running.runtimes import choose
from lumirage.running.runtimes.runtime_interface import Runtime, Stopped

LOOK_S = 5.0
"""How often a task checks whether the tree is free, and how long before it gives up."""
PATIENCE_S = 600.0


def run_task(layout: Layout, submission: str, array: str, index: int, screen: Screen) -> None:
    """Carry out one task of an array, as its batch script does. Completed work is not repeated.

    Raises Stopped if Slurm ends the task early (completed runs are kept), BusyError if another process locks the whole
    tree for longer than a task waits.
    """
    files = layout.submission(submission)
    task = read_task(files.tasks(array), index)
    evaluation = with_part(read_json(files.evaluation, Evaluation), task.part) if task.part else read_evaluation(layout)
    runtime = read_json(files.record, Submission).runtime
    parts = [layout.tables_lock] if task.kind == "finish" else []
    with _told_to_stop() as stop, _in_turn(layout, parts, stop):
        match task.kind:
            case "prepare":
                inputs = InputPreparer(layout, evaluation, screen.say)
                for pair in task.pairs:
                    _unless(stop)
                    inputs.for_pair(pair, task.condition)
            case "run":
                _run(task, layout, evaluation, runtime, stop)
            case "score":
                _score(task, layout, evaluation, files.scored(array, index), stop, screen)
            case "finish":
                from lumirage.flow.compare import compare
                from lumirage.flow.report import report
                from lumirage.flow.score import ScoringSettings, score

                score(layout, (), ScoringSettings(stop=stop), screen)
                compare(layout, screen)
                report(layout, screen)
    feed_after_task(files)


def _score(
    task: Task, layout: Layout, evaluation: Evaluation, journal: Path, stop: threading.Event, screen: Screen
) -> None:
    from lumirage.flow.score import (  # late: few tasks score
        PairsToScore,
        ScoringSettings,
        score_known_pairs,
        score_pairs,
    )
    from lumirage.scoring.presets import preset_named
    from lumirage.scoring.score_store import ScoredRow, scored_rows

    settings = ScoringSettings(processes_of_task(os.environ), stop=stop)
    if task.part is None:  # submitted by an older harness
        score_pairs(layout, task.pairs, settings, screen)
        return
    earlier = [layout.root / line for line in journal.read_text().splitlines()] if journal.is_file() else []
    known: dict[str, list[ScoredRow]] = {}
    for name in evaluation.track.presets:
        preset = preset_named(name)
        place = layout.scores(preset.name, preset.settings)
        known[name] = [
            ScoredRow((m, c, r, p), answers, back) for m, c, r, p, answers, back in task.scored.get(name, ())
        ]
        known[name] += scored_rows(part for part in earlier if part.is_relative_to(place) and part.is_file())
    score_known_pairs(layout, PairsToScore(evaluation, task.pairs, known, journal), settings, screen)


@contextmanager
def _in_turn(layout: Layout, parts: Sequence[Path], stop: threading.Event) -> Iterator[None]:
    """As `lock_participants`, once whoever holds the whole tree, such as a report that is made meanwhile, is through."""
    until = time.monotonic() + PATIENCE_S
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock_participants(layout.lock, parts))
                break
            except BusyError:
                if time.monotonic() > until:
                    raise
            stop.wait(LOOK_S)
            _unless(stop)
        yield


def _unless(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set when Slurm says that the task will end: near its time limit (USR2), preempted or cancelled (TERM)."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGUSR2, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(task: Task, layout: Layout, evaluation: Evaluation, runtime_name: str, stop: threading.Event) -> None:
    runtime, _ = choose(runtime_name)
    job = _job(task, evaluation)
    require_weights(job.method)  # this node may not see the cache of the one that planned
    # tasks of one tree share nodes, and a job may be there twice: each stops only what an earlier life of its own left
    context = replace(
        run_context(layout, evaluation, runtime, ("slurm", task.id, number_of_task(os.environ))),
        cpus=cpus_of_task(os.environ, os.sched_getaffinity(0)),
        gpus=_gpus(job.limits, os.environ),
        stop=stop,
    )
    with alive(context):
        remove_leftovers(context, runtime)
        remove_dead(context.scratch, runtime)
        _execute(job, InputPreparer(layout, evaluation).for_job(job), context, runtime)


def _execute(job: Job, inputs: Mapping[str, PairInput], context: RunContext, runtime: Runtime) -> None:
    """The job, again where the engine or a GPU failed."""
    for pause_s in PAUSES_S:
        _unless(context.stop)
        try:
            execute_job(job, inputs, context, runtime)
        except GpuFaultError as fault:  # this task has no other; another one may
            context = replace(context, gpu_faults=(*context.gpu_faults, str(fault)))
            context.stop.wait(pause_s)
        except EngineError:
            context.stop.wait(pause_s)
        else:
            return
    execute_job(job, inputs, context, runtime)


def _gpus(limits: Limits, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Those that the job may use. Raises UnavailableError when Slurm gave fewer: that is no result about the method."""
    devices = list_gpus()
    given = gpus_of_task(environment, devices) if limits.gpus else ()
    if len(given) < limits.gpus:
        raise UnavailableError(
            f"the method asks for {limits.gpus} GPUs and Slurm gave this task {len(given)} (CUDA_VISIBLE_DEVICES is "
            f"'{environment.get('CUDA_VISIBLE_DEVICES', '')}', the driver shows "
            f"{', '.join((*devices.uuids, *devices.faults)) or 'none'}); choose a partition with GPUs, such as by "
            "--slurm partition=gpu"
        )
    return given[: limits.gpus]


def _job(task: Task, evaluation: Evaluation) -> Job:
    use = evaluation.methods[task.method]
    limits = limits_of(use.card, evaluation.track.limits)
    return Job(
        id=task.id,
        method=use.card,
        image=use.image,
        condition=task.condition,
        repeat=task.repeat,
        pairs=task.pairs,
        limits=limits if task.gpus is None else limits.model_copy(update={"gpus": task.gpus}),
        seed=seed_of(evaluation.seed, task.repeat),
    )
