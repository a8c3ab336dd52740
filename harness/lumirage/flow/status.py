"""The status of an evaluation: what is on disk, what lacks scores, and what waits or runs on a cluster."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.core.model import SENTINELS, Outcome
from lumirage.core.records import read_json, without_checksum
from lumirage.core.track import Evaluation
from lumirage.running.executors.slurm import Array, Submission, queue, task_of
from lumirage.running.tree_lock import holder
from lumirage.running.under_way import RunName, UnderWay, under_way


@dataclass(frozen=True)
class QueueState:
    """What waits or runs now: run -> Slurm's state, pairs that will be scored, and whether tables will be made."""

    runs: Mapping[RunName, str] = field(default_factory=dict)
    scores: frozenset[str] = frozenset()
    finish: bool = False

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self.runs or self.scores or self.finish)


def in_queue(layout: Layout) -> QueueState:
    """By one call of squeue, over all submissions of this tree. Raises UnavailableError when Slurm does not answer."""
    arrays = dict(_submitted(layout))
    states = queue(arrays)
    runs: dict[RunName, str] = {}
    scores: set[str] = set()
    finish = False
    for number, (array, path) in arrays.items():
        here = {task: state for (of, task), state in states.items() if of == number}
        if not here:
            continue
        finish |= array.kind == "finish"
        with path.open(encoding="utf-8") as lines:
            for index, line in enumerate(lines):
                if index not in here or array.kind not in ("run", "score"):
                    continue
                task = task_of(path, line)
                if array.kind == "score":
                    scores |= set(task.pairs)
                else:
                    runs |= {(task.method, task.condition, task.repeat, pair): here[index] for pair in task.pairs}
    return QueueState(runs, frozenset(scores), finish)


def _submitted(layout: Layout) -> Iterator[tuple[str, tuple[Array, Path]]]:
    """Slurm's number -> the array and the file of its tasks."""
    for record in sorted(layout.jobs.glob("*/submission.json")):
        files = layout.submission(record.parent.name)
        for array in read_json(record, Submission).arrays:
            if files.number(array.name).is_file():
                yield files.number(array.name).read_text().strip(), (array, files.tasks(array.name))


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
            good = _outcome_is_ok(layout.run_files(method, evaluation.under(pair, cell), cell, repeat).record)
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
    if run in here.running or waits not in (None, "PENDING"):
        return "running"
    return "pending" if waits or run in here.planned else "missing"


def unscored_pairs(layout: Layout, evaluation: Evaluation) -> list[str]:
    """Pairs with a good run, or with the sentinels' turn, that has no score under one of the track's presets."""
    # late: loading what reads scores costs 200 MB, and looking at the queue needs none of it
    from lumirage.scoring.presets import preset_named
    from lumirage.scoring.score_store import scored_runs

    presets = [preset_named(name) for name in evaluation.track.presets]
    scored = set.intersection(*(scored_runs(layout, preset) for preset in presets))
    found: dict[str, None] = {}
    for key in product(
        evaluation.methods,
        [cell.name for cell in evaluation.track.cells()],
        range(evaluation.repeats),
        evaluation.pairs,
    ):
        method, cell, repeat, pair = key
        good = _outcome_is_ok(layout.run_files(method, evaluation.under(pair, cell), cell, repeat).record)
        if good is None:
            continue
        wanted = {(sentinel, cell, 0, pair.id) for sentinel in SENTINELS}
        wanted |= {(method, cell, repeat, pair.id)} if good else set()
        if not wanted <= scored:
            found[pair.id] = None
    return list(found)


def _outcome_is_ok(record: Path) -> bool | None:
    """Whether a run record says ok, read no further than needed, as there may be very many. None if it is not complete.

    Only the record's own line counts, which is indented by one; text of the method is indented more or within a line.
    """
    try:
        raw = record.read_bytes()
    except OSError:
        return None
    if without_checksum(raw)[0] is False or not raw.rstrip().endswith(b"}"):
        return None
    return f'\n "outcome": "{Outcome.OK}"'.encode() in raw
