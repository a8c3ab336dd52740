"""Job arrays for Slurm: their resources, their batch scripts (by submitit), and the tasks in the queue.

Results are read from files, never from Slurm. Each command calls Slurm once, for its limits or for its queue.
"""

import math
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from submitit.slurm import slurm as submitit_slurm

from lumirage.core.errors import DamagedFileError, UnavailableError, UsageError
from lumirage.core.layout import SubmissionFiles
from lumirage.core.model import Limits, Record

Kind = Literal["prepare", "run", "score", "finish"]
GRACE_S = 90
"""Slurm signals a task before its time limit, so that it stops its container and keeps the pairs that have ended."""
OWN_MEMORY_BYTES = 2 * 2**30
"""For the harness itself, beside the method: it reads answers and checks them."""
DEFAULT_ARRAY_SIZE = 1001
"""Slurm's own, taken where scripts are written on a machine without Slurm."""
AT_ONCE = 256
SETUP = "setup"
OTHER_MEMORY = ("mem_per_cpu", "mem_per_gpu")
"""Slurm takes one of these and `mem`, not both."""


class Needs(Record):
    """What one task of an array asks for."""

    cpus: int = 1
    memory_bytes: int
    gpus: int = 0
    minutes: int


class Task(Record):
    """One task of an array: a line of its file. A task of kind `run` is one job."""

    id: str
    kind: Kind
    method: str = ""
    condition: str = ""
    repeat: int = 0
    pairs: tuple[str, ...] = ()
    gpus: int | None = Field(default=None, description="that the job is to have; none: as card and track say")


class Array(Record):
    """Tasks of one kind with the same needs. `after` are the arrays that must have ended, well or not."""

    name: str
    kind: Kind
    count: int
    needs: Needs
    after: tuple[str, ...] = ()


class Submission(Record):
    """What one command submitted, or wrote scripts for."""

    schema_version: Literal[1] = 1
    name: str
    created: str = Field(description="UTC, ISO 8601")
    runtime: str
    arrays: tuple[Array, ...]


class Site(Record):
    """What the user says of the cluster: `options` are sbatch's, by their long names with _ for -, True where they take
    no value; `setup` are shell lines."""

    options: dict[str, str | Literal[True]] = {}
    setup: tuple[str, ...] = ()
    at_once: int = AT_ONCE

    @classmethod
    def of_words(cls, words: Sequence[str], at_once: int) -> "Site":
        """From the words KEY=VALUE and KEY; setup=COMMAND may be repeated. Raises UsageError."""
        options: dict[str, str | Literal[True]] = {}
        setup = []
        for word in words:
            key, equals, value = word.partition("=")
            name = key.removeprefix("--").replace("-", "_")  # as ours are spelled, so that it takes their place
            if not name.isidentifier() or (name == SETUP and not equals):
                raise UsageError(f"--slurm {word}: KEY=VALUE or KEY is wanted, such as --slurm partition=gpu")
            if name == SETUP:
                setup.append(value)
            else:
                options[name] = value if equals else True
        return cls(options=options, setup=tuple(setup), at_once=at_once)


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


def parameters(array: Array, site: Site, files: SubmissionFiles) -> dict[str, object]:
    """The array in submitit's words. What tasks print goes to its own place, whatever folder names look like."""
    needs = array.needs
    given: dict[str, object] = {
        "job_name": f"lumirage-{array.name}",
        "time": needs.minutes,
        "cpus_per_task": needs.cpus,
        "mem": f"{math.ceil(needs.memory_bytes / 2**20)}M",
        "map_count": array.count,
        "array_parallelism": site.at_once,
        "stderr_to_stdout": True,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": {
            "requeue": True,
            "signal": f"B:USR2@{GRACE_S}",
            "output": f"{files.logs}/".replace("%", "%%") + "%A_%a_0_log.out",
            **site.options,
        },
    }
    if any(name in site.options for name in OTHER_MEMORY):
        del given["mem"]
    if needs.gpus:
        given["gpus_per_node"] = needs.gpus
    if site.setup:
        given["setup"] = list(site.setup)
    return given


def script(array: Array, site: Site, files: SubmissionFiles, command: Sequence[str]) -> str:
    """The batch script of an array, without what it waits for. The task replaces the shell, so that signals reach it."""
    text = submitit_slurm._make_sbatch_string(
        command=f"exec {shlex.join(command)}", folder=files.logs, **parameters(array, site, files)
    )
    return str(text)


