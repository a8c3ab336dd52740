"""What organizers declare: dates, what is official, and a hash of all that decides."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lumirage.core.challenge import Challenge, Phase
from lumirage.core.errors import UsageError
from lumirage.core.records import parse_yaml

TEXT = """
name: brains
configuration: truth/
phases:
- {name: validation, starts: 2026-05-01, ends: 2026-06-01, shows: own_pairs}
- {name: test, starts: 2026-06-02T12:00:00, late: refuse}
"""


def read(text: str) -> Challenge:
    return parse_yaml(text, Path("challenge.yaml"), Challenge)


def test_a_date_alone_means_the_whole_day_in_utc() -> None:
    validation, test = read(TEXT).phases
    assert validation.starts == datetime(2026, 5, 1, tzinfo=UTC)
    assert validation.ends == datetime(2026, 6, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert test.starts == datetime(2026, 6, 2, 12, tzinfo=UTC)
    assert Phase.model_validate_json(validation.model_dump_json()) == validation


@pytest.mark.parametrize(
    ("configuration", "official"),
    [("truth/", True), ("LUMIR_config.json", True), ("phantom", False), ("tracks/mine.yaml", False)],
)
def test_a_configuration_is_told_from_a_track(configuration: str, official: bool) -> None:
    text = f"name: x\nconfiguration: {configuration}\ndataset: bids\n"
    assert read(text).official is official


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("presets: [strict]", "an official configuration is scored by"),
        ("presets: [lumir24, lumir25]", "by one of them"),
        ("phases: [{name: a}, {name: a}]", "two have one name"),
        ("phases: [{name: a, starts: 2026-02-01, ends: 2026-01-01}]", "ends before it starts"),
        ("configuration: phantom", "needs the folder of its BIDS dataset"),
        ("prizes: [cake]", "no such field"),
    ],
)
def test_what_contradicts_itself_is_said(change: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(
            "name: x\nconfiguration: truth/\n".replace(
                "configuration: truth/\n", "" if "conf" in change else "configuration: truth/\n"
            )
            + change
            + "\n"
        )


def test_the_hash_is_of_what_decides() -> None:
    one = read(TEXT)
    assert one.rules_hash({}) == read(TEXT + "title: Brains\ncontact: a@b\n").rules_hash({})
    assert one.rules_hash({}) != read(TEXT + "counts: every\n").rules_hash({})
    assert one.rules_hash({"c.json": "1"}) != one.rules_hash({"c.json": "2"})
