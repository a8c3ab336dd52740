"""Where OUT may lie: told before anything is read or made."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.core.errors import UsageError
from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Condition, Prepare, Track
from lumirage.planning.evaluation_plan import PlanInputs, _check_places, _Completed


def inputs(bids: Path, out: Path) -> PlanInputs:
    return PlanInputs(bids=bids, out=out, track=Track(name="t"), methods=(), runtime="local")


def test_a_new_an_empty_or_a_just_locked_folder_will_do(tmp_path: Path) -> None:
    bids = tmp_path / "bids"
    bids.mkdir()
    _check_places(inputs(bids, tmp_path / "new"))
    (tmp_path / "empty").mkdir()
    _check_places(inputs(bids, tmp_path / "empty"))
    (tmp_path / "empty" / ".lock").touch()
    (tmp_path / "empty" / ".lock-01").touch()
    _check_places(inputs(bids, tmp_path / "empty"))
    _check_places(inputs(bids, bids / "derivatives" / "lumirage"))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("bids", "inside BIDS_DIR"),
        ("bids/out", "inside BIDS_DIR"),
        ("file", "is a file"),
        ("foreign", "has no evaluation in it"),
    ],
)
def test_a_place_that_would_harm_something_is_refused(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "bids").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").touch()
    with pytest.raises(UsageError, match=words):
        _check_places(inputs(tmp_path / "bids", tmp_path / place))


def test_an_evaluation_may_be_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "evaluation.json").touch()
    (out / "scores.tsv").touch()
    _check_places(inputs(tmp_path / "bids", out))


def test_a_run_without_a_record_is_not_complete(tmp_path: Path) -> None:
    scans = [Scan(name=f"sub-{s}_T1w", subject=s, suffix="T1w", image=tmp_path / s) for s in ("01", "02")]
    evaluation = SimpleNamespace(under=lambda pair, _: pair)
    completed = _Completed(Layout(tmp_path / "out"), evaluation)
    condition = Condition(name="reference", prepare=Prepare())
    assert completed("m", Pair(fixed=scans[0], moving=scans[1]), condition, 0) is False
    assert completed.count == 0
