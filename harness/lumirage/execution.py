"""The stage `run`: jobs of a plan -> run records on disk."""

import functools
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from lumirage.errors import EngineError, LumirageError
from lumirage.layout import Layout, digest
from lumirage.machine import Machine
from lumirage.methods.weights import weights_folder
from lumirage.model import Job, Outcome, Pair, Run
from lumirage.planning.plan import Plan
from lumirage.planning.prepare import Preparer
from lumirage.running.contract import PairInput
from lumirage.running.execute import RunContext, begin
from lumirage.running.executors.here import Helper, Here
from lumirage.running.executors.slots import bound, resources_here
from lumirage.running.place import scratch_place
from lumirage.running.runtimes.call import Runtime
from lumirage.screen import Screen
from lumirage.track import Evaluation, Prepare


def execute(
    plan: Plan, machine: Machine, most: int, gpus: Sequence[str], screen: Screen, helper: Helper | None = None
) -> None:
    """Execute the jobs of a plan here, `most` containers at a time; `helper` works meanwhile. A failing method is a result.

    Raises the error of the first job that could not be executed at all, after the others are done.
    """
    # several may work in one tree, each with participants of its own: one must not stop another's containers
    context = run_context(plan.layout, plan.evaluation, machine.runtime, plan.participants)
    left = begin(context, machine.runtime)
    if left:
        screen.say(f"{left} containers or processes that a dead harness left were removed")
    if plan.complete:
        screen.say(f"{plan.complete} runs are complete and are kept")
    watcher = _Watcher(plan, screen)
    inputs = Inputs(plan.layout, plan.evaluation)
    resources = resources_here(gpus)
    for limits in {job.limits for job in plan.jobs}:
        fits, why = bound(resources, limits, min(most, len(plan.jobs)))
        if why:
            screen.say(f"-j {most}: no more than {fits} at a time, because {why}")
    here = Here(machine.runtime, resources, most)
    try:
        here.execute(plan.jobs, inputs.of_job, context, watcher, helper)
    finally:
        with suppress(OSError):  # another harness of this tree may use it too
            context.scratch.rmdir()
    if watcher.left_out:
        raise watcher.left_out[0]


def run_context(layout: Layout, evaluation: Evaluation, runtime: Runtime, part: Sequence[str] = ()) -> RunContext:
    """What all jobs of this output tree share, or of this part of it: containers of one part are not another's.

    Raises UnavailableError when there is no safe place for what containers are given.
    """
    cards = [use.card for use in evaluation.methods.values()]
    weights = {card.name: folder for card in cards if (folder := weights_folder(card))}
    return RunContext(
        layout=layout,
        track=evaluation.track.name,
        owner=digest(str(layout.root.resolve()), *part),
        scratch=scratch_place(layout, runtime, os.environ),
        weights=weights,
        host=host(),
    )


def host() -> dict[str, str | int | float]:
    """The machine, as far as times and memory depend on it."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


@dataclass(frozen=True)
class Inputs:
    """Prepares the pairs of a job when its turn comes."""

    layout: Layout
    evaluation: Evaluation

    @functools.cached_property
    def _pairs(self) -> Mapping[str, Pair]:
        return {pair.id: pair for pair in self.evaluation.pairs}

    @functools.cached_property
    def _prepare(self) -> Mapping[str, Prepare]:
        return {cell.name: cell.prepare for cell in self.evaluation.track.cells()}

    def of_job(self, job: Job) -> Mapping[str, PairInput]:
        """Pair id -> what the method is given."""
        return {pair: self.of_pair(pair, job.condition) for pair in job.pairs}

    def of_pair(self, pair: str, condition: str) -> PairInput:
        """What a method is given for one pair."""
        under = self.evaluation.under(self._pairs[pair], condition)
        made = Preparer(self.layout).prepare(under, self._prepare[condition])
        return PairInput(under, made, made.truth)


def last_words(outcome: Outcome, log_tail: str) -> str:
    """The last line that a failed method printed, without control characters: often the whole reason."""
    lines = [line for line in log_tail.splitlines() if line.strip() and not line.startswith("@lumirage")]
    if outcome not in {Outcome.FAILED, Outcome.CRASHED, Outcome.NO_ANSWER} or not lines:
        return ""
    return "; its log ends: " + "".join(c for c in lines[-1].strip()[:200] if c.isprintable())


@dataclass
class _Watcher:
    """Keeps count of what happens, method by method."""

    plan: Plan
    screen: Screen
    left_out: list[LumirageError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._total = Counter[str]()
        for job in self.plan.jobs:
            self._total[job.method.name] += len(job.pairs)
        self._done = Counter[str]()
        for method, total in self._total.items():
            self.screen.progress(method, 0, total)

    def job_started(self, job: Job) -> None:
        """Nothing to show yet."""

    def job_retried(self, job: Job, error: EngineError) -> None:
        """Say that the engine failed."""
        self.screen.say(f"{job.method.name}: the engine failed and is tried again ({error})")

    def run_recorded(self, run: Run) -> None:
        """One more; say so where it failed."""
        self._done[run.method] += 1
        self.screen.progress(run.method, self._done[run.method], self._total[run.method])
        if run.outcome is not Outcome.OK:
            self.screen.say(
                f"{run.method} {run.pair}: {run.outcome}: {run.message}{last_words(run.outcome, run.log_tail)}"
            )

    def job_left_out(self, job: Job, error: LumirageError) -> None:
        """Keep it for the end."""
        self.left_out.append(error)
        self.screen.say(f"{job.method.name}: {', '.join(job.pairs)} left out: {error}")
