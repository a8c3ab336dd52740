"""Verifies a desk from its archive alone, on this machine or another: every byte by its hash, every score to the last digit."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lumirage.core.challenge import Submission
from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.screen import Screen
from lumirage.flow.challenge.answer_files import AnswerFiles, answered_by_image, handed_in
from lumirage.flow.challenge.desk import SENTINELS_ID, Desk, declaration_of, rules_changed, submissions_of
from lumirage.flow.challenge.examine_folder import folder_contents
from lumirage.flow.challenge.expected_answers import expected_answers
from lumirage.flow.challenge.score_answers import ScoringPlace, score_answers, score_sentinels

WHERE = ["method", "condition", "pair", "preset", "settings", "metric", "source", "label"]
COMPARED = ("outcome", "value", "undefined")


@dataclass(frozen=True)
class Verification:
    """What was looked at, and every fault in words."""

    submissions: int
    scores: int
    """Tables that were made again and compared."""
    not_scored: int
    faults: tuple[str, ...]


def verify_desk(desk: Desk, workers: int, screen: Screen) -> Verification:
    """Hash every archived file, hold every record against the declared rules, and score everything again.

    Scores are made in a temporary folder; the desk is not changed."""
    submissions = submissions_of(desk)
    faults = [*_rules(desk, submissions)]
    whole = []
    for submission in submissions:
        wrong = list(_archive(desk, submission))
        faults += wrong
        whole += [] if wrong or submission.verdict == "refused" else [submission]
    scored = {s.id: s for s in whole if desk.layout.scores(s.id).score_table.is_file()}
    with tempfile.TemporaryDirectory(prefix="lumirage-verify-") as folder:
        again = Path(folder)
        sentinels = Layout(again / SENTINELS_ID)
        if scored:
            table = score_sentinels(desk, ScoringPlace(sentinels, sentinels, workers), screen)
            faults += _differences(desk.layout.scores(SENTINELS_ID), table, "doing nothing")
        for done, submission in enumerate(scored.values()):
            screen.progress("verify", done, len(scored))
            place = ScoringPlace(Layout(again / submission.id), sentinels, workers)
            answers = _answers(desk, submission, again / "fields" / submission.id)
            table = score_answers(desk, submission.id, answers, place, screen)
            faults += _differences(desk.layout.scores(submission.id), table, f"{submission.team} ({submission.id})")
        screen.progress("verify", len(scored), len(scored))
    return Verification(len(submissions), len(scored), len({s.id for s in whole}) - len(scored), tuple(faults))


def _rules(desk: Desk, submissions: list[Submission]) -> Iterator[str]:
    yield from (f"the rules: {change}" for change in rules_changed(desk))
    declared = declaration_of(desk)
    if submissions and declared is None:
        yield f"{desk.layout.declared}: gone; nobody can say by which rules submissions were taken"
        return
    for submission in submissions:
        if declared and submission.rules != declared.rules:
            yield f"{submission.team} ({submission.id}): taken under other rules ({submission.rules}) than declared"


def _archive(desk: Desk, submission: Submission) -> Iterator[str]:
    archive = desk.layout.archive(submission.id)
    if "image" in submission.contents and submission.kind == "image":
        return  # an image of the engine is known by its digest; its answers are what is archived
    try:
        found = folder_contents(archive)
    except (UsageError, DataError) as error:
        yield f"{submission.team} ({submission.id}): its archive cannot be used: {error}"
        return
    for name in sorted({*found, *submission.contents}):
        if name not in found:
            yield f"{archive / name}: gone"
        elif name not in submission.contents:
            yield f"{archive / name}: was not handed in"
        elif found[name] != submission.contents[name]:
            yield f"{archive / name}: its content is not what was handed in"


def _answers(desk: Desk, submission: Submission, fields: Path) -> AnswerFiles:
    if submission.kind == "folder":
        return handed_in(desk, submission)
    return answered_by_image(
        desk.layout.runs(submission.id), fields, expected_answers(desk, None, desk.layout.prepared)
    )


def _differences(stored: Layout, again: pd.DataFrame, who: str) -> list[str]:
    """Where two tables of scores differ, in any digit."""
    try:
        before = pd.read_parquet(stored.score_table)
    except (OSError, ValueError) as error:
        return [f"{who}: {stored.score_table}: damaged ({error})"]
    both = before.merge(again, on=WHERE, how="outer", suffixes=("", "_again"), indicator=True)
    alone = int((both["_merge"] != "both").sum())
    pairs = both[both["_merge"] == "both"]
    differ = pd.Series(False, index=pairs.index)
    for column in COMPARED:
        one, two = pairs[column], pairs[f"{column}_again"]
        differ |= ~((one == two) | (one.isna() & two.isna()))
    found = [f"{who}: {alone} scores are in one table only"] if alone else []
    if differ.any():
        first = pairs[differ].iloc[0]
        found.append(
            f"{who}: {int(differ.sum())} scores differ, the first {first['metric']} of {first['pair']}: {first['value']!r} "
            f"stored, {first['value_again']!r} now"
        )
    return found
