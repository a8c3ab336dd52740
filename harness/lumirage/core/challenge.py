"""The records of a challenge: what its organizers declare beforehand, and what every team handed in."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lumirage.core.layout import digest
from lumirage.core.model import Convention, Record

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Scheme = Literal["lumir24", "lumir25", "learn2reg", "subject-ranks"]
"""Ranking schemes: those of the challenges of that name, and ours, by ranks with the subject as the unit."""
Verdict = Literal["accepted", "partial", "refused"]
"""accepted: every pair has a valid answer; partial: some pairs have none; refused: it does not count."""
OFFICIAL_PRESETS = ("lumir24", "lumir25", "learn2reg")


class Phase(Record):
    """One phase of a challenge. Dates are UTC; a date alone begins at 00:00 and ends at the end of that day."""

    name: str = Field(pattern=NAME)
    starts: datetime | None = Field(default=None, description="first moment; none: it is open from the beginning")
    ends: datetime | None = Field(default=None, description="last moment; none: it stays open")
    pairs: tuple[str, ...] = Field(default=(), description="ids of the pairs that count in this phase; none: all")
    shows: Literal["aggregates", "own_pairs"] = Field(
        default="aggregates", description="what a team may see: means alone, or also its own pairs"
    )
    late: Literal["mark", "refuse"] = Field(
        default="mark", description="after the end: taken and marked as late, or refused"
    )

    @field_validator("starts", "ends", mode="before")
    @classmethod
    def _whole_days(cls, value: Any, info: Any) -> Any:  # YAML gives a date, a datetime or text
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time.max if info.field_name == "ends" else time.min)
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts and self.ends and self.starts > self.ends:
            raise ValueError(f"phase '{self.name}' ends before it starts")
        return self


class RankedMetric(Record):
    """A metric by which teams are ranked."""

    metric: str = Field(description="name as in scores.tsv, such as dice_lumir")
    better: Literal["higher", "lower"]
    weight: float = Field(default=1.0, gt=0, description="its share in the mean of ranks or in the geometric mean")
    source: str = Field(default="", description="label source; none: the first that scored")


class Ranking(Record):
    """How teams are ranked, declared beforehand."""

    scheme: Scheme = "subject-ranks"
    metrics: tuple[RankedMetric, ...] = Field(default=(), description="none: those of the scheme")
    preset: str = Field(default="", description="the preset whose numbers are ranked; none: the first of `presets`")


class Failures(Record):
    """What becomes of pairs without a valid answer."""

    policy: Literal["identity", "worst", "drop"] = Field(
        default="identity", description="the value of a failed pair: that of doing nothing, the worst of all, or none"
    )
    incomplete: Literal["partial", "refuse"] = Field(
        default="partial", description="a submission with some valid answers is taken in part, or refused"
    )


class Challenge(Record):
    """challenge.yaml: one challenge, as its organizers declare it. Paths are relative to the desk's folder."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME)
    title: str = ""
    summary: str = ""
    contact: str = Field(default="", description="where teams can ask; printed in their letters")
    configuration: str = Field(
        description="an official evaluation configuration (FILE.json), a folder of such files (FOLDER/), or a track (name or "
        "YAML file)"
    )
    dataset: Path | None = Field(default=None, description="BIDS dataset: needed for a track, and to run images")
    derivatives: dict[str, Path] = Field(default={}, description="label source -> folder, as for --derivatives")
    track: str = Field(
        default="lumir25-validation", description="with an official configuration: the track on which images are run"
    )
    pairs: tuple[str, ...] = Field(default=(), description="of a track: FIX,MOV as for --pair; none: all of it")
    answers: Convention = Field(
        default=Convention(), description="of a track: how the fields in folders are stored, on the working grid"
    )
    phases: tuple[Phase, ...] = Field(default=(Phase(name="test"),), min_length=1)
    presets: tuple[str, ...] = Field(default=(), description="none: lumir25 with a configuration, else the track's")
    ranking: Ranking = Ranking()
    failures: Failures = Failures()
    counts: Literal["last", "every"] = Field(
        default="last", description="which submissions of a team are ranked in a phase"
    )
    baselines: tuple[str, ...] = Field(
        default=(), description="methods, as for --method, that are in every list and are not ranked"
    )

    @property
    def official(self) -> bool:
        """Whether fields are scored by an official configuration, and not on a track."""
        return not self.configuration.endswith((".yaml", ".yml")) and (
            self.configuration.endswith(".json") or "/" in self.configuration or self.configuration.startswith(".")
        )

    def phase(self, name: str) -> Phase | None:
        """The phase of this name."""
        return next((phase for phase in self.phases if phase.name == name), None)

    @property
    def scored_by(self) -> tuple[str, ...]:
        """The presets as declared; empty: those of the track."""
        return self.presets or (("lumir25",) if self.official else ())

    def rules_hash(self, contents: Mapping[str, str]) -> str:
        """Hash of all that decides a result. `contents`: name -> hash of the files that the declaration names."""
        words = {"title", "summary", "contact"}
        return digest(
            self.model_dump_json(exclude=words, exclude_defaults=True), *map("=".join, sorted(contents.items()))
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases: two have one name among {', '.join(names)}")
        if self.official and (strange := set(self.presets) - set(OFFICIAL_PRESETS)):
            raise ValueError(
                f"presets: an official configuration is scored by {', '.join(OFFICIAL_PRESETS)}, not {strange}"
            )
        if self.official and len(self.presets) > 1:
            raise ValueError("presets: an official configuration is scored by one of them")
        if not self.official and self.dataset is None:
            raise ValueError(
                f"dataset: a track needs the folder of its BIDS dataset; is '{self.configuration}' a folder of official "
                f"configurations? Then write '{self.configuration}/'"
            )
        if self.ranking.preset and self.presets and self.ranking.preset not in self.presets:
            raise ValueError(f"ranking.preset: '{self.ranking.preset}' is not among the presets")
        return self


class Declaration(Record):
    """declared.json: the rules as they stood when the first submission came. Nobody changes it afterwards."""

    schema_version: Literal[1] = 1
    harness: str
    when: str = Field(description="UTC, ISO 8601")
    rules: str = Field(description="`Challenge.rules_hash`")
    contents: dict[str, str] = Field(description="file that the declaration names -> SHA-256")
    challenge: Challenge


ProblemKind = Literal[
    "missing", "unreadable", "shape", "not_finite", "duplicate", "convention", "zero", "grid", "extra", "late", "image"
]


class Problem(Record):
    """One thing that is wrong with a submission, or doubtful, and what the team can do about it."""

    kind: ProblemKind
    pair: str = Field(default="", description="id of the pair; empty: the whole submission")
    text: str = Field(description="what is wrong")
    mend: str = Field(default="", description="what the team should change")
    fatal: bool = Field(default=True, description="whether the pair (or the submission) has no valid answer for it")


class Submission(Record):
    """submission.json: what one team handed in, as it was received. Written last; it never changes."""

    schema_version: Literal[1] = 1
    harness: str = Field(description="version of the harness that received it")
    team: str = Field(pattern=NAME)
    id: str = Field(description="first 16 hex digits of the hash of its content")
    kind: Literal["folder", "image"]
    phase: str
    received: str = Field(description="UTC, ISO 8601")
    rules: str = Field(description="hash of the rules under which it was received")
    note: str = ""
    late: bool = False
    verdict: Verdict
    problems: tuple[Problem, ...] = ()
    image: str = Field(default="", description="of an image: what was handed in, as --method takes it")
    contents: dict[str, str] = Field(default={}, description="file of a folder -> SHA-256; of an image: its identity")
    answers: dict[str, str] = Field(default={}, description="id of each pair with a valid answer -> its file")
