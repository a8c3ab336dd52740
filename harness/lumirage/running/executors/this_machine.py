"""Executes jobs on this machine: several containers at once within its CPUs, GPUs and memory. The main thread decides what
starts; worker threads prepare and execute; a queue returns their results."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lumirage.core.errors import BusyError, EngineError, GpuFaultError, LumirageError, UnavailableError
from lumirage.core.model import Job, Outcome, Run
from lumirage.running.executors.job_states import JobStates
from lumirage.running.executors.observer import BackgroundWork, Observer
from lumirage.running.executors.resource_slots import Resources, Slot, Slots
from lumirage.running.executors.spent_here import SpentHere
from lumirage.running.job_execution import RunContext, execute_job
from lumirage.running.method_contract import PairInput
from lumirage.running.resource_leases import Leases
from lumirage.running.runtimes.runtime_interface import Runtime, Stopped

PAUSES_S = (1.0, 4.0, 15.0)
"""Between attempts; then the engine has PATIENCE_S to answer again."""
PATIENCE_S = 60.0
PREPARING_BYTES = 8 * 2**30
OVERTAKEN_AT_MOST = 8
"""How many smaller jobs may pass a job before it gets its turn."""

Prepare = Callable[[Job], Mapping[str, PairInput]]
"""Gives the inputs of a job's pairs, made if they are not there; called from several threads."""


@dataclass(frozen=True)
class _BackgroundDone:
    """A piece of background work has ended."""

    slot: Slot


@dataclass(frozen=True)
class _WorkerEvent:
    """What a worker did."""

    what: Literal["prepared", "retried", "containers_ended", "recorded", "executed", "failed", "gpu_failed"]
    job: Job
    inputs: Mapping[str, PairInput] | None = None
    run: Run | None = None
    error: BaseException | None = None


