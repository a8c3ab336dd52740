"""A GPU that fails is no result about the method: its run is tried on another, and that GPU is given out no more."""

import pytest
from running_world import Actor, FakeRuntime, World, with_limits, write_field

from lumirage.core.errors import GpuFaultError
from lumirage.core.model import Job, Outcome, Run, Usage
from lumirage.running import job_execution
from lumirage.running.executors.resource_slots import Resources
from lumirage.running.executors.this_machine import ThisMachine
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Watch

FELL = b"NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n"
GOOD = Actor(lambda folder, _: write_field(folder))


class OnGpus:
    """Fails with these words on these GPUs, and goes well elsewhere."""

    def __init__(self, bad: set[str], words: bytes = FELL):
        self.bad, self.words, self.seen = bad, words, list[tuple[str, ...]]()

    def __call__(self, call: Call, watch: Watch) -> CallResult:
        self.seen.append(call.gpus)
        if not self.bad & set(call.gpus):
            return GOOD(call, watch)
        watch.started(0.0)
        watch.output(self.words, 0.5)
        return CallResult(Usage(wall_s=1.0, exit_code=1))


class Notes:
    """An observer that remembers."""

    def __init__(self):
        self.runs: list[Run] = []
        self.faults: list[str] = []
        self.left_out: list[str] = []

    def job_started(self, job: Job) -> None: ...

    def job_retried(self, job: Job, error: Exception) -> None:
        assert isinstance(error, GpuFaultError)
        self.faults.append(str(error))

    def run_recorded(self, run: Run) -> None:
        self.runs.append(run)

    def job_left_out(self, job: Job, error: Exception) -> None:
        self.left_out.append(str(error))


def execute(world: World, script: OnGpus, gpus: tuple[str, ...], pairs: int = 3) -> Notes:
    notes = Notes()
    jobs = [world.job("x", pairs=[pair], limits=with_limits(gpus=1)) for pair in world.add_pairs(pairs)]
    machine = Resources(cpus=(0, 1), memory_bytes=2**33, gpus=gpus)
    ThisMachine(FakeRuntime(script), machine, 1).execute(jobs, lambda _: world.inputs, world.context, notes)
    return notes


def test_the_run_is_tried_on_another_gpu_and_the_first_is_given_out_no_more(world: World):
    script = OnGpus({"GPU-a"})
    notes = execute(world, script, ("GPU-a", "GPU-b"))
    assert [run.outcome for run in notes.runs] == [Outcome.OK] * 3
    assert script.seen == [("GPU-a",), ("GPU-b",), ("GPU-b",), ("GPU-b",)]
    assert notes.faults == ["GPU GPU-a failed: the method's log says: NVRM: Xid ("]
    told = [run for run in notes.runs if any("GPU-a failed" in warning for warning in run.warnings)]
    assert len(told) == 1


def test_a_method_that_says_so_on_every_gpu_has_failed_and_costs_the_others_none(world: World):
    script = OnGpus({"GPU-a", "GPU-b"}, b"CUDA driver version is insufficient for CUDA runtime version\n")
    notes = execute(world, script, ("GPU-a", "GPU-b"), pairs=2)
    assert [run.outcome for run in notes.runs] == [Outcome.FAILED] * 2
    assert notes.left_out == []
    assert {gpu for (gpu,) in script.seen} == {"GPU-a", "GPU-b"}


def test_where_there_is_one_gpu_it_is_tried_once_more(world: World):
    script = OnGpus({"GPU-a"})
    notes = execute(world, script, ("GPU-a",), pairs=1)
    assert [run.outcome for run in notes.runs] == [Outcome.FAILED]
    assert len(script.seen) == 2


def test_a_gpu_that_the_driver_lost_is_used_no_more_whatever_the_log_says(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job_execution, "broken", lambda gpus: tuple(gpu for gpu in gpus if gpu == "GPU-a"))
    notes = execute(world, OnGpus({"GPU-a"}, b"Segmentation fault\n"), ("GPU-a", "GPU-b"))
    assert [run.outcome for run in notes.runs] == [Outcome.OK] * 3
    assert notes.faults == ["GPU GPU-a failed: the driver does not show it any more"]


def test_when_the_last_gpu_is_lost_the_rest_is_left_out_and_says_why(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_execution, "broken", tuple)
    notes = execute(world, OnGpus({"GPU-a"}), ("GPU-a",))
    assert notes.runs == []
    assert len(notes.left_out) == 3
    assert all("GPU GPU-a failed" in reason for reason in notes.left_out)
