"""What the commands of a study answer under --json; `core.study_results` has the numbers of `study run` and `study report`.

The schemas in `specs/schemas/answer-study-*.schema.json` are made from these records.
"""

from typing import Literal

from pydantic import Field

from lumirage.core.command_answers import RunCounts
from lumirage.core.model import Record


class StudyListed(Record):
    """A study that comes with the harness."""

    name: str
    title: str
    summary: str
    datasets: int
    tracks: int
    methods: int
    claims: int


class StudiesAnswer(Record):
    """`study list`."""

    schema_version: Literal[1] = 1
    studies: tuple[StudyListed, ...]


class StudyValidAnswer(StudyListed):
    """`study validate` of a file that is a study; one that is none is an error."""

    schema_version: Literal[1] = 1
    claims_hash: str = Field(description="of everything that decides a claim")


class StudyStatusAnswer(Record):
    """`study status`: the runs of every track by method and state."""

    schema_version: Literal[1] = 1
    out: str
    study: str
    tracks: dict[str, dict[str, RunCounts]] = Field(
        description="track -> method -> its runs; only tracks that were begun"
    )
    not_begun: tuple[str, ...] = Field(description="tracks without an output tree")
    left_out: dict[str, str] = Field(description="dataset, track or method -> why it takes no part")
    changes: tuple[str, ...] = Field(
        description="changes of what decides the claims, after they were first written down"
    )
    messages: tuple[str, ...]