class ThisMachine:
    """Executes jobs on this machine; `most` containers at once."""

    def __init__(self, runtime: Runtime, resources: Resources, most: int = 1, leases: Leases | None = None):
        self._runtime, self._slots, self._most = runtime, Slots(resources, most, leases or Leases()), most
        # as many as CPUs that containers leave free, or a fast method on a GPU waits for the next pair to be prepared
        self._ahead = max(most + 1, min(len(resources.cpus) - most, resources.memory_bytes // PREPARING_BYTES))
        self.spent = SpentHere()
        self._events: queue.SimpleQueue[_WorkerEvent | _BackgroundDone] = queue.SimpleQueue()

    def execute(
        self,
        jobs: Sequence[Job],
        prepare: Prepare,
        context: RunContext,
        observer: Observer,
        background: BackgroundWork | None = None,
    ) -> None:
        """Execute all jobs, starting them in order. Returns when all records are on disk. `background` works meanwhile on CPUs
        that no waiting job could use.

        Ctrl-C (KeyboardInterrupt) kills the containers at once and is raised again; a second Ctrl-C does not wait for them.
        Raises EngineError if the engine stays down, BusyError if the disk is full, UsageError or UnavailableError if this
        machine can never provide what a job needs.
        """
        for job in jobs:
            self._slots.require(job.limits)
        work = JobStates(deque(jobs))
        try:
            while work.unfinished:
                self._start_jobs(work, prepare, context, observer)
                if not work.unfinished:  # what was left cannot run any more
                    break
                self._start_background(work, background)
                idle = 0 if work.ready else min(self._most, work.unstarted + work.containers) - work.containers
                with self.spent.adding("waiting_s", idle):
                    event = self._events.get()
                self._handle(event, work, observer, background)
            while work.background_busy:
                self._handle(self._events.get(), work, observer, background)
            if work.engine_failed:  # it may have kept a container that it could not remove then
                self._runtime.remove_stale(context.owner)
        except BaseException:
            context.stop.set()
            if background:
                background.stop()
            while work.running or work.background_busy:
                self._handle_at_end(self._events.get(), work)
            raise

    def _start_jobs(self, work: JobStates, prepare: Prepare, context: RunContext, observer: Observer) -> None:
        for job, inputs in list(work.ready):
            if reason := self._never(job):  # its GPU failed meanwhile, and there is no other
                work.ready.remove((job, inputs))
                observer.job_left_out(job, reason)
                continue
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
            faults = tuple(str(fault) for fault in work.gpu_faults.get(job.id, ()))
            share = replace(context, cpus=slot.cpus, gpus=slot.gpus, shared=slot.shared, gpu_faults=faults)
            self._thread(self._execute, job, inputs, share)
        while work.waiting and len(work.preparing) + len(work.ready) < self._ahead:
            job = work.waiting.popleft()
            work.preparing.append(job.id)
            self._thread(self._prepare, job, prepare)

    def _never(self, job: Job) -> UnavailableError | None:
        """Why this machine cannot give any more what a job asks for."""
        try:
            self._slots.require(job.limits)
        except UnavailableError as error:
            return error
        return None

    def _start_background(self, work: JobStates, background: BackgroundWork | None) -> None:
        idle = work.containers >= self._most or not (work.waiting or work.preparing or work.ready)
        if background is None or work.background_busy or not idle or not work.unfinished or not background.has_work:
            return
        slot = self._slots.take_spare(background.memory_bytes)
        if slot is None:
            return
        work.background_busy = True

        def work_in_background() -> None:
            try:
                with self.spent.adding("scoring_s"):
                    background.work(slot.cpus[0])
            finally:
                self._events.put(_BackgroundDone(slot))

        threading.Thread(target=work_in_background, name="lumirage-helper", daemon=True).start()

    def _handle(
        self,
        event: _WorkerEvent | _BackgroundDone,
        work: JobStates,
        observer: Observer,
        background: BackgroundWork | None,
    ) -> None:
        if isinstance(event, _BackgroundDone):
            work.background_busy = False
            self._slots.give_back(event.slot)
            return
        match event.what:
            case "prepared":
                work.preparing.remove(event.job.id)
                work.ready.append((event.job, event.inputs or {}))
            case "retried":
                assert isinstance(event.error, EngineError)
                work.engine_failed = True
                observer.job_retried(event.job, event.error)
            case "containers_ended":
                work.judging.add(event.job.id)
                self._slots.end_container(work.running[event.job.id])
            case "recorded":
                self._tell_of_record(event, work, observer, background)
            case "executed":
                self._release(event.job, work)
            case "gpu_failed":
                self._again_on_another_gpu(event, work, observer)
            case "failed":
                self._release(event.job, work)
                if not isinstance(event.error, LumirageError) or isinstance(event.error, EngineError | BusyError):
                    raise event.error or RuntimeError("a worker failed without a reason")
                observer.job_left_out(event.job, event.error)

    def _tell_of_record(
        self, event: _WorkerEvent, work: JobStates, observer: Observer, background: BackgroundWork | None
    ) -> None:
        assert event.run is not None
        if event.run.outcome is not Outcome.OK:
            self._clear_suspects(event.job, work)
        observer.run_recorded(event.run)
        if background:
            background.recorded(event.run)

    def _again_on_another_gpu(self, event: _WorkerEvent, work: JobStates, observer: Observer) -> None:
        """A GPU that is lost is not used again. One of which only a log says so is set aside where there are others."""
        assert isinstance(event.error, GpuFaultError)
        self._slots.give_back(work.running.pop(event.job.id))
        work.gpu_faults.setdefault(event.job.id, []).append(event.error)
        if event.error.lost or self._slots.others(event.error.gpus) >= event.job.limits.gpus:
            self._slots.set_aside(event.error.gpus, str(event.error))
        observer.job_retried(event.job, event.error)
        work.ready.append((event.job, event.inputs or {}))

    def _clear_suspects(self, job: Job, work: JobStates) -> None:
        """A job that fails on another GPU too was not failed by the first, unless the driver has lost that one."""
        for fault in work.gpu_faults.get(job.id, ()):
            if not fault.lost:
                self._slots.take_in(fault.gpus)

    def _handle_at_end(self, event: _WorkerEvent | _BackgroundDone, work: JobStates) -> None:
        """Handle an event while the containers end; no new job is started."""
        if isinstance(event, _BackgroundDone):
            work.background_busy = False
            self._slots.give_back(event.slot)
        elif event.what in {"executed", "failed", "gpu_failed"}:
            self._release(event.job, work)

    def _release(self, job: Job, work: JobStates) -> None:
        if job.id in work.preparing:
            work.preparing.remove(job.id)
        work.judging.discard(job.id)
        slot = work.running.pop(job.id, None)
        if slot:
            self._slots.give_back(slot)

    def _thread(self, work: Callable[..., _WorkerEvent], job: Job, *arguments: object) -> None:
        def report() -> None:
            try:
                self._events.put(work(job, *arguments))
            except BaseException as error:  # noqa: BLE001 -- handed to the main thread, which raises it
                self._events.put(_WorkerEvent("failed", job, error=error))

        # Daemons: a second Ctrl-C must not wait for a container engine that hangs.
        threading.Thread(target=report, name=f"lumirage-{job.id}", daemon=True).start()

    def _prepare(self, job: Job, prepare: Prepare) -> _WorkerEvent:
        with self.spent.adding("preparation_s"):
            return _WorkerEvent("prepared", job, inputs=prepare(job))

    def _execute(self, job: Job, inputs: Mapping[str, PairInput], context: RunContext) -> _WorkerEvent:
        """Execute a job, again where the engine failed; recorded pairs are not repeated."""
        with self.spent.adding("method_s"):
            return self._execute_patiently(job, inputs, context)

    def _execute_patiently(self, job: Job, inputs: Mapping[str, PairInput], context: RunContext) -> _WorkerEvent:
        def recorded(run: Run) -> None:
            self._events.put(_WorkerEvent("recorded", job, run=run))

        def containers_ended() -> None:
            self._events.put(_WorkerEvent("containers_ended", job))

        for pause_s in PAUSES_S:
            try:
                execute_job(job, inputs, context, self._runtime, recorded, containers_ended)
            except GpuFaultError as error:
                return _WorkerEvent("gpu_failed", job, inputs=inputs, error=error)
            except EngineError as error:
                self._events.put(_WorkerEvent("retried", job, error=error))
                self._wait_for_engine(pause_s, context.stop)
            else:
                return _WorkerEvent("executed", job)
        try:
            execute_job(job, inputs, context, self._runtime, recorded, containers_ended)
        except GpuFaultError as error:
            return _WorkerEvent("gpu_failed", job, inputs=inputs, error=error)
        return _WorkerEvent("executed", job)

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
