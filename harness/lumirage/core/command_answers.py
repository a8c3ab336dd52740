"""What commands answer under --json; `core.evaluation_answer` has those of `evaluate`, `run`, `score` and `compare`.

The schemas in `specs/schemas/answer-*.schema.json` are made from these records.
"""

import re
from typing import Literal

from pydantic import Field

from lumirage.core.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, BusyError, DataError, UnavailableError, UsageError
from lumirage.core.model import Method, ParameterValue, Record, Weights

ErrorCode = Literal["usage", "bad_data", "unavailable", "internal", "try_again", "interrupted"]
ERROR_CODES: dict[int, ErrorCode] = {
    UsageError.exit_code: "usage", DataError.exit_code: "bad_data", UnavailableError.exit_code: "unavailable",
    EXIT_INTERNAL: "internal", BusyError.exit_code: "try_again", EXIT_INTERRUPTED: "interrupted",
}  # fmt: skip
REMEDIES: dict[ErrorCode, str] = {
    "usage": "correct the command line, the track or the card; --help shows what there is",
    "bad_data": "repair or replace the file that the message names, then type the same command again",
    "unavailable": "install or start what the message names, then type the same command again",
    "internal": "please report it, with the text on stderr",
    "try_again": "type the same command again later",
    "interrupted": "type the same command to go on",
}


class Error(Record):
    """Why a command ended."""

    code: ErrorCode
    exit_code: int = Field(description="status with which the command ends")
    message: str
    remedy: str = Field(description="what to change, or to do")


class ErrorAnswer(Record):
    """One line on stdout, in place of the answer, when a command with --json ends with an error."""

    schema_version: Literal[1] = 1
    error: Error


def error_answer(exit_code: int, message: str) -> ErrorAnswer:
    """The error of this exit code. The remedy: what the message says after its first semicolon, and its choices; else that of
    the code."""
    code = ERROR_CODES.get(exit_code, "internal")
    choices = re.search(r"\((choose one of: [^()]*)\)", message)
    parts = [choices.group(1) if choices else "", message.partition("; ")[2].partition(" (choose one of")[0]]
    remedy = "; ".join(filter(None, parts)) or REMEDIES[code]
    return ErrorAnswer(error=Error(code=code, exit_code=exit_code, message=message, remedy=remedy))


class RunCounts(Record):
    """The runs of one method by state."""

    done: int
    failed: int
    running: int = Field(description="under way now, on this machine or on a cluster")
    pending: int = Field(description="planned by an `evaluate` that is under way, or waiting in a cluster's queue")
    missing: int = Field(description="asked for, and neither on disk nor under way: type the same command again")
    not_asked: int = Field(description="of the track, but no command has asked for them, as with --limit")


class StatusAnswer(Record):
    """`status`: runs by method and state."""

    schema_version: Literal[1] = 1
    out: str
    track: str
    methods: dict[str, RunCounts]
    under_way: tuple[str, ...] = Field(description="who works in OUT now")
    queue: Literal["known", "unknown"] = Field(description="unknown: no cluster's queue can be seen from here")
    waiting: dict[str, int] = Field(
        default={},
        description="why tasks of the cluster wait, in Slurm's words -> how many; HeldBack: not submitted yet",
    )
    messages: tuple[str, ...]


class FileToMend(Record):
    """A file of OUT that is damaged or missing."""

    file: str = Field(description="relative to OUT")
    problem: str
    evaluate: str = Field(description="what `evaluate` would do about it")


class VerifyAnswer(Record):
    """`verify`: the files of OUT against their checksums."""

    schema_version: Literal[1] = 1
    checked: int
    not_recorded: int = Field(description="files without a checksum, written by an older harness")
    to_mend: tuple[FileToMend, ...]


class MethodListed(Record):
    """One method or variant."""

    name: str
    version: str
    kind: str
    device: str
    image: str = Field(description="built, outdated, not built, no engine, or SIF")
    weights: str
    missing_weights_bytes: int
    verified: str
    summary: str
    variant_of: str
    changes: str = Field(description="parameters of a variant that differ from the card's")
    needs: str = Field(description="what has to be got before it can start; empty: nothing")


class MethodsAnswer(Record):
    """`methods list`."""

    schema_version: Literal[1] = 1
    methods: tuple[MethodListed, ...]


class WeightsFacts(Weights):
    """A file of trained weights, and whether it is here."""

    needed: bool
    here: bool | None = Field(description="null where it is not needed")
    first_used: str | None
    first_used_sha256: str | None


class MethodFacts(Record):
    """`methods show`: the card with all defaults, and what of the method is here."""

    schema_version: Literal[1] = 1
    card: Method
    variant_of: str
    dose_of: str
    image: str
    image_state: str
    variants: dict[str, dict[str, ParameterValue]] = Field(description="variant -> parameters that differ")
    weights: tuple[WeightsFacts, ...]


class TrackListed(Record):
    """One track."""

    name: str
    summary: str
    conditions: int
    presets: tuple[str, ...]


class TracksAnswer(Record):
    """`tracks list`."""

    schema_version: Literal[1] = 1
    tracks: tuple[TrackListed, ...]


class QueryGroup(Record):
    """Statistics of the values of one group, in the metric's unit; null where there is no value."""

    group: dict[str, str | int | None] = Field(description="what it was grouped by -> the group")
    n: int = Field(description="values")
    without_value: int = Field(description="rows of scores.tsv in the group that have no value")
    failed_runs: int | None = Field(default=None, description="null where runs do not belong to one group")
    mean: float | None
    sd: float | None = Field(description="null for fewer than two values")
    median: float | None
    min: float | None
    max: float | None


class QueryAnswer(Record):
    """What was asked, with all defaults filled in, and a group each, best mean first."""

    schema_version: Literal[1] = 1
    out: str
    metric: str
    title: str = Field(description="the field's name of the metric")
    unit: str
    better: Literal["higher", "lower", ""]
    structures: tuple[str, ...] = Field(description="empty: the mean over all structures, or the field")
    conditions: tuple[str, ...]
    sources: tuple[str, ...]
    presets: tuple[str, ...]
    by: tuple[str, ...]
    groups: tuple[QueryGroup, ...]
    plot: str | None = Field(default=None, description="path of the figure, where one was asked for")
