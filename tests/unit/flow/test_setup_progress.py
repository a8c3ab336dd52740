"""Whoever waits for a build, a check or an installation sees how far it is."""

from pathlib import Path

import pytest

from lumirage.core.model import Method
from lumirage.flow.method_setup import install
from lumirage.flow.method_setup.install import MethodInstaller, at_work, build_steps
from lumirage.flow.method_setup.method_trials import TRIALS, with_progress
from lumirage.methods.conformance import Attempt, check_method
from lumirage.planning.method_cards import MethodSource
from lumirage.running.runtimes.local import LocalRuntime


class Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, what: str, done: int, total: int, unit: str = "") -> None:
        self.seen.append((what, done, total))


CARD = Method(name="none", version="1", summary="Answers nothing", kind="iterative", licence="MIT")


def test_a_check_counts_the_starts_of_the_method(tmp_path: Path) -> None:
    nothing = Attempt(answers={}, ended_well=False, ending="ended with 1", events=[], log="no")
    watcher = Watcher()
    register = with_progress(lambda pairs, lifted: nothing, "none", watcher)
    assert not check_method(CARD, register, tmp_path).passed
    first, *rest = watcher.seen
    assert first == ("check none", 0, TRIALS)
    assert [done for _, done, _ in rest] == list(range(1, len(rest) + 1)), "also those that lift a protection"
    assert len(rest) > TRIALS
    assert all(done <= total for _, done, total in rest)


def test_a_build_counts_its_steps() -> None:
    watcher = Watcher()
    tell = build_steps(watcher, "greedy")
    for line in ("Step 1/9 : FROM x", " ---> 12ab", "Step 9/9 : ENTRYPOINT y", "Successfully built"):
        tell(line)
    assert watcher.seen == [("build greedy", 1, 9), ("build greedy", 9, 9)]


def test_what_cannot_be_counted_has_a_beginning_and_an_end() -> None:
    watcher = Watcher()
    with at_work(watcher, "convert x"):
        assert watcher.seen == [("convert x", 0, 0)]
    assert watcher.seen[-1] == ("convert x", 1, 1)


def test_an_environment_is_told_where_it_is_made_and_not_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "run.py").write_text("")
    made: list[str] = []
    runtime, watcher = LocalRuntime(cache=tmp_path / "cache"), Watcher()
    monkeypatch.setattr(LocalRuntime, "prepare", lambda _, image: made.append(image))
    monkeypatch.setattr(LocalRuntime, "is_prepared", lambda *_: bool(made))
    monkeypatch.setattr(install, "missing_weights", lambda _: ())
    installer = MethodInstaller(runtime, (), watcher)
    for _ in range(2):
        installer._install(MethodSource(CARD, folder))
    assert watcher.seen == [("environment of none", 0, 0), ("environment of none", 1, 1)]
    assert [line for line in watcher.said if "environment is made" in line] == [watcher.said[0]]
    assert len(made) == 2
