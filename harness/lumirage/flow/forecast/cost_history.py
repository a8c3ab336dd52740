"""What runs cost on this machine, kept in the cache, so that a plan can say what to expect."""

import os
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lumirage.core.errors import DataError
from lumirage.core.layout import cache_root, digest
from lumirage.core.model import Job, Limits, Method, Outcome, Record, Run
from lumirage.core.records import read_json, write_json
from lumirage.flow.job_inputs import host

KEPT = 64
"""Runs that are remembered of a method."""


class Cost(Record):
    """What one run used; None: not measured."""

    voxels: int
    cpu_s: float | None
    wall_s: float | None
    peak_memory_bytes: int | None


class CostHistory(Record):
    """The last runs of one method on this machine, the newest last."""

    schema_version: Literal[1] = 1
    method: str
    costs: tuple[Cost, ...]


def history_file(card: Method, limits: Limits) -> Path:
    """One file for each method with these parameters, on as many CPUs and GPUs of this processor."""
    key = (card.name, card.version, str(sorted(card.parameters.items())), str(limits.cpus), str(limits.gpus))
    return cache_root() / "costs" / f"{digest(*key, str(host()['processor']), str(os.cpu_count()))}.json"


class CostsSeen:
    """The costs of runs that ended well, the last of each method, while they come in."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[Cost]] = {}

    def add(self, run: Run) -> None:
        """One more run; a failed one says nothing of the cost."""
        if run.outcome is Outcome.OK:
            memory = run.usage.peak_memory_bytes
            cost = Cost(voxels=run.voxels, cpu_s=run.cpu_s_per_pair, wall_s=run.wall_s, peak_memory_bytes=memory)
            self._seen.setdefault(run.method, deque(maxlen=KEPT)).append(cost)

    def keep(self, jobs: Iterable[Job]) -> None:
        """Add them to the cache. One that cannot be written keeps nothing, which is no fault of the runs."""
        of_method = {job.method.name: job for job in jobs}
        for name, new in self._seen.items():
            card, limits = of_method[name].method, of_method[name].limits
            costs = (*costs_of(card, limits), *new)[-KEPT:]
            with suppress(OSError):
                write_json(history_file(card, limits), CostHistory(method=name, costs=costs))


def costs_of(card: Method, limits: Limits) -> tuple[Cost, ...]:
    """The remembered runs; none where there are none, or where they cannot be read."""
    try:
        return read_json(history_file(card, limits), CostHistory).costs
    except DataError:
        return ()
