"""One job, played by a script instead of a container: which pair gets what, and what is on disk when."""

import errno
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from running_world import (
    AFFINE,
    SHAPE,
    Actor,
    FakeRuntime,
    World,
    listed,
    outcomes,
    replaced,
    with_limits,
    write_field,
    write_nifti,
)

from lumirage.core.errors import BusyError, EngineError, UnavailableError
from lumirage.core.model import Convention, Outcome, Run, Usage
from lumirage.core.records import read_json
from lumirage.core.space import read_displacement
from lumirage.running.job_execution import remove_leftovers
from lumirage.running.runtimes.runtime_interface import CallResult, Stopped

OK = Outcome.OK


def answers(folder: Path, _: int) -> None:
    write_field(folder)


def test_a_good_job(world: World):
    world.add_pairs(2)
    runs = world.execute(world.job("x"), FakeRuntime(Actor(answers)))
    assert outcomes(runs) == [OK, OK]
    assert [run.wall_s for run in runs] == pytest.approx([1.0, 1.0])
    assert runs[0].load_s == pytest.approx(0.5)
    assert runs[1].load_s is None
    assert [run.cold for run in runs] == [True, False]
    for run in runs:
        files = world.files(run.pair)
        assert read_json(files.record, Run) == run
        field = read_displacement(files.field, Convention(), world.inputs[run.pair].prepared.grid)
        assert np.array_equal(field.u, np.full((*SHAPE, 3), 0.5, np.float32))
    assert world.files(runs[1].pair).memory.read_text() == "seconds\tbytes\n0.500\t7000\n"


def test_the_record_says_what_the_container_was_given(world: World):
    world.add_pairs(1)
    weights = world.root / "weights"
    weights.mkdir()
    sums = {"tiny": {"net.pt": "0123"}, "other": {"net.pt": "4567"}}
    world.context = replaced(world.context, cpus=(3,), gpus=("GPU-a",), weights={"tiny": weights}, weights_sha256=sums)
    job = world.job("x", limits=with_limits(pids=7))
    (run,) = world.execute(job, FakeRuntime(Actor(answers)))
    assert run.mounts == {"/in": "ro", "/out": "rw", "/weights": "ro"}
    assert (run.cpus, run.gpus, run.limits) == ((3,), ("GPU-a",), job.limits)
    assert (run.device, run.weights) == ("gpu", {"net.pt": "0123"})


def test_weights_that_are_gone_are_told_before_the_engine_is_asked(world: World):
    world.add_pairs(1)
    world.context = replaced(world.context, weights={"tiny": world.root / "nowhere"})
    runtime = FakeRuntime(Actor(answers))
    with pytest.raises(UnavailableError, match="weights of tiny are gone"):
        world.execute(world.job("x"), runtime)
    assert runtime.calls == []


def test_a_container_without_cpus_of_its_own_is_not_called_pinned(world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job("x"), FakeRuntime(Actor(answers)))
    assert run.isolation["cpus"].startswith("not held")


def test_the_words_of_another_pair_buy_no_time(world: World):
    """It says in time that the second begins, and goes on with the first."""
    world.add_pairs(2)

    def borrows(call, watch):
        began = time.monotonic()
        watch.started(began)
        first, second = listed(call)
        said = [("begin", first, 0.0), ("begin", second, 55.0), ("end", second, 100.0), ("end", first, 101.0)]
        for kind, pair, at in said:
            watch.output(f'@lumirage {{"event": "{kind}", "pair": "{pair}"}}\n'.encode(), began - 110 + at)
        for pair in (first, second):
            write_field(call.output / pair)
        return CallResult(Usage(wall_s=110.0, exit_code=0))

    first, second = world.execute(world.job("x", limits=with_limits(pair_timeout_s=60)), FakeRuntime(borrows))
    assert first.outcome is Outcome.TIMEOUT
    assert "60 s of a pair" in first.message
    assert first.wall_s == pytest.approx(110.0, abs=2.0)
    assert second.outcome is OK


def test_the_order_of_the_job_is_kept(world: World):
    pairs = world.add_pairs(5)
    shuffled = [pairs[i] for i in (3, 0, 4, 1, 2)]
    runs = world.execute(world.job("x", pairs=shuffled), FakeRuntime(Actor(answers)))
    assert [run.pair for run in runs] == shuffled


