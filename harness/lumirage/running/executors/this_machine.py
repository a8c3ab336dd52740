"""Executes jobs on this machine: several containers at once within its CPUs, GPUs and memory.

The main thread decides, workers prepare and execute, one queue brings back what they did.
"""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from lumirage.core.errors import BusyError, EngineError, LumirageError, UnavailableError
from lumirage.core.model import Job, Run
from lumirage.running.executors.resource_leases import Leases
from lumirage.running.executors.resource_slots import Resources, Slot, Slots
from lumirage.running.job_execution import RunContext, execute_job
from lumirage.running.method_contract import PairInput
from lumirage.running.runtimes.call import Runtime, Stopped

PAUSES_S = (1.0, 4.0, 15.0)
"""Between attempts; then the engine has PATIENCE_S to answer again."""
PATIENCE_S = 60.0
OVERTAKEN_AT_MOST = 8
"""How often the executor looks for something smaller before it lets a job have its turn."""

Prepare = Callable[[Job], Mapping[str, PairInput]]
"""Gives the inputs of a job's pairs, made if they are not there; called from several threads."""


class Observer(Protocol):
    """Who is told how the work goes on; called from the thread that called `execute_jobs`."""

    def job_started(self, job: Job) -> None:
        """Its container is about to start."""

    def job_retried(self, job: Job, error: EngineError) -> None:
        """The engine failed and the job is tried again."""

    def run_recorded(self, run: Run) -> None:
        """A record was written; once for each run."""

    def job_left_out(self, job: Job, error: LumirageError) -> None:
        """It cannot be executed: its input is damaged, or its image is gone. The others go on."""


class Helper(Protocol):
    """Other work on what was recorded, done piece by piece on a CPU that would be idle."""

    memory_bytes: int

    @property
    def has_work(self) -> bool:
        """Whether there is a piece to do."""

    def recorded(self, run: Run) -> None:
        """A record was written."""

    def work(self, cpu: int) -> None:
        """Do a piece, on this CPU; called from a thread of its own. Raises nothing."""

    def stop(self) -> None:
        """Kill what it is at; from any thread."""


@dataclass(frozen=True)
class _Helped:
    """A piece of other work was done."""

    slot: Slot


@dataclass(frozen=True)
class _News:
    """What a worker did."""

    what: Literal["prepared", "retried", "recorded", "executed", "failed"]
    job: Job
    inputs: Mapping[str, PairInput] | None = None
    run: Run | None = None
    error: BaseException | None = None


