"""What Slurm says: its limits, and the tasks in its queue. Results are read from files, never from Slurm."""

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lumirage.core.errors import UnavailableError

DEFAULT_ARRAY_SIZE = 1001
"""Slurm's own, taken where scripts are written on a machine without Slurm."""
PIECES = 4
"""Arrays that fit into the limit on tasks in the queue, so that the next can follow when one has ended."""


@dataclass(frozen=True)
class QueuedTask:
    """A task in the queue: its state, and why it waits, in Slurm's words."""

    state: str
    reason: str = ""


def answers_here() -> bool:
    """Whether this machine can look into a Slurm's queue."""
    return shutil.which("squeue") is not None


def array_size(clusters: str = "") -> int:
    """How many tasks one array may have: at most MaxArraySize, and a part of what may be in the queue at all."""
    if shutil.which("scontrol") is None:
        return DEFAULT_ARRAY_SIZE
    told = ask(["scontrol", *_on(clusters.split(",", maxsplit=1)[0]), "show", "config"])
    said = {name: int(value) for name, value in re.findall(r"^(\w+)\s*=\s*(\d+)", told, re.MULTILINE)}
    size = said.get("MaxArraySize", DEFAULT_ARRAY_SIZE)
    limits = [limit for limit in (said.get("MaxJobCount"), *_submit_limits()) if limit]
    return max(min([size, *(limit // PIECES for limit in limits)]), 1)


def _submit_limits() -> Iterator[int]:
    """MaxSubmitJobs of this user, where there is a database that knows it."""
    if shutil.which("sacctmgr") is None:
        return
    asked = ["sacctmgr", "--noheader", "--parsable2", "show"]
    for words in (
        ["association", "where", f"user={getpass.getuser()}", "format=MaxSubmitJobs"],
        ["qos", "format=MaxSubmitJobsPerUser"],
    ):
        try:
            yield from (int(word) for word in ask([*asked, *words]).split() if word.isdigit())
        except UnavailableError:
            return


def queue(numbers: Iterable[str]) -> dict[tuple[str, int], QueuedTask]:
    """(array number, task) -> its state, for all tasks of these arrays that are in the queue, from one call of squeue for
    each cluster. Numbers are as sbatch gives them: `12`, or `12;cluster`.

    Tasks that are not in it have ended. Raises UnavailableError if Slurm does not answer.
    """
    wanted: dict[str, dict[str, str]] = {}
    for number in set(numbers):
        job, _, cluster = number.partition(";")
        wanted.setdefault(cluster, {})[job] = number
    found: dict[tuple[str, int], QueuedTask] = {}
    for cluster, jobs in wanted.items():
        for row in _rows(cluster, ["--array", f"--jobs={','.join(sorted(jobs))}"], "%F|%K|%T|%r", 4):
            if row[0] in jobs and row[1].isdigit():
                found[jobs[row[0]], int(row[1])] = QueuedTask(row[2], "" if row[3] == "None" else row[3])
    return found


def numbers_of(names: Mapping[str, str]) -> dict[str, str]:
    """Job name -> number, of those that are in the queue. `names`: job name -> the clusters that it may be on."""
    found: dict[str, str] = {}
    for clusters in sorted(set(names.values())):
        ours = sorted(name for name, there in names.items() if there == clusters)
        for cluster in clusters.split(","):
            for job, name in _rows(cluster, [f"--name={','.join(ours)}"], "%F|%j", 2):
                if name in ours:
                    found[name] = f"{job};{cluster}" if cluster else job
    return found


def _rows(cluster: str, which: Sequence[str], columns: str, width: int) -> list[list[str]]:
    argv = ["squeue", "--noheader", "--all", *_on(cluster), *which, "--format", columns]
    try:
        lines = ask(argv).splitlines()
    except UnavailableError as error:
        if "Invalid job id" not in str(error):
            raise
        lines = []  # asked for one array that it has forgotten, squeue fails; for several, it leaves them out
    return [row for line in lines if len(row := line.strip().split("|")) == width]


def _on(cluster: str) -> list[str]:
    return [f"--clusters={cluster}"] if cluster else []


def ask(argv: list[str], environment: Mapping[str, str] | None = None) -> str:
    """What a command of Slurm prints. Raises UnavailableError in Slurm's own words."""
    if shutil.which(argv[0]) is None:
        raise UnavailableError(f"there is no {argv[0]} here; --executor slurm wants a machine that submits to Slurm")
    # a user's own view of the queue, such as SQUEUE_STATES, must not hide tasks
    given = environment if environment is not None else os.environ
    seen = {name: value for name, value in given.items() if not name.startswith("SQUEUE_")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=seen)
    if done.returncode:
        raise UnavailableError(f"{argv[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