def test_a_death_takes_one_pair_and_the_rest_goes_on(world: World):
    world.add_pairs(4)
    runtime = FakeRuntime(Actor(answers, dies_at=1, exit_code=139, signal=11), Actor(answers))
    runs = world.execute(world.job("x"), runtime)
    assert outcomes(runs) == [OK, Outcome.CRASHED, OK, OK]
    assert len(runtime.calls) == 2
    assert [run.cold for run in runs] == [True, False, True, False]
    assert "the last words" in runs[1].log_tail
    assert "the last words" not in runs[0].log_tail


def test_without_events_the_first_pair_without_an_answer_is_the_lost_one(world: World):
    world.add_pairs(3)
    runtime = FakeRuntime(Actor(answers, events=False, dies_at=1, exit_code=2), Actor(answers, events=False))
    runs = world.execute(world.job("x"), runtime)
    assert outcomes(runs) == [OK, Outcome.FAILED, OK]
    assert runs[0].timed_by == "answers"
    assert runs[2].timed_by == "container"


def half_at(last: int):
    """Answers, of which the last is cut off; those after it were never begun."""

    def act(folder: Path, i: int) -> None:
        if i <= last:
            write_field(folder)
        if i == last:
            raw = (folder / "displacement.nii").read_bytes()
            (folder / "displacement.nii").write_bytes(raw[: len(raw) // 2])

    return act


def test_without_events_a_half_of_an_answer_is_of_the_pair_that_was_lost(world: World):
    world.add_pairs(3)
    runtime = FakeRuntime(Actor(half_at(1), events=False, exit_code=139, signal=11), Actor(answers, events=False))
    assert outcomes(world.execute(world.job("x"), runtime)) == [OK, Outcome.CRASHED, OK]
    assert len(runtime.calls) == 2


def test_without_events_ctrl_c_makes_no_result_of_a_half_written_answer(world: World):
    pairs = world.add_pairs(3)

    def interrupted(call, watch):
        ended = Actor(half_at(1), events=False, exit_code=137, signal=9)(call, watch)
        return CallResult(ended.usage, ended.timeline, interrupted=True)

    with pytest.raises(Stopped):
        world.execute(world.job("x"), FakeRuntime(interrupted))
    assert [world.files(pair).record.exists() for pair in pairs] == [True, False, False]


def test_a_method_that_dies_while_it_loads_fails_each_pair_once(world: World):
    world.add_pairs(3)
    runtime = FakeRuntime(Actor(answers, events=False, dies_at=0, exit_code=1))
    assert outcomes(world.execute(world.job("x"), runtime)) == [Outcome.FAILED] * 3
    assert len(runtime.calls) == 3


def test_a_bad_exit_code_after_the_last_pair_is_a_warning(world: World):
    world.add_pairs(2)
    runs = world.execute(world.job("x"), FakeRuntime(Actor(answers, exit_code=3)))
    assert outcomes(runs) == [OK, OK]
    assert all("exit code 3" in " ".join(run.warnings) for run in runs)


def test_what_has_a_record_is_not_done_again(world: World):
    first, second = world.add_pairs(2)
    world.execute(world.job("x", pairs=[first]), FakeRuntime(Actor(answers)))
    told: list[str] = []
    runs = world.execute(world.job("x"), FakeRuntime(Actor(answers)))
    assert [run.pair for run in runs] == [second]
    assert world.execute(world.job("x"), FakeRuntime()) == []
    assert told == []


def test_an_engine_that_fails_leaves_no_record(world: World):
    (pair,) = world.add_pairs(1)

    def fails(call, watch):
        raise EngineError("gone")

    with pytest.raises(EngineError):
        world.execute(world.job("x"), FakeRuntime(fails))
    assert not world.files(pair).record.exists()
    assert not list(world.layout.scratch("").iterdir())


def test_interrupted_the_pairs_that_had_ended_count_and_the_one_under_way_does_not(world: World):
    pairs = world.add_pairs(3)

    def interrupted(call, watch):
        ended = Actor(answers, dies_at=1, exit_code=137, signal=9)(call, watch)
        return CallResult(ended.usage, ended.timeline, interrupted=True)

    with pytest.raises(Stopped):
        world.execute(world.job("x"), FakeRuntime(interrupted))
    assert [world.files(pair).record.exists() for pair in pairs] == [True, False, False]


@pytest.mark.parametrize(
    ("exit_code", "told"), [(143, True), (3, True), (0, True), (143, False)], ids=["killed", "left", "gave up", "own"]
)
def test_a_method_that_was_told_to_stop_as_the_harness_was_is_no_result(world: World, exit_code: int, told: bool):
    pairs = world.add_pairs(3)

    def ends(call, watch):
        if told:
            world.context.stop.set()
        return Actor(answers, dies_at=1, exit_code=exit_code)(call, watch)

    runtime = FakeRuntime(ends, Actor(answers))
    if told:
        with pytest.raises(Stopped):
            world.execute(world.job("x"), runtime)
        assert [world.files(pair).record.exists() for pair in pairs] == [True, False, False]
    else:
        assert outcomes(world.execute(world.job("x"), runtime)) == [OK, Outcome.FAILED, OK]


def test_a_full_disk_is_not_the_methods_fault(world: World, monkeypatch: pytest.MonkeyPatch):
    (pair,) = world.add_pairs(1)
    monkeypatch.setattr("lumirage.running.job_execution.FULL_DISK_BYTES", 1 << 62)
    with pytest.raises(BusyError, match="full"):
        world.execute(world.job("x"), FakeRuntime(Actor(answers, dies_at=0, exit_code=1)))
    assert not world.files(pair).record.exists()


def test_a_disk_that_fills_while_a_record_is_written_leaves_none(world: World, monkeypatch: pytest.MonkeyPatch):
    (pair,) = world.add_pairs(1)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lumirage.running.run_records.write_displacement", full)
    with pytest.raises(BusyError, match="full"):
        world.execute(world.job("x"), FakeRuntime(Actor(answers)))
    assert not world.files(pair).record.exists()


def test_a_field_of_an_attempt_that_was_lost_does_not_stay_beside_a_failure(world: World):
    (pair,) = world.add_pairs(1)
    world.files(pair).field.parent.mkdir(parents=True)
    world.files(pair).field.write_bytes(b"half")
    world.execute(world.job("x"), FakeRuntime(Actor(lambda *_: None)))
    assert not world.files(pair).field.exists()


def test_the_true_field_is_given_to_methods_that_are_granted_it_only(world: World):
    (pair,) = world.add_pairs(1)
    truth = world.root / "truth.nii"
    write_nifti(truth, np.zeros((*SHAPE, 3), np.float32), AFFINE)
    world.inputs[pair] = type(world.inputs[pair])(world.inputs[pair].pair, world.inputs[pair].prepared, truth)
    given: list[bool] = []

    def looks(folder: Path, _: int) -> None:
        spec = json.loads((folder.parents[1] / "in" / "job.json").read_text())
        given.append("truth" in spec["pairs"][0])
        write_field(folder)

    job = world.job("x")
    world.execute(job, FakeRuntime(Actor(looks)))
    world.forget()
    granted = job.model_copy(update={"method": job.method.model_copy(update={"grants": ("truth",)})})
    world.execute(granted, FakeRuntime(Actor(looks)))
    assert given == [False, True]


def test_the_stop_is_told_to_the_runtime(world: World):
    world.add_pairs(1)
    stop = threading.Event()
    world.context = replaced(world.context, stop=stop)
    reasons = []

    def asks(call, watch):
        watch.started(0.0)
        reasons.append(watch.reason_to_stop(0.1))
        stop.set()
        reasons.append(watch.reason_to_stop(0.2))
        return Actor(answers)(call, watch)

    world.execute(world.job("x"), FakeRuntime(asks))
    assert reasons == [None, "interrupted"]


def test_what_a_dead_harness_left_is_cleared(world: World):
    left = world.layout.scratch(f"{world.owner}-lumirage-dead") / "out"
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    assert remove_leftovers(world.context, FakeRuntime()) == 0
    assert not left.exists()
