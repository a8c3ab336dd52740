from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.running import runtimes
from lumirage.running.runtimes import choose
from lumirage.running.runtimes.apptainer import _WithTmpQuota
from lumirage.running.runtimes.docker_state import seconds
from lumirage.running.runtimes.local import LocalRuntime, _command


class Absent:
    name = "docker"

    def check(self) -> None:
        raise UnavailableError("no engine answers; start Docker")


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(UsageError, match="unknown runtime 'dokcer'; did you mean 'docker'"):
        choose("dokcer")


def test_auto_takes_the_first_that_works_and_says_why_not_the_others(tmp_path, monkeypatch):
    monkeypatch.setitem(runtimes.RUNTIMES, "docker", lambda _: Absent())
    monkeypatch.setattr(runtimes, "RUNTIMES", {"docker": lambda _: Absent(), "local": lambda _: LocalRuntime()})
    runtime, refused = choose("auto", tmp_path)
    assert runtime.name == "local"
    assert refused == ["docker: no engine answers; start Docker"]


def test_a_runtime_that_was_asked_for_and_does_not_work_is_an_error(monkeypatch):
    monkeypatch.setitem(runtimes.RUNTIMES, "docker", lambda _: Absent())
    with pytest.raises(UnavailableError, match="start Docker"):
        choose("docker")


def test_nothing_works(monkeypatch):
    monkeypatch.setattr(runtimes, "RUNTIMES", {"docker": lambda _: Absent()})
    with pytest.raises(UnavailableError, match="no runtime works here"):
        choose("auto")


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1970-01-02T00:00:00.5Z", 86400.5),
        ("1970-01-02T00:00:00.123456789Z", 86400.123456789),
        ("1970-01-02T01:00:00.25+01:00", 86400.25),
        ("1970-01-02T00:00:00Z", 86400.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("soon", None),
    ],
)
def test_time_stamps_of_the_engine(stamp: str, expected: float | None):
    assert seconds(stamp) == expected


def test_local_starts_folders_and_says_so(tmp_path):
    local = LocalRuntime(cache=tmp_path)
    with pytest.raises(UsageError, match="starts folders"):
        local.resolve("ghcr.io/somebody/image:1")
    with pytest.raises(UnavailableError, match="nobody"):
        local.resolve("lumirage/nobody")


def test_the_identity_of_a_folder_is_its_content(tmp_path):
    local = LocalRuntime(cache=tmp_path / "cache")
    for name in ("a", "b"):
        (tmp_path / name / "m").mkdir(parents=True)
        (tmp_path / name / "m" / "run.py").write_text("print(1)")
    first = local.resolve(str(tmp_path / "a" / "m")).digest
    assert local.resolve(str(tmp_path / "b" / "m")).digest == first
    (tmp_path / "b" / "m" / "run.py").write_text("print(2)")
    assert local.resolve(str(tmp_path / "b" / "m")).digest != first


def test_the_folder_for_temporary_files_is_looked_at_from_the_start_and_then_now_and_again(tmp_path: Path):
    (tmp_path / "big").write_bytes(b"1" * 100_000)
    watch = SimpleNamespace(output=None, started=None, reason_to_stop=lambda _: None)
    assert _WithTmpQuota(watch, tmp_path, 50_000).reason_to_stop(0.0) == "quota"
    patient = _WithTmpQuota(watch, tmp_path, 200_000)
    assert patient.reason_to_stop(0.0) is None
    (tmp_path / "bigger").write_bytes(b"1" * 200_000)
    assert patient.reason_to_stop(1e-6) is None
    assert patient.reason_to_stop(3600.0) == "quota"


@pytest.mark.parametrize(("stream", "lines"), [("2", 12), ("1", 3)])
def test_a_command_that_fails_is_told_by_its_last_eight_lines(stream: str, lines: int):
    script = f"for n in $(seq {lines}); do echo line $n >&{stream}; done; exit 3"
    with pytest.raises(UnavailableError) as told:
        _command(["/bin/sh", "-c", script], "make it")
    last = [f"line {n}" for n in range(1, lines + 1)][-8:]
    assert str(told.value) == "cannot make it:\n" + "\n".join(last)
    _command(["/bin/sh", "-c", "exit 0"], "make it")
