import time
from pathlib import Path

import pytest
from running_world import with_limits

from lumirage.core.errors import EngineError
from lumirage.running import supervision as supervise_module
from lumirage.running.runtimes.runtime_interface import Call
from lumirage.running.supervision import MAX_FILES, over_quota, supervise


class Process:
    """Ends after some seconds, or when it is killed."""

    def __init__(self, seconds: float, *, immortal: bool = False, memory: int | None = 100):
        self._until, self._immortal, self._memory = time.monotonic() + seconds, immortal, memory
        self.killed = False

    def ended(self, within_s: float) -> bool:
        until = time.monotonic() + within_s
        while not (done := (self.killed and not self._immortal) or time.monotonic() >= self._until):
            if time.monotonic() >= until:
                break
            time.sleep(0.001)
        return done

    def kill(self) -> None:
        self.killed = True

    def sample(self) -> int | None:
        return self._memory


class Watch:
    def __init__(self, stop_after_s: float = 1e9):
        self._stop_after_s = stop_after_s

    def started(self, at_s: float) -> None:
        self._began = at_s

    def output(self, chunk: bytes, at_s: float) -> None:
        raise AssertionError

    def reason_to_stop(self, now_s: float):
        return "timeout" if now_s - self._began > self._stop_after_s else None


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return Call(
        name="n", owner="o", image="i", output=tmp_path, limits=with_limits(output_bytes=50_000, memory_bytes=1000)
    )


def test_it_is_sampled_twenty_times_a_second(call: Call):
    watched = supervise(Process(0.5), call, Watch(), time.monotonic())
    assert watched.stopped is None
    assert 7 <= len(watched.timeline) <= 12
    assert watched.wall_s == pytest.approx(0.5, abs=0.2)


def test_even_the_shortest_has_one_sample(call: Call):
    assert len(supervise(Process(0.01), call, Watch(), time.monotonic()).timeline) >= 1


def test_a_reason_to_stop_kills(call: Call):
    process = Process(60)
    watched = supervise(process, call, Watch(0.1), time.monotonic())
    assert (watched.stopped, process.killed) == ("timeout", True)


def test_a_process_that_cannot_be_killed_is_the_engines_failure(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervise_module, "KILL_WITHIN_S", 0.1)
    with pytest.raises(EngineError, match="killed"):
        supervise(Process(60, immortal=True), call, Watch(0.1), time.monotonic())


def test_too_much_output_kills(call: Call):
    (call.output / "big").write_bytes(b"1" * 100_000)
    assert supervise(Process(60), call, Watch(), time.monotonic()).stopped == "quota"


def test_too_much_memory_kills_where_nobody_else_does(call: Call):
    assert supervise(Process(60, memory=2000), call, Watch(), time.monotonic(), memory_limit=True).stopped == "memory"
    assert supervise(Process(0.2, memory=2000), call, Watch(), time.monotonic()).stopped is None


def test_what_it_wrote_to_a_folder_in_memory_is_not_its_memory(call: Call, monkeypatch: pytest.MonkeyPatch):
    (call.output / "answer").write_bytes(b"1" * 40_960)
    process = Process(0.2, memory=41_960)
    assert {used for _, used in supervise(process, call, Watch(), time.monotonic()).timeline} == {41_960}
    monkeypatch.setattr(supervise_module, "in_memory", lambda _: True)
    process = Process(0.2, memory=41_960)
    assert supervise(process, call, Watch(), time.monotonic()).timeline[-1][1] == 1000


def test_quota_counts_blocks_and_follows_no_link(tmp_path: Path):
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"1" * 10**6)
    (out / "link").symlink_to(tmp_path / "elsewhere")
    (out / "loop").symlink_to(out)
    with (out / "sparse").open("wb") as file:
        file.truncate(10**12)
    (out / "deep" / "file").write_bytes(b"1" * 100_000)
    assert not over_quota(out, 200_000)
    assert over_quota(out, 90_000)


def test_quota_counts_files(tmp_path: Path):
    for i in range(MAX_FILES + 1):
        (tmp_path / str(i)).touch()
    assert over_quota(tmp_path, 2**40)


def test_files_in_folders_count_where_those_above_are_just_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervise_module, "MAX_FILES", 3)
    (tmp_path / "below").mkdir()
    for name in ("a", "b"):
        (tmp_path / name).touch()
    assert not over_quota(tmp_path, 10**9)
    (tmp_path / "below" / "c").touch()
    assert supervise_module.folder_use(tmp_path, 10**9)[1] == 4
    assert over_quota(tmp_path, 10**9)
