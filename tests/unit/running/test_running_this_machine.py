"""The executor of this machine, with scripts instead of containers."""

import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from running_world import Actor, FakeRuntime, World, with_limits, write_field

from lumirage.core.errors import BusyError, DataError, EngineError, UnavailableError, UsageError
from lumirage.core.model import Job, Run, Usage
from lumirage.core.records import read_json
from lumirage.running import job_execution
from lumirage.running.executors import this_machine as here_module
from lumirage.running.executors.resource_slots import Resources
from lumirage.running.executors.this_machine import ThisMachine
from lumirage.running.resource_leases import Leases
from lumirage.running.runtimes.runtime_interface import CallResult

MACHINE = Resources(cpus=(0, 1), memory_bytes=2**33)
GOOD = Actor(lambda folder, _: write_field(folder))


class Notes:
    """An observer that remembers."""

    def __init__(self):
        self.heard: list[tuple[str, str]] = []

    def job_started(self, job):
        self.heard.append(("started", job.id))

    def job_retried(self, job, error):
        self.heard.append(("retried", job.id))

    def run_recorded(self, run):
        self.heard.append(("recorded", run.pair))

    def job_left_out(self, job, error):
        self.heard.append(("left out", job.id))

    def of(self, what: str) -> list[str]:
        return [name for word, name in self.heard if word == what]


class Slow:
    """Counts how many run at once; each takes `seconds` and may be stopped."""

    def __init__(self, seconds: float):
        self.seconds, self.now, self.most, self.lock = seconds, 0, 0, threading.Lock()
        self.cpus: list[tuple[int, ...]] = []
        self.busy: set[int] = set()

    def __call__(self, call, watch):
        with self.lock:
            self.busy.update(call.cpus)
            self.now += 1
            self.most = max(self.most, self.now)
            self.cpus.append(call.cpus)
        try:
            watch.started(time.monotonic())
            until = time.monotonic() + self.seconds
            while time.monotonic() < until:
                if watch.reason_to_stop(time.monotonic()):
                    return CallResult(Usage(wall_s=1.0, exit_code=137, signal=9), interrupted=True)
                time.sleep(0.01)
            return GOOD(call, watch)
        finally:
            with self.lock:
                self.busy.difference_update(call.cpus)
                self.now -= 1


def jobs(world: World, count: int, **limits: object) -> list[Job]:
    return [world.job("x", pairs=[pair], limits=with_limits(**limits)) for pair in world.add_pairs(count)]


def execute(world: World, runtime: FakeRuntime, todo: Iterable[Job], most: int = 2, prepare=None) -> Notes:
    notes = Notes()
    ThisMachine(runtime, MACHINE, most).execute(list(todo), prepare or (lambda job: world.inputs), world.context, notes)
    return notes


def test_all_is_done_in_order_and_told(world: World):
    todo = jobs(world, 5)
    notes = execute(world, FakeRuntime(GOOD), todo, most=1)
    assert notes.of("started") == [job.id for job in todo]
    assert sorted(notes.of("recorded")) == sorted(world.inputs)
    assert all(world.files(pair).record.exists() for pair in world.inputs)


def test_as_many_at_once_as_there_are_cpus(world: World):
    slow = Slow(0.15)
    execute(world, FakeRuntime(slow), jobs(world, 6), most=5)
    assert slow.most == 2
    assert set(slow.cpus) == {(0,), (1,)}


@pytest.mark.parametrize(("cpus", "at_once"), [((0, 1), True), ((0,), False)])
def test_a_gpu_is_given_on_while_the_answer_is_judged_on_a_cpu_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch, cpus: tuple[int, ...], at_once: bool
):
    """On one CPU the next method would be measured while its answer's judge takes its time: there it waits."""
    started: list[tuple[tuple[int, ...], tuple[str, ...]]] = []
    judged: list[int] = []
    judge = job_execution.record_runs

    def starts(call, watch):
        started.append((call.cpus, call.gpus))
        return GOOD(call, watch)

    def judge_slowly(*arguments):
        until = time.monotonic() + (10.0 if at_once else 0.5)
        while len(started) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        judged.append(len(started))
        return judge(*arguments)

    monkeypatch.setattr(job_execution, "record_runs", judge_slowly)
    machine = Resources(cpus=cpus, memory_bytes=2**33, gpus=("GPU-a",))
    notes = Notes()
    executor = ThisMachine(FakeRuntime(starts), machine, 1)
    executor.execute(jobs(world, 2, gpus=1), lambda job: world.inputs, world.context, notes)
    assert judged == [2 if at_once else 1, 2]
    assert started == [((0,), ("GPU-a",)), ((1,) if at_once else (0,), ("GPU-a",))]
    assert len(notes.of("recorded")) == 2


