"""What `challenge` commands answer under --json; `add` and `check` answer with the submission, `rank` with the results.

The schemas in `specs/schemas/answer-challenge-*.schema.json` are made from these records.
"""

from typing import Literal

from pydantic import Field

from lumirage.core.challenge import Submission
from lumirage.core.model import Record


class DeskRunAnswer(Record):
    """`challenge run`."""

    schema_version: Literal[1] = 1
    scored: int = Field(description="submissions that have their scores now")
    waiting: tuple[str, ...] = Field(description="images whose runs wait on a cluster")
    failed: tuple[str, ...] = Field(description="submissions that could not be run or scored, and why")
    suspects: tuple[str, ...] = Field(description="with --jitter: whose answers seem to be remembered, and why")


class DeskVerifyAnswer(Record):
    """`challenge verify`."""

    schema_version: Literal[1] = 1
    submissions: int = Field(description="submissions that were looked at")
    scores: int = Field(description="tables of scores that were made again and compared")
    not_scored: int = Field(description="submissions without scores as yet")
    faults: tuple[str, ...]


class SubmissionState(Submission):
    """A submission, and how far it is."""

    scored: bool


class DeskStatusAnswer(Record):
    """`challenge status`."""

    schema_version: Literal[1] = 1
    rules: str = Field(description="hash of the rules as they are now")
    changed: tuple[str, ...] = Field(description="rules that are not as they were declared")
    submissions: tuple[SubmissionState, ...] = Field(description="in the order of their arrival")
