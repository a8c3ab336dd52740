"""A desk's records: which submissions count, and what teams and phases share."""

from pathlib import Path
from typing import Any

import pytest

from lumirage.core.challenge import Problem, Submission
from lumirage.core.errors import UsageError
from lumirage.core.model import Outcome
from lumirage.core.records import write_json
from lumirage.flow.challenge.answer_files import handed_in
from lumirage.flow.challenge.begin_desk import begin_desk
from lumirage.flow.challenge.desk import Desk, counted, open_desk, scores_of, submissions_of
from lumirage.flow.challenge.expected_answers import phase_at

RULES = """
name: small
configuration: truth/
phases:
- {name: validation, ends: 2026-05-31, pairs: [a]}
- {name: test, starts: 2026-06-01, ends: 2026-06-30}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "challenge.yaml").write_text(RULES)
    return open_desk(tmp_path)


def receive(desk: Desk, team: str, identity: str, received: str, **more: Any) -> None:
    given = {"phase": "test", "verdict": "accepted"} | more
    submission = Submission(
        harness="1", team=team, id=identity, kind="folder", received=f"{received}T00:00:00+00:00", rules="r", **given
    )
    write_json(desk.layout.submission(team, submission.phase, identity).record, submission)


def test_the_last_one_on_time_that_was_not_refused_counts(desk: Desk) -> None:
    receive(desk, "a", "1", "2026-06-02")
    receive(desk, "a", "2", "2026-06-03")
    receive(desk, "a", "3", "2026-06-04", verdict="refused")
    receive(desk, "a", "4", "2026-07-04", late=True)
    receive(desk, "b", "5", "2026-07-05", late=True)
    receive(desk, "b", "6", "2026-05-05", phase="validation")
    assert [s.id for s in submissions_of(desk)] == ["6", "1", "2", "3", "4", "5"]
    assert {s.team: s.id for s in counted(desk, "test")} == {"a": "2", "b": "5"}
    assert {s.team: s.id for s in counted(desk, "validation")} == {"b": "6"}
    with pytest.raises(UsageError, match="no phase 'tset'; did you mean 'test'"):
        counted(desk, "tset")
    assert scores_of(desk, "test").empty


def test_the_same_content_in_two_phases_has_the_answers_of_both(desk: Desk) -> None:
    bad = Problem(kind="shape", pair="c", text="too small")
    receive(desk, "a", "1", "2026-05-02", phase="validation", answers={"a": "a.nii"})
    receive(desk, "b", "1", "2026-06-02", answers={"a": "a.nii", "b": "b.nii"}, problems=(bad,), verdict="partial")
    answers = handed_in(desk, submissions_of(desk)[0])
    assert answers.files == {"a": "a.nii", "b": "b.nii"}
    assert answers.failed == {"c": (Outcome.INVALID_ANSWER, "too small")}


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("2026-05-31T23:00:00+00:00", "validation"),
        ("2026-06-01T00:00:00+00:00", "test"),
        ("2027-01-01T00:00:00+00:00", "test"),
    ],
)
def test_the_open_phase_is_found_and_after_the_end_the_last(desk: Desk, moment: str, phase: str) -> None:
    assert phase_at(desk, "", moment).name == phase


def test_a_phase_that_has_not_begun_takes_nothing(desk: Desk) -> None:
    with pytest.raises(UsageError, match="'test' begins on 2026-06-01"):
        phase_at(desk, "test", "2026-05-31T23:00:00+00:00")


def test_a_new_desk_can_be_opened_and_is_not_written_twice(tmp_path: Path) -> None:
    begin_desk(tmp_path / "new", "truth/", "")
    challenge = open_desk(tmp_path / "new").challenge
    assert (challenge.name, challenge.official, challenge.scored_by) == ("new", True, ("lumir25",))
    with pytest.raises(UsageError, match="is there already"):
        begin_desk(tmp_path / "new", "truth/", "")