def test_a_cpu_that_another_harness_uses_is_confessed(world: World, tmp_path: Path):
    leases = Leases(str(tmp_path))
    leases.take(["CPU 1"], 1)
    todo = jobs(world, 2)
    ThisMachine(FakeRuntime(Slow(0.3)), MACHINE, 2, Leases(str(tmp_path))).execute(
        todo, lambda job: world.inputs, world.context, Notes()
    )
    records = [read_json(world.files(pair).record, Run) for pair in world.inputs]
    warned = [w for run in records for w in run.warnings if "another harness" in w]
    assert warned == ["CPU 1 also used by another harness: times are too long"]


def test_a_large_job_waits_and_is_not_starved(world: World):
    todo = jobs(world, 30)
    todo[2] = todo[2].model_copy(update={"limits": with_limits(cpus=2)})
    notes = execute(world, FakeRuntime(Slow(0.03)), todo)
    assert sorted(notes.of("started")) == sorted(job.id for job in todo)
    assert notes.of("started").index(todo[2].id) < 20


def test_preparation_overlaps_with_running(world: World):
    slow, seen = Slow(0.2), []

    def prepare(job):
        time.sleep(0.1)
        seen.append(slow.now)
        return world.inputs

    execute(world, FakeRuntime(slow), jobs(world, 4), most=1, prepare=prepare)
    assert max(seen) == 1


def test_damaged_input_leaves_one_job_out(world: World):
    todo = jobs(world, 3)

    def prepare(job):
        if job is todo[1]:
            raise DataError("damaged")
        return world.inputs

    notes = execute(world, FakeRuntime(GOOD), todo, prepare=prepare)
    assert notes.of("left out") == [todo[1].id]
    assert len(notes.of("recorded")) == 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here_module, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(here_module, "PATIENCE_S", 0.05)


def breaks(call, watch):
    raise EngineError("the daemon was killed")


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_comes_back_costs_nothing(world: World):
    notes = execute(world, FakeRuntime(breaks, breaks, GOOD), jobs(world, 2), most=1)
    assert len(notes.of("retried")) == 2
    assert sorted(notes.of("recorded")) == sorted(world.inputs)


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_breaks_again_and_again_is_an_error_and_never_a_result(world: World):
    with pytest.raises(EngineError):
        execute(world, FakeRuntime(breaks), jobs(world, 3))
    assert not any(world.files(pair).record.exists() for pair in world.inputs)


@pytest.mark.usefixtures("impatient")
def test_an_engine_that_stays_away_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch):
    runtime = FakeRuntime(breaks)

    def away():
        raise UnavailableError("no engine")

    monkeypatch.setattr(runtime, "check", away)
    with pytest.raises(EngineError, match="did not come back"):
        execute(world, runtime, jobs(world, 1))


def test_a_full_disk_stops_all(world: World):
    def full(call, watch):
        raise BusyError("full")

    with pytest.raises(BusyError):
        execute(world, FakeRuntime(full), jobs(world, 4))


def test_a_job_that_never_fits_is_refused_before_anything_starts(world: World):
    runtime = FakeRuntime(GOOD)
    todo = [*jobs(world, 1), world.job("x", limits=with_limits(cpus=3))]
    with pytest.raises(UsageError):
        execute(world, runtime, todo)
    assert runtime.calls == []


