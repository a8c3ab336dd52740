"""A desk as it lies on disk: its declaration, its submissions, their scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lumirage.core.challenge import Challenge, Declaration, Submission
from lumirage.core.checksums import file_digest
from lumirage.core.desk_layout import DeskLayout
from lumirage.core.errors import UsageError, nearest
from lumirage.core.model import SCORE_COLUMNS, SENTINELS
from lumirage.core.records import read_json, read_yaml

if TYPE_CHECKING:
    import pandas as pd

SENTINELS_ID = "sentinels"
"""Where the scores of doing nothing lie, under an official configuration."""
DESK_COLUMNS = (*SCORE_COLUMNS, "team", "submission")
"""Columns of `scores_of`. `method` is the team, of a baseline the method; baselines and sentinels have no team."""


@dataclass(frozen=True)
class Desk:
    """One opened desk."""

    layout: DeskLayout
    challenge: Challenge

    def path(self, named: str | Path) -> Path:
        """A path of the declaration, which is relative to the desk."""
        return (self.layout.root / named).resolve()

    @property
    def truth(self) -> Path:
        """The official configuration, or the folder of several."""
        return self.path(self.challenge.configuration)

    @property
    def track(self) -> str:
        """The track on which images are run, as --track takes it."""
        word = self.challenge.track if self.challenge.official else self.challenge.configuration
        return str(self.path(word)) if word.endswith((".yaml", ".yml")) else word

    def contents(self) -> dict[str, str]:
        """The files that the rules name, and their SHA-256: no rule changes without its hash."""
        names = [self.truth] if self.challenge.official else [Path(self.track)]
        files = [f for name in names for f in (sorted(name.glob("*.json")) if name.is_dir() else [name])]
        return {file.name: file_digest(file) for file in files if file.is_file()}

    def rules(self) -> str:
        """The hash of the rules as they are now."""
        return self.challenge.rules_hash(self.contents())


def open_desk(folder: Path) -> Desk:
    """The desk in a folder. Raises UsageError where there is none, or its challenge.yaml is wrong."""
    layout = DeskLayout(folder)
    if not layout.challenge.is_file():
        raise UsageError(
            f"{folder}: no challenge.yaml there; begin a desk with 'lumirage-harness challenge init {folder}'"
        )
    return Desk(layout, read_yaml(layout.challenge, Challenge))


def declaration_of(desk: Desk) -> Declaration | None:
    """The rules as they stood at the first submission; none before it."""
    return read_json(desk.layout.declared, Declaration) if desk.layout.declared.is_file() else None


def rules_changed(desk: Desk) -> list[str]:
    """A sentence for each rule that is not as it was declared; none if all are. For every page."""
    declared = declaration_of(desk)
    if declared is None or declared.rules == desk.rules():
        return []
    before, now = declared.challenge, desk.challenge
    fields = [name for name in Challenge.model_fields if getattr(before, name) != getattr(now, name)]
    words = [f"{name} changed" for name in fields if name not in ("title", "summary", "contact")]
    contents = desk.contents()
    words += [
        f"{name} has another content"
        for name in sorted({*declared.contents, *contents})
        if declared.contents.get(name) != contents.get(name)
    ]
    return [f"{word} after the first submission ({declared.when[:16].replace('T', ' ')} UTC)" for word in words]


def submissions_of(desk: Desk, phase: str = "") -> list[Submission]:
    """All received submissions, refused ones among them, in the order of their arrival."""
    found = [read_json(path, Submission) for path in desk.layout.records()]
    return sorted((s for s in found if phase in ("", s.phase)), key=lambda s: (s.received, s.team, s.id))


def counted(desk: Desk, phase: str) -> list[Submission]:
    """The submissions that are scored and ranked in a phase: of each team the last one that was not refused, or every one.

    Raises UsageError for a phase that the challenge does not have.
    """
    if desk.challenge.phase(phase) is None:
        raise UsageError(f"no phase '{phase}'{nearest(phase, [p.name for p in desk.challenge.phases])}")
    taken = [s for s in submissions_of(desk, phase) if s.verdict != "refused"]
    if desk.challenge.counts == "every":
        return taken
    on_time = {s.team for s in taken if not s.late}
    last = {s.team: s for s in taken if not (s.late and s.team in on_time)}
    return list(last.values())


def scores_of(desk: Desk, phase: str) -> "pd.DataFrame":
    """The scores of a phase: its counted submissions, the baselines and the sentinels, on the phase's pairs. DESK_COLUMNS.

    Without a submission that is not scored yet; `unscored` names those. Failed pairs have null rows with their reason.
    """
    import pandas as pd  # late: half a second

    wanted = desk.challenge.phase(phase)
    parts = [table for table in _tables(desk, phase) if len(table)]
    if not parts or wanted is None:
        return pd.DataFrame(columns=list(DESK_COLUMNS))
    table = pd.concat(parts, ignore_index=True)
    if wanted.pairs:
        table = table[table["pair"].isin(wanted.pairs)]
    run = ["method", "pair", "repeat", "condition", "preset", "settings", "metric", "source", "label"]
    return table.drop_duplicates(subset=run, ignore_index=True)[list(DESK_COLUMNS)]


def _tables(desk: Desk, phase: str) -> Iterator["pd.DataFrame"]:
    import pandas as pd  # late: half a second

    every = desk.challenge.counts == "every"
    for submission in counted(desk, phase):
        path = desk.layout.scores(submission.id).score_table
        if path.is_file():
            table = pd.read_parquet(path)
            own = ~table["method"].isin(SENTINELS)
            name = f"{submission.team}-{submission.id[:6]}" if every else submission.team
            table["team"] = own.map({True: submission.team, False: ""})
            table["submission"] = own.map({True: submission.id, False: ""})
            table["method"] = table["method"].where(~own, name)
            yield table
    known = [SENTINELS_ID, *map(desk.layout.baseline, desk.challenge.baselines)]
    for layout in map(desk.layout.scores, known):
        if layout.score_table.is_file():
            yield pd.read_parquet(layout.score_table).assign(team="", submission="")


def unscored(desk: Desk, phase: str) -> list[Submission]:
    """The counted submissions of a phase that 'challenge run' has not finished yet."""
    return [s for s in counted(desk, phase) if not desk.layout.scores(s.id).score_table.is_file()]
