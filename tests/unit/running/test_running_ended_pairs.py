"""Pairs of a batch are recorded when they end: a script plays the container, and looks at the tree while it runs."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from running_world import AFFINE, SHAPE, FakeRuntime, World, listed, outcomes, with_limits, write_field, write_nifti

from lumirage.core.checksums import file_checksum
from lumirage.core.errors import EngineError, PausedError
from lumirage.core.model import Outcome, Run, Usage
from lumirage.core.records import read_json
from lumirage.core.space import read_volume
from lumirage.running.ended_pairs import _copy
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Watch

PATIENCE_S = 10.0
Act = Callable[[Path], None]


class Batch:
    """A container with two pairs: the first is begun, done and ended; `between` happens; then the second likewise.

    `early` is what the record of the first said while the container ran; None where there was none for `waits_s`.
    """

    def __init__(
        self, world: World, first: Act = write_field, between: Act = lambda _: None, waits_s: float = PATIENCE_S
    ):
        self._world, self._first, self._between, self._waits_s = world, first, between, waits_s
        self.early: Run | None = None

    def __call__(self, call: Call, watch: Watch) -> CallResult:
        watch.started(time.monotonic())
        for number, (name, act) in enumerate(zip(listed(call), (self._first, write_field), strict=False)):
            watch.output(f'@lumirage {{"event": "begin", "pair": "{name}"}}\n'.encode(), time.monotonic())
            act(call.output / name)
            watch.output(f'@lumirage {{"event": "end", "pair": "{name}"}}\n'.encode(), time.monotonic())
            if number == 0:
                self.early = self._look()
                self._between(call.output / name)
        return CallResult(Usage(wall_s=3.0, exit_code=0, cpu_s=2.0, peak_memory_bytes=7), ((0.0, 7),))

    def _look(self) -> Run | None:
        record = self._world.files(next(iter(self._world.inputs))).record
        until = time.monotonic() + self._waits_s
        while not record.exists() and time.monotonic() < until:
            time.sleep(0.005)
        return read_json(record, Run) if record.exists() else None


@pytest.fixture
def two(world: World) -> World:
    world.add_pairs(2)
    return world


def test_the_record_is_there_while_the_container_runs_and_is_completed_when_it_ends(two: World):
    batch = Batch(two)
    first, second = two.execute(two.job("x"), FakeRuntime(batch))
    early = batch.early
    assert early is not None
    assert early.outcome is Outcome.OK
    assert not early.container_ended
    assert (early.usage.cpu_s, early.usage.peak_memory_bytes, early.usage.exit_code) == (None, None, None)
    assert early.usage.cpu_how == early.usage.memory_how == "absent: its container had not ended when this was written"
    assert early.warnings == (
        "its container had not ended when this was written: its CPU time and memory are not known",
    )
    assert first.container_ended
    assert (first.usage.cpu_s, first.usage.peak_memory_bytes, first.warnings) == (2.0, 7, ())
    same = ("wall_s", "load_s", "answer_sha256", "answer_bytes", "timed_by", "started", "pairs_in_job", "phases_s")
    assert {name: getattr(first, name) for name in same} == {name: getattr(early, name) for name in same}
    assert second.container_ended
    files = two.files(first.pair)
    assert read_json(files.record, Run) == first
    assert first.checksums == {name: file_checksum(getattr(files, name)) for name in ("field", "log", "memory")}


def test_a_pair_alone_in_its_container_is_recorded_with_it(world: World):
    world.add_pairs(1)
    batch = Batch(world, waits_s=0.3)
    assert outcomes(world.execute(world.job("x"), FakeRuntime(batch))) == [Outcome.OK]
    assert batch.early is None


@pytest.mark.parametrize("failure", [EngineError("gone"), PausedError("paused")])
def test_an_engine_that_fails_costs_the_pairs_that_had_ended_nothing_unless_it_was_paused(
    two: World, failure: EngineError
):
    def fails(_: Path) -> None:
        raise failure

    batch, told = Batch(two, between=fails), []
    job, pair = two.job("x"), next(iter(two.inputs))
    from lumirage.running.job_execution import execute_job

    with pytest.raises(EngineError):
        execute_job(job, two.inputs, two.context, FakeRuntime(batch), told.append)
    paused = isinstance(failure, PausedError)
    assert told == ([] if paused else [batch.early])
    assert two.files(pair).record.exists() != paused
    again = two.execute(job, FakeRuntime(Batch(two)))
    assert len(again) == (2 if paused else 1)
    assert not list(two.context.scratch.iterdir())


def test_an_answer_that_is_changed_afterwards_is_judged_again(two: World):
    """And its time goes on to the change, as where nobody had looked before."""

    def changes(folder: Path) -> None:
        time.sleep(0.6)
        write_field(folder, value=0.25)

    batch = Batch(two, between=changes)
    first, _ = two.execute(two.job("x"), FakeRuntime(batch))
    assert batch.early is not None
    assert first.answer_sha256 != batch.early.answer_sha256
    assert first.wall_s is not None
    assert first.wall_s > 0.5
    assert any("after the method reported its end" in warning for warning in first.warnings)
    assert read_volume_of(two, first.pair) == pytest.approx(0.25)
    assert first.checksums["field"] == file_checksum(two.files(first.pair).field)


def read_volume_of(world: World, pair: str) -> float:
    return float(np.frombuffer(world.files(pair).field.read_bytes()[352:], "<f4").mean())


def test_an_answer_that_is_spoiled_afterwards_is_no_answer(two: World):
    batch = Batch(two, between=lambda folder: (folder / "displacement.nii").write_bytes(b"spoiled"))
    first, second = two.execute(two.job("x"), FakeRuntime(batch))
    assert batch.early is not None
    assert (first.outcome, second.outcome) == (Outcome.INVALID_ANSWER, Outcome.OK)
    assert not two.files(first.pair).field.exists()
    assert "field" not in first.checksums


def link(folder: Path) -> None:
    (folder / "elsewhere.nii").write_bytes(b"")
    (folder / "displacement.nii").symlink_to(folder / "elsewhere.nii")


def half(folder: Path) -> None:
    write_field(folder)
    whole = (folder / "displacement.nii").read_bytes()
    (folder / "displacement.nii").write_bytes(whole[: len(whole) // 2])


def pipe(folder: Path) -> None:
    import os

    os.mkfifo(folder / "displacement.nii")


def hard_link(folder: Path) -> None:
    write_field(folder)
    (folder / "other").hardlink_to(folder / "displacement.nii")


def linked_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(folder.with_name("moved"))
    write_field(folder.with_name("moved"))


@pytest.mark.parametrize("act", [link, half, pipe, hard_link, linked_folder, lambda folder: None])
def test_what_is_no_valid_answer_is_left_to_the_end(two: World, act: Act):
    batch = Batch(two, first=act, waits_s=0.3)
    first, second = two.execute(two.job("x"), FakeRuntime(batch))
    assert batch.early is None
    assert first.outcome in {Outcome.INVALID_ANSWER, Outcome.NO_ANSWER}
    assert second.outcome is Outcome.OK


def test_a_pair_that_took_too_long_is_left_to_the_end(two: World):
    def slow(folder: Path) -> None:
        time.sleep(0.8)
        write_field(folder)

    batch = Batch(two, first=slow, waits_s=0.3)
    first, _ = two.execute(two.job("x", limits=with_limits(pair_timeout_s=0.2)), FakeRuntime(batch))
    assert batch.early is None
    assert first.outcome is Outcome.TIMEOUT


def test_a_moved_image_and_notes_are_judged_with_the_copy(two: World):
    def full(folder: Path) -> None:
        write_field(folder, value=0.0)
        moving = next(iter(two.inputs.values())).prepared.moving
        write_nifti(folder / "moved.nii", read_volume(moving).data.reshape(SHAPE), AFFINE)
        (folder / "info.json").write_text('{"steps": 3}')

    batch = Batch(two, first=full)
    first, _ = two.execute(two.job("x"), FakeRuntime(batch))
    assert batch.early is not None
    assert batch.early.moved_correlation == first.moved_correlation == pytest.approx(1.0)
    assert batch.early.info == first.info == {"steps": 3}


def test_a_copy_has_the_files_content_and_never_more_than_it_had(tmp_path: Path):
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer" / "field.nii").write_bytes(b"abc" * 2**19)
    assert _copy(tmp_path / "answer", "field.nii", tmp_path / "copies", 3 * 2**19)
    assert (tmp_path / "copies" / "field.nii").read_bytes() == b"abc" * 2**19
    assert not _copy(tmp_path / "answer", "absent.nii", tmp_path / "copies", 7)
    with pytest.raises(OSError, match="no plain file of its own, or too large"):
        _copy(tmp_path / "answer", "field.nii", tmp_path / "copies", 3 * 2**19 - 1)