def test_ctrl_c_stops_at_once_and_what_was_done_is_kept(world: World):
    todo = jobs(world, 4)
    slow = Slow(30.0)
    runtime = FakeRuntime(GOOD, slow)
    threading.Timer(0.6, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        execute(world, runtime, todo, most=1)
    assert time.monotonic() - before < 5
    assert [world.files(pair).record.exists() for pair in world.inputs] == [True, False, False, False]
    assert slow.now == 0


def test_a_bug_is_not_swallowed(world: World):
    def bug(call, watch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        execute(world, FakeRuntime(bug), jobs(world, 2))


class Helping:
    """Other work: a piece for each record, each of 0.15 s, on the CPU it is told."""

    memory_bytes = 2**20

    def __init__(self, methods: Slow | None = None):
        self.waiting = self.done = 0
        self.clashes: list[int] = []
        self.beside: list[int] = []
        self.methods = methods or Slow(0)
        self.stopped = threading.Event()

    @property
    def has_work(self):
        return self.waiting > 0

    def recorded(self, run):
        self.waiting += 1

    def work(self, cpu):
        self.waiting -= 1
        self.stopped.wait(0.15)  # it may begin between two methods
        self.beside.append(self.methods.now)
        self.clashes += [cpu] * (cpu in self.methods.busy)
        self.done += 1

    def stop(self):
        self.stopped.set()


def help_with(world: World, count: int, most: int, background: Helping, slow: Slow) -> None:
    ThisMachine(
        FakeRuntime(slow), MACHINE, most, Leases(f"test-{os.getpid()}")
    ).execute(  # others may hold the machine's own
        jobs(world, count, cpus=1), lambda job: world.inputs, world.context, Notes(), background
    )


def test_other_work_is_done_beside_methods_and_on_another_cpu(world: World):
    slow = Slow(0.5)
    background = Helping(slow)
    help_with(world, 3, 1, background, slow)
    assert background.done >= 2, "for each record that another method runs after"
    assert background.beside[:2] == [1, 1]
    assert background.clashes == []


def test_other_work_takes_no_cpu_that_a_method_could_have(world: World):
    slow = Slow(0.2)
    background = Helping(slow)
    help_with(world, 6, 2, background, slow)
    assert slow.most == 2
    assert max(background.beside, default=1) <= 1, "it may work beside the last one alone"


def test_ctrl_c_stops_other_work_too(world: World, monkeypatch: pytest.MonkeyPatch):
    background = Helping()
    background.work = lambda cpu: background.stopped.wait(60)
    notes = Notes()

    def interrupted(run):
        background.waiting += 1
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    background.recorded = interrupted
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ThisMachine(FakeRuntime(Slow(1.0)), MACHINE, 1, Leases(f"test-{os.getpid()}")).execute(
            jobs(world, 3, cpus=1), lambda job: world.inputs, world.context, notes, background
        )
    assert background.stopped.is_set()
    assert time.monotonic() - began < 20


def test_pairs_are_prepared_on_the_cpus_that_a_fast_method_on_a_gpu_leaves_free(world: World):
    """Preparing takes longer than registering: one pair ahead would leave the GPU idle. Seven of eight CPUs are free."""
    machine = Resources(cpus=tuple(range(8)), memory_bytes=2**37, gpus=("GPU-a",))
    together = threading.Barrier(7)

    def prepare(job):
        together.wait(timeout=60)  # passes when seven prepare at once, else it is broken and the test fails
        return world.inputs

    here = ThisMachine(FakeRuntime(GOOD), machine, 1)
    here.execute(jobs(world, 14, gpus=1), prepare, world.context, Notes())
    assert here.spent.total.method_s > 0
    assert all(world.files(pair).record.exists() for pair in world.inputs)


def test_waiting_is_counted_where_nothing_is_prepared(world: World):
    def prepare(job):
        time.sleep(0.2)
        return world.inputs

    here = ThisMachine(FakeRuntime(GOOD), MACHINE, 2)
    began = time.monotonic()
    here.execute(jobs(world, 1), prepare, world.context, Notes())
    all_s = time.monotonic() - began  # a busy machine makes it longer, and waiting with it
    assert 0.19 < here.spent.total.waiting_s <= all_s, "one job is left: one place is waited for, not two"
