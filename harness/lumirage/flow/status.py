"""The status of an evaluation: what is on disk, what lacks scores, and what waits or runs on a cluster."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from lumirage.core.layout import Layout, write_text
from lumirage.core.model import Outcome
from lumirage.core.packed_files import read_kept
from lumirage.core.records import read_json, without_checksum
from lumirage.core.track import Evaluation
from lumirage.running.executors.cluster_tasks import Array, Submission, task_name
from lumirage.running.executors.slurm_queue import QueuedTask, numbers_of, queue
from lumirage.running.executors.slurm_reasons import HELD_BACK
from lumirage.running.tree_lock import holder
from lumirage.running.under_way import RunName, UnderWay, under_way


@dataclass(frozen=True)
class QueueState:
    """What waits or runs now: run -> Slurm's state, pairs that will be scored, and whether tables will be made. `reasons`:
    why tasks wait, in Slurm's words -> how many."""

    runs: Mapping[RunName, str] = field(default_factory=dict)
    scores: frozenset[str] = frozenset()
    finish: bool = False
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self.runs or self.scores or self.finish)


PENDING = "PENDING"


def in_queue(layout: Layout) -> QueueState:
    """By one call of squeue, over all submissions of this tree; by a second one, for arrays of which no number is known.

    Those that are held back, because the queue has no room, wait too. Raises UnavailableError when Slurm does not answer.
    """
    arrays, held = _submitted(layout)
    states = queue(arrays)
    by_number: dict[str, dict[int, QueuedTask]] = {}
    for (number, index), task in states.items():
        by_number.setdefault(number, {})[index] = task
    there = [(array, path, by_number[number]) for number, (array, path) in arrays.items() if number in by_number]
    there += [(array, path, dict.fromkeys(range(array.count), QueuedTask(PENDING, HELD_BACK))) for array, path in held]
    runs: dict[RunName, str] = {}
    scores: set[str] = set()
    for array, path, tasks in there:
        if array.kind not in ("run", "score"):
            continue
        with path.open(encoding="utf-8") as lines:
            for index, line in enumerate(lines):
                if index not in tasks:
                    continue
                named = task_name(path, line)
                if array.kind == "score":
                    scores |= set(named.pairs)
                else:
                    state = tasks[index].state
                    runs |= {(named.method, named.condition, named.repeat, pair): state for pair in named.pairs}
    finish = any(array.kind == "finish" for array, _, _ in there)
    waiting = (task.reason for _, _, tasks in there for task in tasks.values() if task.state == PENDING and task.reason)
    return QueueState(runs, frozenset(scores), finish, Counter(waiting))


def _submitted(layout: Layout) -> tuple[dict[str, tuple[Array, Path]], list[tuple[Array, Path]]]:
    """Slurm's number -> the array and the file of its tasks; and the arrays that are held back.

    An array without a number is looked for by its name: Slurm may have taken it when sbatch did not hear so. Its number is
    kept then.
    """
    found: dict[str, tuple[Array, Path]] = {}
    held: list[tuple[Array, Path]] = []
    lost: dict[str, tuple[Array, Path, Path]] = {}
    for record in sorted(layout.jobs.glob("*/submission.json")):
        files = layout.submission(record.parent.name)
        waiting = files.held.read_text().split() if files.held.is_file() else []
        for array in read_json(record, Submission).arrays:
            number, tasks = files.number(array.name), files.tasks(array.name)
            if number.is_file():
                found[number.read_text().strip()] = array, tasks
            elif array.name in waiting:
                held.append((array, tasks))
            elif array.job_name:
                lost[array.job_name] = array, tasks, number
    names = {name: array.clusters for name, (array, _, _) in lost.items()}
    for name, number_found in (numbers_of(names) if names else {}).items():
        array, tasks, number = lost[name]
        write_text(number, number_found + "\n")
        found[number_found] = array, tasks
    return found, held


STATES = ("done", "failed", "running", "pending", "missing", "not_asked")


@dataclass(frozen=True)
class Status:
    """The status of an evaluation: method -> state -> number of runs. `missing` was asked for, and is neither on disk nor
    under way; `not_asked` belongs to the track, but no command has asked for it."""

    counts: Mapping[str, Mapping[str, int]]

    def total(self, state: str) -> int:
        """Of all methods."""
        return sum(counts[state] for counts in self.counts.values())


def evaluation_status(layout: Layout, evaluation: Evaluation, queued: QueueState) -> Status:
    """From the files of OUT, the harnesses that work in it on this machine, and the queue."""
    counts: dict[str, Counter[str]] = {}
    cells = [cell.name for cell in evaluation.track.cells()]
    here = under_way(layout.under_way)
    for method in evaluation.methods:
        counts[method] = Counter(dict.fromkeys(STATES, 0))
        asked = set(evaluation.requested.get(method, ())) if method in evaluation.requested else None
        for cell, repeat, pair in product(cells, range(evaluation.repeats), evaluation.pairs):
            good = outcome_is_ok(layout.run_files(method, evaluation.under(pair, cell), cell, repeat).record)
            if good is not None:
                state = "done" if good else "failed"
            else:
                state = _state_of_open(here, queued, (method, cell, repeat, pair.id))
            counts[method][state if state != "missing" or asked is None or pair.id in asked else "not_asked"] += 1
    return Status(counts)


def who_works(layout: Layout) -> tuple[str, ...]:
    """Who holds OUT now, in words; empty where nobody on this machine does."""
    whole = holder(layout.lock)
    parts = [holder(path) for path in sorted(layout.root.glob(layout.part_lock("*").name))]
    found = tuple(filter(None, (whole, *parts)))
    return found or (("another harness",) if under_way(layout.under_way).harnesses else ())


def _state_of_open(here: UnderWay, queued: QueueState, run: RunName) -> str:
    """Of a run without a record."""
    waits = queued.runs.get(run)
    if run in here.running or waits not in (None, PENDING):
        return "running"
    return "pending" if waits or run in here.planned else "missing"


def outcome_is_ok(record: Path) -> bool | None:
    """Whether a run record says ok, read no further than needed, as there may be very many. None if it is not complete.

    Only the record's own line counts, which is indented by one; text of the method is indented more or within a line.
    """
    try:
        raw = read_kept(record)
    except OSError:
        return None
    if without_checksum(raw)[0] is False or not raw.rstrip().endswith(b"}"):
        return None
    return f'\n "outcome": "{Outcome.OK}"'.encode() in raw