def driver(arrays: Sequence[Array], files: SubmissionFiles) -> str:
    """A shell script that submits the arrays in their order, for sites that want to see what is submitted.

    If it was interrupted, running it again submits the rest: an array with a number is not submitted twice.
    """
    lines = ["#!/bin/sh", "# Submits what lumirage-harness planned; each script below may be edited first.", "set -eu"]
    for array in arrays:
        name = array.name.replace("-", "_")
        waits = "".join(f":${one.replace('-', '_')}" for one in array.after)
        option = f" --dependency=afterany{waits}" if waits else ""
        place, number = shlex.quote(str(files.script(array.name))), shlex.quote(str(files.number(array.name)))
        lines += [
            f"{name}=$(cat {number} 2>/dev/null || sbatch --parsable{option} {place})",
            f"{name}=${{{name}%%;*}}",
            f'echo "${name}" >{number}',
            f'echo "{array.name}: ${name}"',
        ]
    return "\n".join(lines) + "\n"


def submit_array(array: Array, files: SubmissionFiles) -> str:
    """Submit an array by its script; gives its number. Raises UnavailableError in Slurm's own words."""
    waits = "".join(f":{files.number(one).read_text().strip()}" for one in array.after)
    options = [f"--dependency=afterany{waits}"] if waits else []
    told = _ask(["sbatch", "--parsable", *options, str(files.script(array.name))])
    return told.strip().partition(";")[0]  # of several clusters it also tells which


def max_array_size() -> int:
    """How many tasks one array of this cluster may have."""
    if shutil.which("scontrol") is None:
        return DEFAULT_ARRAY_SIZE
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask(["scontrol", "show", "config"]), re.MULTILINE)
    return int(found[1]) if found else DEFAULT_ARRAY_SIZE


def answers_here() -> bool:
    """Whether this machine can look into a Slurm's queue."""
    return shutil.which("squeue") is not None


def queue(numbers: Iterable[str]) -> dict[tuple[str, int], str]:
    """(array number, task) -> state, for all tasks of these arrays that are in the queue, from one call of squeue.

    Tasks that are not in it have ended. Raises UnavailableError if Slurm does not answer.
    """
    wanted = set(numbers)
    if not wanted:
        return {}
    argv = ["squeue", "--noheader", "--all", "--array", f"--jobs={','.join(sorted(wanted))}", "--format", "%F|%K|%T"]
    try:
        lines = _ask(argv).splitlines()
    except UnavailableError as error:
        if "Invalid job id" not in str(error):
            raise
        lines = []  # asked for one array that it has forgotten, squeue fails; for several, it leaves them out
    rows = (line.strip().split("|") for line in lines)
    return {(row[0], int(row[1])): row[2] for row in rows if len(row) == 3 and row[0] in wanted and row[1].isdigit()}


def _ask(argv: list[str]) -> str:
    if shutil.which(argv[0]) is None:
        raise UnavailableError(f"there is no {argv[0]} here; --executor slurm wants a machine that submits to Slurm")
    # a user's own view of the queue, such as SQUEUE_STATES, must not hide tasks
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=environment)
    if done.returncode:
        raise UnavailableError(f"{argv[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def read_task(path: Path, index: int) -> Task:
    """One line of an array's file. Raises UsageError for a number beyond its end."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number == index:
                return task_of(path, line)
    raise UsageError(f"{path}: has no task {index}")


def task_of(path: Path, line: str) -> Task:
    """A task from a line of an array's file. Raises DamagedFileError."""
    try:
        return Task.model_validate_json(line)
    except ValidationError as error:
        raise DamagedFileError(path, "damaged, or cut off; submit again, by the same command") from error


def cpus_of_task(environment: Mapping[str, str], affinity: Iterable[int]) -> tuple[int, ...]:
    """The CPUs to which Slurm confined this task; none where it did not: several tasks would take the same."""
    cpus = tuple(sorted(affinity))
    return cpus if environment.get("SLURM_CPUS_PER_TASK") == str(len(cpus)) else ()


def processes_of_task(environment: Mapping[str, str]) -> int:
    """How many processes of ours a task may start: its CPUs, not those of its node."""
    given = environment.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdigit() else 1


def number_of_task(environment: Mapping[str, str]) -> str:
    """What Slurm calls this task, also in the lives that it has after being requeued; nothing outside of Slurm."""
    array, index = environment.get("SLURM_ARRAY_JOB_ID", ""), environment.get("SLURM_ARRAY_TASK_ID", "")
    return f"{array}_{index}" if array else environment.get("SLURM_JOB_ID", "")
