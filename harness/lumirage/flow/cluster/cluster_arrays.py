"""Missing work -> arrays of tasks. Pure.

Pairs are taken in blocks: the runs of a block wait for the preparation of that block alone, and its scores for its runs, so
that one slow task does not keep all others waiting.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from lumirage.core.evaluation_part import reversed_id
from lumirage.core.layout import digest
from lumirage.core.model import SENTINELS, Job, Pair
from lumirage.flow.status import QueueState
from lumirage.planning.evaluation_plan import Plan
from lumirage.running.executors.cluster_tasks import Array, Kind, Needs, Task, chunks, run_needs
from lumirage.running.executors.slurm_site import Site

BLOCK = 1000
"""Pairs of a block."""
BLOCKS_AT_ONCE = 4
"""Each has its part of the tasks that may run at a time; a block that is slow holds up only those that follow it."""
SPREAD = 100
"""Preparing and scoring a block are spread over about so many tasks."""
AT_LEAST = 8
"""Pairs that one of those tasks takes where there are so many: loading the scorers takes as long as scoring a few."""
AT_MOST_MINUTES = 240.0
"""Of what such a task asks for, unless a single pair asks for more: sites refuse or delay what is long."""
PREPARING = Needs(memory_bytes=6 * 2**30, minutes=0)
SCORING = Needs(memory_bytes=6 * 2**30, minutes=0)
TABLES = Needs(memory_bytes=8 * 2**30, minutes=120)
MINUTES_A_PAIR = 4.0
"""To prepare a pair, or to score one run of it, with much to spare."""

Filled = tuple[Array, Sequence[Task]]
"""An array and its tasks."""


@dataclass(frozen=True)
class MissingWork:
    """What is to be submitted: runs that are missing, pairs that lack scores, and whether tables are made after them."""

    jobs: tuple[Job, ...] = ()
    pairs: tuple[str, ...] = ()
    tables: bool = False

    @property
    def any(self) -> bool:
        """Whether there is something."""
        return bool(self.jobs or self.pairs or self.tables)


def missing_work(plan: Plan, unscored_pairs: Sequence[str], queued: QueueState) -> MissingWork:
    """What is neither on disk nor in the queue. Where runs are missing, their pairs are scored after them."""
    left = []
    for job in plan.jobs:
        pairs = tuple(p for p in job.pairs if (job.method.name, job.condition, job.repeat, p) not in queued.runs)
        if pairs == job.pairs:
            left.append(job)
        elif pairs:  # a task stops what an earlier life of its own id left, so no other task may have that id
            left.append(job.model_copy(update={"id": f"{job.id}-{digest(*pairs)}", "pairs": pairs}))
    run = {pair for job in left for pair in job.pairs}
    score = run | {pair for pair in unscored_pairs if pair not in queued.scores}
    return MissingWork(tuple(left), tuple(pair.id for pair in plan.pairs if pair.id in score))


def for_stages(work: MissingWork, stages: Sequence[str], *, tables: bool = False) -> MissingWork:
    """The part of it that belongs to these stages. `tables`: whether they are missing although nothing else is."""
    pairs = work.pairs if "score" in stages else ()
    return replace(work, pairs=pairs, tables="report" in stages and (tables or bool(work.jobs or pairs)))


def arrays_of(work: MissingWork, plan: Plan, site: Site, most: int) -> list[Filled]:
    """The arrays in order, each of at most `most` tasks: for each block preparing, runs, scores; at the end the tables."""
    numbers: dict[Kind, Iterator[int]] = {}

    def made(kind: Kind, tasks: Sequence[Task], array: Array) -> list[Filled]:
        """The tasks as arrays like this one."""
        counter = numbers.setdefault(kind, count())
        return [
            (array.model_copy(update={"name": f"{kind}-{next(counter)}", "count": len(piece)}), piece)
            for piece in chunks(tasks, most)
        ]

    blocks = _blocks(work, plan)
    at_once = max(site.at_once // min(len(blocks), BLOCKS_AT_ONCE), 1) if len(blocks) > 1 else None
    found: list[Filled] = []
    ends: list[tuple[str, ...]] = []
    for number, block in enumerate(blocks):
        before = ends[number - BLOCKS_AT_ONCE] if number >= BLOCKS_AT_ONCE else ()
        arrays: list[Filled] = []
        for tasks, array in _stages_of(block, plan, site):
            waits = _names(arrays, _BEFORE[array.kind]) or before
            arrays += made(array.kind, tasks, array.model_copy(update={"after": waits, "at_once": at_once}))
        found += arrays
        ends.append(_names(arrays, ("run",)) or _names(arrays, ("score",)))
    if work.tables:
        last = _names(found, ("score",)) or _names(found, ("run",))
        array = Array(name="", kind="finish", count=1, needs=TABLES, after=last)
        found += made("finish", [Task(id="finish", kind="finish")], array)
    return found


_BEFORE: dict[Kind, tuple[Kind, ...]] = {"prepare": (), "run": ("prepare",), "score": ("run",), "finish": ()}


def _names(arrays: Sequence[Filled], kinds: Sequence[Kind]) -> tuple[str, ...]:
    return tuple(array.name for array, _ in arrays if array.kind in kinds)


def _blocks(work: MissingWork, plan: Plan) -> list[MissingWork]:
    """The work by blocks of pairs; a pair and the one the other way round are in one block, as they are scored together.
    A job of several pairs is in the block of its first."""
    wanted = {*work.pairs, *(pair for job in work.jobs for pair in job.pairs)}
    pairs = [pair for pair in plan.evaluation.pairs if pair.id in wanted]
    block_of = _block_numbers(pairs)
    total = max(block_of.values(), default=-1) + 1
    jobs: list[list[Job]] = [[] for _ in range(total)]
    scored: list[list[str]] = [[] for _ in range(total)]
    moved: dict[str, int] = {}
    for job in work.jobs:
        number = max(block_of[pair] for pair in job.pairs)
        jobs[number].append(job)
        moved |= {pair: max(number, moved.get(pair, 0)) for pair in job.pairs}
    for pair_id in work.pairs:
        scored[max(block_of[pair_id], moved.get(pair_id, 0))].append(pair_id)
    blocks = [MissingWork(tuple(j), tuple(s)) for j, s in zip(jobs, scored, strict=True)]
    return [block for block in blocks if block.jobs or block.pairs]


def _block_numbers(pairs: Sequence[Pair]) -> dict[str, int]:
    found: dict[str, int] = {}
    there = {pair.id for pair in pairs}
    for pair in pairs:
        if pair.id not in found:
            number = len(found) // BLOCK
            found[pair.id] = number
            if (back := reversed_id(pair)) in there:
                found[back] = number
    return found


def _stages_of(block: MissingWork, plan: Plan, site: Site) -> Iterator[tuple[Sequence[Task], Array]]:
    """The tasks of a block, stage by stage, with what they ask for."""
    for condition in dict.fromkeys(job.condition for job in block.jobs):
        pairs = dict.fromkeys(pair for job in block.jobs if job.condition == condition for pair in job.pairs)
        size = _share(len(pairs), MINUTES_A_PAIR)
        needs = _timed(PREPARING, min(size, len(pairs)) * MINUTES_A_PAIR)
        yield _spread("prepare", list(pairs), size, condition), Array(name="", kind="prepare", count=0, needs=needs)
    by_needs: dict[tuple[Needs, str], list[Task]] = {}
    for job in block.jobs:
        own = job.method.name if job.method.name in site.parts else ""
        by_needs.setdefault((run_needs(job.limits, len(job.pairs)), own), []).append(_run_task(job))
    for (needs, method), tasks in by_needs.items():
        yield tasks, Array(name="", kind="run", count=0, needs=needs, method=method)
    runs = len(plan.conditions) * (len(plan.evaluation.methods) * plan.evaluation.repeats + len(SENTINELS))
    size = _share(len(block.pairs), MINUTES_A_PAIR * runs)
    needs = _timed(SCORING, min(size, len(block.pairs)) * MINUTES_A_PAIR * runs)
    if block.pairs:
        yield _spread("score", block.pairs, size), Array(name="", kind="score", count=0, needs=needs)


def _run_task(job: Job) -> Task:
    return Task(
        id=job.id,
        kind="run",
        method=job.method.name,
        condition=job.condition,
        repeat=job.repeat,
        pairs=job.pairs,
        gpus=job.limits.gpus,
    )


def _share(pairs: int, minutes_a_pair: float) -> int:
    """Pairs that one task takes."""
    return min(max(-(-pairs // SPREAD), AT_LEAST), max(int(AT_MOST_MINUTES / minutes_a_pair), 1))


def _spread(kind: Kind, pairs: Sequence[str], size: int, condition: str = "") -> list[Task]:
    starts = range(0, len(pairs), size)
    return [
        Task(
            id=f"{kind}-{condition}{digest(*pairs[start : start + size])}",
            kind=kind,
            condition=condition,
            pairs=tuple(pairs[start : start + size]),
        )
        for start in starts
    ]


def _timed(needs: Needs, minutes: float) -> Needs:
    return needs.model_copy(update={"minutes": 15 + int(minutes)})
