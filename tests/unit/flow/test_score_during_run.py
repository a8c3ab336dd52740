"""Scoring while methods run: what is scored early, what waits, and that errors are left to the stage."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.core.errors import DataError
from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Pair, Scan, Score
from lumirage.flow import score_during_run as meanwhile
from lumirage.flow.score_during_run import ScoreDuringRun
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_store import scored_runs

STRICT = preset_named("strict")
SCORE = Score(metric="sdlogj", unit="1", value=0.5)


def pair(fixed: str, moving: str) -> Pair:
    scans = (Scan(name=f"sub-{s}_T1w", subject=s, suffix="T1w", image=Path(f"{s}.nii")) for s in (fixed, moving))
    return Pair(**dict(zip(("fixed", "moving"), scans, strict=True)))


def run(pair: Pair, outcome: Outcome = Outcome.OK) -> SimpleNamespace:
    named = {"method": "m", "condition": "reference", "repeat": 0, "pair": pair.id}
    return SimpleNamespace(**named, outcome=outcome, prepared="key", checksums={"field": f"sum of {pair.id}"})


class Script:
    """In place of the process that scores."""

    def __init__(self, error: Exception | None = None):
        self.error, self.cpus, self.killed = error, [], False

    def score(self, task, presets, cpu):
        self.cpus.append(cpu)
        if self.error:
            raise self.error
        return task, {preset: [SCORE] for preset in presets}

    def kill(self):
        self.killed = True


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScoreDuringRun]:
    def make(*pairs: Pair, error: Exception | None = None) -> ScoreDuringRun:
        track = SimpleNamespace(name="t", presets=["strict"])
        early = ScoreDuringRun(Layout(tmp_path), SimpleNamespace(track=track, pairs=pairs))
        early._scorer = Script(error)

        def unscored_tasks(layout, request, have):
            for key in request.runs:
                if key not in have["strict"]:
                    task = SimpleNamespace(method=key[0], condition=key[1], repeat=key[2], track=track, answers="")
                    task.forward = SimpleNamespace(prepared=SimpleNamespace(warnings=()))
                    task.pair = next(p for p in request.pairs if p.id == request.pairs[0].id)
                    yield task, (STRICT,)

        monkeypatch.setattr(meanwhile, "unscored_tasks", unscored_tasks)
        monkeypatch.setattr(meanwhile, "scored_before", lambda *_: set())
        return early

    return make


def found(tmp_path: Path) -> set[str]:
    return {key[3] for key in scored_runs(Layout(tmp_path), STRICT)}


def test_what_was_scored_is_on_disk_at_the_end_also_after_an_error(made, tmp_path: Path) -> None:
    one, two = pair("01", "02"), pair("02", "03")
    with suppress(KeyboardInterrupt), made(one, two) as early:
        assert not early.has_work
        early.recorded(run(one))
        early.recorded(run(two))
        early.work(1)
        assert early.has_work
        raise KeyboardInterrupt
    assert early._scorer.killed
    assert early._scorer.cpus == [1]
    assert found(tmp_path) == {one.id}
    assert not early.has_work


def test_a_failed_run_has_no_answer_to_score(made) -> None:
    one = pair("01", "02")
    with made(one) as early:
        early.recorded(run(one, Outcome.CRASHED))
        assert not early.has_work


def test_both_directions_wait_for_one_another(made) -> None:
    there, back = pair("01", "02"), pair("02", "01")
    with made(there, back) as early:
        early.recorded(run(there))
        assert not early.has_work, "its consistency needs the way back"
        early.recorded(run(back, Outcome.TIMEOUT))
        early.work(0)
        assert not early.has_work, "one had an answer"


def test_an_error_ends_early_scoring_and_nothing_else(made, tmp_path: Path) -> None:
    one, two = pair("01", "02"), pair("02", "03")
    with made(one, two, error=DataError("damaged")) as early:
        early.recorded(run(one))
        early.recorded(run(two))
        early.work(0)
        assert not early.has_work
    assert found(tmp_path) == set()