class Here:
    """Executes jobs on this machine; `most` containers at once."""

    def __init__(self, runtime: Runtime, resources: Resources, most: int = 1, leases: Leases | None = None):
        self._runtime, self._slots, self._most = runtime, Slots(resources, most, leases or Leases()), most
        self._news: queue.SimpleQueue[_News | _Helped] = queue.SimpleQueue()

    def execute(
        self,
        jobs: Sequence[Job],
        prepare: Prepare,
        context: RunContext,
        observer: Observer,
        helper: Helper | None = None,
    ) -> None:
        """Execute all jobs, started in their order; returns when all records are on disk. `helper` works meanwhile where
        that takes no CPU from a job that could run.

        Ctrl-C (KeyboardInterrupt) kills the containers at once and is raised again; a second one does not wait for that.
        Raises EngineError when the engine stays down, BusyError when the disk is full, UsageError or UnavailableError
        when this machine can never give what a job asks for.
        """
        for job in jobs:
            self._slots.require(job.limits)
        work = _Work(deque(jobs))
        try:
            while work.unfinished:
                self._begin_what_fits(work, prepare, context, observer)
                self._let_help(work, helper)
                self._hear(self._news.get(), work, observer, helper)
            while work.helping:
                self._hear(self._news.get(), work, observer, helper)
            if work.engine_failed:  # it may have kept a container that it could not remove then
                self._runtime.remove_stale(context.owner)
        except BaseException:
            context.stop.set()
            if helper:
                helper.stop()
            while work.running or work.helping:
                self._hear_last(self._news.get(), work)
            raise

    def _begin_what_fits(self, work: "_Work", prepare: Prepare, context: RunContext, observer: Observer) -> None:
        for job, inputs in list(work.ready):
            slot = self._slots.take(job.limits)
            if slot is None:
                # A job that waits for a GPU or for several CPUs lets others pass, but not for ever.
                work.overtaken[job.id] += 1
                if work.overtaken[job.id] > OVERTAKEN_AT_MOST:
                    break
                continue
            work.ready.remove((job, inputs))
            work.running[job.id] = slot
            observer.job_started(job)
            share = replace(context, cpus=slot.cpus, gpus=slot.gpus, shared=slot.shared)
            self._thread(self._execute, job, inputs, share)
        while work.waiting and len(work.preparing) + len(work.ready) < self._most + 1:
            job = work.waiting.popleft()
            work.preparing.append(job.id)
            self._thread(self._prepare, job, prepare)

    def _let_help(self, work: "_Work", helper: Helper | None) -> None:
        idle = len(work.running) >= self._most or not (work.waiting or work.preparing or work.ready)
        if helper is None or work.helping or not idle or not work.unfinished or not helper.has_work:
            return
        slot = self._slots.take_spare(helper.memory_bytes)
        if slot is None:
            return
        work.helping = True

        def help_out() -> None:
            try:
                helper.work(slot.cpus[0])
            finally:
                self._news.put(_Helped(slot))

        threading.Thread(target=help_out, name="lumirage-helper", daemon=True).start()

    def _hear(self, news: _News | _Helped, work: "_Work", observer: Observer, helper: Helper | None) -> None:
        if isinstance(news, _Helped):
            work.helping = False
            self._slots.give_back(news.slot)
            return
        match news.what:
            case "prepared":
                work.preparing.remove(news.job.id)
                work.ready.append((news.job, news.inputs or {}))
            case "retried":
                assert isinstance(news.error, EngineError)
                work.engine_failed = True
                observer.job_retried(news.job, news.error)
            case "recorded":
                assert news.run is not None
                observer.run_recorded(news.run)
                if helper:
                    helper.recorded(news.run)
            case "executed":
                self._slots.give_back(work.running.pop(news.job.id))
            case "failed":
                self._forget(news.job, work)
                if not isinstance(news.error, LumirageError) or isinstance(news.error, EngineError | BusyError):
                    raise news.error or RuntimeError("a worker failed without a reason")
                observer.job_left_out(news.job, news.error)

    def _hear_last(self, news: _News | _Helped, work: "_Work") -> None:
        """While the containers end: nothing new is begun."""
        if isinstance(news, _Helped):
            work.helping = False
            self._slots.give_back(news.slot)
        elif news.what in {"executed", "failed"}:
            self._forget(news.job, work)

    def _forget(self, job: Job, work: "_Work") -> None:
        if job.id in work.preparing:
            work.preparing.remove(job.id)
        slot = work.running.pop(job.id, None)
        if slot:
            self._slots.give_back(slot)

    def _thread(self, work: Callable[..., _News], job: Job, *arguments: object) -> None:
        def report() -> None:
            try:
                self._news.put(work(job, *arguments))
            except BaseException as error:  # noqa: BLE001 -- handed to the main thread, which raises it
                self._news.put(_News("failed", job, error=error))

        # Daemons: a second Ctrl-C must not wait for a container engine that hangs.
        threading.Thread(target=report, name=f"lumirage-{job.id}", daemon=True).start()

    def _prepare(self, job: Job, prepare: Prepare) -> _News:
        return _News("prepared", job, inputs=prepare(job))

    def _execute(self, job: Job, inputs: Mapping[str, PairInput], context: RunContext) -> _News:
        """Again where the engine failed: what was recorded before is not done again."""

        def recorded(run: Run) -> None:
            self._news.put(_News("recorded", job, run=run))

        for pause_s in PAUSES_S:
            try:
                execute_job(job, inputs, context, self._runtime, recorded)
            except EngineError as error:
                self._news.put(_News("retried", job, error=error))
                self._wait_for_engine(pause_s, context.stop)
            else:
                return _News("executed", job)
        execute_job(job, inputs, context, self._runtime, recorded)
        return _News("executed", job)

    def _wait_for_engine(self, pause_s: float, stop: threading.Event) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            if stop.wait(pause_s):
                raise Stopped
            try:
                self._runtime.check()
            except UnavailableError as error:
                if time.monotonic() > until:
                    raise EngineError(f"the container engine went away and did not come back: {error}") from error
            else:
                return


@dataclass
class _Work:
    """Where each job is."""

    waiting: deque[Job]

    def __post_init__(self) -> None:
        self.preparing: list[str] = []
        self.ready: list[tuple[Job, Mapping[str, PairInput]]] = []
        self.running: dict[str, Slot] = {}
        self.overtaken = Counter[str]()
        self.engine_failed = False
        self.helping = False

    @property
    def unfinished(self) -> bool:
        """Whether there is anything left to hear of or to begin."""
        return bool(self.waiting or self.preparing or self.ready or self.running)
