"""Apptainer's runtime without Apptainer: exit codes, control groups, and what is left behind."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.core.model import Limits
from lumirage.running.call_control_group import PARENT
from lumirage.running.control_groups import Hierarchy
from lumirage.running.runtimes import apptainer, apptainer_process
from lumirage.running.runtimes.apptainer import ApptainerRuntime
from lumirage.running.runtimes.apptainer_process import Container
from lumirage.running.runtimes.runtime_interface import Call
from lumirage.running.supervision import Watched

CALL = Call(name="n", owner="o", image="i.sif", output=Path("/out"), limits=Limits())
SEEN = Watched(wall_s=2.0, stopped=None, timeline=((0.0, 7),))
UNSEEN = Watched(wall_s=2.0, stopped=None, timeline=())


def container(monkeypatch: pytest.MonkeyPatch, status: int | None, peak_kib: int = 3) -> Container:
    """One whose starter has ended so."""
    child = SimpleNamespace(status=status, cpu_s=1.5, rusage=SimpleNamespace(ru_maxrss=peak_kib), below=list)
    monkeypatch.setattr(apptainer_process, "Child", lambda argv, environment, folder: child)
    return Container(["apptainer"], {}, CALL, None)


@pytest.mark.parametrize(
    ("status", "exit_code", "signal"),
    [(0, 0, None), (3, 3, None), (-9, 137, 9), (-15, 143, 15), (137, 137, 9), (129, 129, 1), (128, 128, None)],
)
def test_a_signal_is_told_whether_it_reached_the_starter_or_the_method(
    monkeypatch: pytest.MonkeyPatch, status: int, exit_code: int, signal: int | None
) -> None:
    usage = container(monkeypatch, status).usage(SEEN)
    assert (usage.exit_code, usage.signal, usage.cpu_s) == (exit_code, signal, 1.5)


def test_without_a_sample_of_memory_the_kernels_largest_process_stands_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = container(monkeypatch, 0, peak_kib=3).usage(UNSEEN)
    assert usage.peak_memory_bytes == 3 * 1024
    assert usage.memory_how.startswith("ru_maxrss")
    assert container(monkeypatch, 0).usage(SEEN).peak_memory_bytes == 7


class Groups:
    """Stands for OwnGroup, and keeps what was done."""

    made: list["Groups"]

    def __init__(self, hierarchy: Hierarchy, name: str, limits: Limits):
        self.name, self.limits, self.done = name, limits, list[str]()
        Groups.made.append(self)

    def kill(self) -> None:
        self.done.append("kill")

    def close(self) -> None:
        self.done.append("close")


@pytest.mark.parametrize("can_own", [True, False])
def test_a_call_has_a_control_group_where_one_can_be_made(monkeypatch: pytest.MonkeyPatch, can_own: bool) -> None:
    monkeypatch.setattr(Hierarchy, "can_own", lambda self: can_own)
    monkeypatch.setattr(Groups, "made", [], raising=False)
    monkeypatch.setattr(apptainer, "OwnGroup", Groups)
    with ApptainerRuntime()._group(CALL) as group:
        assert (group is not None) == can_own
    calls = [made for made in Groups.made if not made.name.startswith("probe-")]
    assert [(made.name, made.done) for made in calls] == ([("o-n", ["kill", "close"])] if can_own else [])
    assert len(Groups.made) == 2 * can_own, "the first group only tells whether one can be made"


@pytest.mark.parametrize(("can_own", "in_groups"), [(False, 0), (True, 2)])
def test_what_a_harness_that_died_left_behind_is_counted_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_own: bool, in_groups: int
) -> None:
    runtime = ApptainerRuntime()
    monkeypatch.setattr(Hierarchy, "found", classmethod(lambda cls: cls({"": tmp_path})))
    monkeypatch.setattr(Hierarchy, "can_own", lambda self: can_own)
    asked = []
    monkeypatch.setattr(apptainer, "remove_groups", lambda hierarchy, prefix: asked.append(prefix) or 2)
    monkeypatch.setattr(apptainer, "kill_marked", lambda variable, value: 3 if value == "o" else 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("lumirage-o-1", "lumirage-other-1"):
        (tmp_path / name).mkdir()
    assert runtime.remove_stale("o") == in_groups + 3
    assert runtime.remove_stale("nobody") == in_groups
    assert asked == (["o-", "nobody-"] if can_own else [])
    assert [path.name for path in tmp_path.iterdir() if path.name != PARENT] == ["lumirage-other-1"]
