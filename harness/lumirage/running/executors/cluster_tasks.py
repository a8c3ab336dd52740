"""What a cluster is given, whichever cluster it is: tasks, their arrays, what one asks for, and the record of a submission."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from lumirage.core.errors import DamagedFileError, UsageError
from lumirage.core.evaluation_part import EvaluationPart
from lumirage.core.model import Limits, Record

R = TypeVar("R", bound=Record)
ScoredWords = tuple[str, str, int, str, str, bool]
"""Method, condition, repeat and pair of a run that is scored; the answers scored; whether inverse consistency was."""
Kind = Literal["prepare", "run", "score", "finish"]
KINDS: tuple[Kind, ...] = ("prepare", "run", "score", "finish")
GRACE_S = 90
"""The cluster signals a task before its time limit, so that it stops its container and keeps the pairs that have ended."""
OWN_MEMORY_BYTES = 2 * 2**30
"""For the harness itself, beside the method: it reads answers and checks them."""


class Needs(Record):
    """What one task of an array asks for."""

    cpus: int = 1
    memory_bytes: int
    gpus: int = 0
    minutes: int


class TaskName(Record):
    """What a task does; of its line, what the queue is compared with. The rest of the line is long to read."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    kind: Kind
    method: str = ""
    condition: str = ""
    repeat: int = 0
    pairs: tuple[str, ...] = ()


class Task(TaskName):
    """One task of an array: a line of its file. A task of kind `run` is one job."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    gpus: int | None = Field(default=None, description="that the job is to have; none: as card and track say")
    part: EvaluationPart | None = Field(
        default=None, description="of the evaluation, so that the task reads nothing of other pairs; none: it reads all"
    )
    scored: dict[str, tuple[ScoredWords, ...]] = Field(
        default={}, description="preset -> what was scored of its pairs when it was submitted"
    )


class Array(Record):
    """Tasks of one kind with the same needs. `after` are the arrays that must have ended, well or not."""

    name: str
    kind: Kind
    count: int
    needs: Needs
    after: tuple[str, ...] = ()
    method: str = Field(default="", description="the method of all its tasks, if the user has options for that one")
    at_once: int | None = Field(default=None, description="tasks at a time; none: as the user chose")
    job_name: str = Field(default="", description="its name in the queue, which no other array has; empty: not known")
    clusters: str = Field(default="", description="the clusters that it may go to; empty: the one asked without a name")


class Submission(Record):
    """What one command submitted, or wrote scripts for."""

    schema_version: Literal[1] = 1
    name: str
    created: str = Field(description="UTC, ISO 8601")
    runtime: str
    arrays: tuple[Array, ...]


def run_needs(limits: Limits, pairs: int) -> Needs:
    """Of a task that registers so many pairs in a row. Ten minutes are for the queue's own start and for preparing."""
    method_s = limits.container_timeout_s or pairs * limits.pair_timeout_s
    return Needs(
        cpus=limits.cpus,
        memory_bytes=limits.memory_bytes + OWN_MEMORY_BYTES,
        gpus=limits.gpus,
        minutes=math.ceil((method_s + GRACE_S) / 60) + 10,
    )


def chunks(tasks: Sequence[Task], size: int) -> Iterator[Sequence[Task]]:
    """Tasks in pieces that one array can hold."""
    for start in range(0, len(tasks), size):
        yield tasks[start : start + size]


def read_task(path: Path, index: int) -> Task:
    """One line of an array's file. Raises UsageError for a number beyond its end."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number == index:
                return task_of(path, line)
    raise UsageError(f"{path}: has no task {index}")


def task_of(path: Path, line: str) -> Task:
    """A task from a line of an array's file. Raises DamagedFileError."""
    return _parsed(path, line, Task)


def task_name(path: Path, line: str) -> TaskName:
    """What the task of a line does. Raises DamagedFileError."""
    return _parsed(path, line, TaskName)


def _parsed(path: Path, line: str, record: type[R]) -> R:
    try:
        return record.model_validate_json(line)
    except ValidationError as error:
        raise DamagedFileError(path, "damaged, or cut off; submit again, by the same command") from error
