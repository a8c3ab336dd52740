"""The stage `run`: jobs of a plan -> run records on disk."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from lumirage.core.errors import EngineError, GpuFaultError, LumirageError
from lumirage.core.log_text import last_words
from lumirage.core.model import Job, Outcome, Run
from lumirage.core.screen import Screen
from lumirage.core.time_spent import note_time
from lumirage.flow.forecast.cost_history import CostsSeen
from lumirage.flow.job_inputs import InputPreparer, run_context
from lumirage.flow.method_setup.install import MethodInstaller
from lumirage.planning.evaluation_plan import Plan
from lumirage.running.executors.observer import BackgroundWork
from lumirage.running.executors.resource_slots import bound, resources_here
from lumirage.running.executors.this_machine import ThisMachine
from lumirage.running.job_execution import remove_leftovers
from lumirage.running.under_way import Journal, journal


def run(
    plan: Plan,
    installer: MethodInstaller,
    most: int,
    gpus: Sequence[str],
    screen: Screen,
    background: BackgroundWork | None = None,
) -> None:
    """Execute the jobs of a plan on this machine, `most` containers at a time. `background` works meanwhile. A failing method
    is a result.

    Raises the error of the first job that could not be executed at all, after the others are done.
    """
    # several may work in one tree, each with participants of its own: one must not stop another's containers
    context = run_context(plan.layout, plan.evaluation, installer.runtime, plan.participants)
    left = remove_leftovers(context, installer.runtime)
    if left:
        screen.say(f"{left} containers or processes that a dead harness left were removed")
    if plan.complete:
        screen.say(f"{plan.complete} runs are complete and are kept")
    progress = _Progress(plan, screen)
    inputs = InputPreparer(plan.layout, plan.evaluation, screen.say)
    resources = resources_here(gpus)
    for limits in {job.limits for job in plan.jobs}:
        fits, why = bound(resources, limits, min(most, len(plan.jobs)))
        if why:
            screen.say(f"-j {most}: no more than {fits} at a time, because {why}")
    here = ThisMachine(installer.runtime, resources, most)
    try:
        with journal(plan.layout.under_way, plan.jobs) if plan.jobs else nullcontext() as progress.journal:
            here.execute(plan.jobs, inputs.for_job, context, progress, background)
    finally:
        with suppress(OSError):  # another harness of this tree may use it too
            context.scratch.rmdir()
        progress.costs.keep(plan.jobs)
        if plan.jobs:
            note_time(plan.layout, here.spent.total)
    if progress.left_out:
        raise progress.left_out[0]


def log_ending(outcome: Outcome, log_tail: str) -> str:
    """The last line that a failed method printed, without control characters: often the whole reason."""
    words = last_words(log_tail)
    if outcome not in {Outcome.FAILED, Outcome.CRASHED, Outcome.NO_ANSWER} or not words:
        return ""
    return f"; its log ends: {words}"


@dataclass
class _Progress:
    """Counts and reports what happens, for each method."""

    plan: Plan
    screen: Screen
    left_out: list[LumirageError] = field(default_factory=list)
    costs: CostsSeen = field(default_factory=CostsSeen)
    journal: Journal | None = None

    def __post_init__(self) -> None:
        self._total = Counter[str]()
        for job in self.plan.jobs:
            self._total[job.method.name] += len(job.pairs)
        self._done = Counter[str]()
        for method, total in self._total.items():
            self.screen.progress(method, 0, total)

    def job_started(self, job: Job) -> None:
        """For `status`; there is nothing to show yet."""
        if self.journal:
            self.journal.add("started", job)

    def job_retried(self, job: Job, error: EngineError) -> None:
        """Say that the engine, or a GPU, failed."""
        if isinstance(error, GpuFaultError):
            self.screen.say(f"{job.method.name}: {error}; the run is tried again, on another GPU where there is one")
            return
        self.screen.say(f"{job.method.name}: the engine failed and is tried again ({error})")

    def run_recorded(self, run: Run) -> None:
        """Count a run; report it if it failed."""
        self.costs.add(run)
        if self.journal:
            self.journal.add("ended", run)
        self._done[run.method] += 1
        self.screen.progress(run.method, self._done[run.method], self._total[run.method])
        if run.outcome is not Outcome.OK:
            self.screen.say(
                f"{run.method} {run.pair}: {run.outcome}: {run.message}{log_ending(run.outcome, run.log_tail)}"
            )

    def job_left_out(self, job: Job, error: LumirageError) -> None:
        """Keep the error until the other jobs are done."""
        if self.journal:
            self.journal.add("ended", job)
        self.left_out.append(error)
        self.screen.say(f"{job.method.name}: {', '.join(job.pairs)} left out: {error}")
