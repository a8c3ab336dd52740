"""The stage `score`, with a scorer that is a script."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Scan, Score
from lumirage.core.screen import Silent
from lumirage.flow import score as stage
from lumirage.flow.score import ScoringSettings
from lumirage.running.runtimes.runtime_interface import Stopped
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_store import scored_runs

STRICT = preset_named("strict")


def task(number: int) -> SimpleNamespace:
    fixed, moving = (
        Scan(name=f"sub-{s}_T1w", subject=s, suffix="T1w", image=Path(f"{s}.nii")) for s in (f"{number:02d}", "99")
    )
    track = SimpleNamespace(name="t")
    forward = SimpleNamespace(prepared=SimpleNamespace(warnings=()))
    pair = Pair(fixed=fixed, moving=moving)
    return SimpleNamespace(method="m", condition="c", repeat=0, pair=pair, track=track, forward=forward, answers="")


def score_five(layout: Layout, monkeypatch: pytest.MonkeyPatch, ends: "threading.Event | Exception") -> None:
    """Five runs, of which the third one sets the event or raises."""

    def score_many(tasks, workers, device) -> Iterator[object]:
        for number, (each, presets) in enumerate(tasks):
            if number == 2:
                if isinstance(ends, Exception):
                    raise ends
                ends.set()
            yield each, {preset: [Score(metric="sdlogj", value=1.0, unit="")] for preset in presets}

    monkeypatch.setattr(stage, "score_many", score_many)
    monkeypatch.setattr(stage, "unscored_tasks", lambda *_: ((task(n), (STRICT,)) for n in range(5)))
    stop = ends if isinstance(ends, threading.Event) else threading.Event()
    request = stage.ScoringRequest(SimpleNamespace(pairs=()), (), {}, (STRICT,))
    stage._score_missing(layout, request, ScoringSettings(stop=stop), Silent())


def test_told_to_stop_it_keeps_what_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    layout = Layout(tmp_path)
    with pytest.raises(Stopped):
        score_five(layout, monkeypatch, threading.Event())
    assert len(scored_runs(layout, STRICT)) == 3


def test_an_error_costs_nothing_that_was_scored_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    layout = Layout(tmp_path)
    with pytest.raises(KeyError):
        score_five(layout, monkeypatch, KeyError("spoiled"))
    assert len(scored_runs(layout, STRICT)) == 2
