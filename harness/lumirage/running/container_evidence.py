"""One container, running or ended, and what can be known from it of each of its pairs."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from lumirage.core.model import Job
from lumirage.running.answer_judging import Answer, changed_s, exists, read_answer
from lumirage.running.job_watch import JobWatch
from lumirage.running.method_contract import ExpectedAnswer, PairInput, WrittenInputs
from lumirage.running.method_events import PairEvents
from lumirage.running.outcomes import died
from lumirage.running.pair_timing import Changes, Times, times_of
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Image, Runtime
from lumirage.running.training_frame import as_seen, brought


@dataclass(frozen=True)
class JobContainer:
    """One container, with what it was given. The pairs are in the order of `inputs`."""

    job: Job
    inputs: Mapping[str, PairInput]
    written: WrittenInputs
    watch: JobWatch
    ended: CallResult
    started: datetime
    runtime: Runtime
    image: Image
    call: Call
    over: bool = True
    """Whether it has ended."""

    def events(self, pair: str) -> PairEvents:
        """What was said about a pair."""
        return self.watch.events.pairs[self.written.ids[pair]]

    def judge_answer(self, pair: str, expected: ExpectedAnswer | None = None) -> Answer:
        """What the method left for a pair, or a copy of it (`expected`), its field brought to the working grid."""
        given, prepared = self.written.given[pair].prepared, self.inputs[pair].prepared
        there = expected or self.written.expected[pair]
        answer = read_answer(there, self.job.method.output, given.grid, given.moving)
        if answer.displacement is None:
            return answer
        field, seen = answer.displacement, as_seen(prepared).grid
        field = field if given.grid == seen else brought(field, seen)
        # differences are the same in both worlds: only where the lattice lies is told anew
        return replace(answer, displacement=replace(field, affine=np.array(prepared.grid.affine)))

    @property
    def gpu_fault(self) -> str:
        """The words with which the log says that the GPU failed; empty where it does not."""
        logs = [*self.watch.events.pairs.values(), self.watch.events.loading]
        return next((words for log in logs if (words := log.gpu_fault)), "")

    def times(self, pair: str) -> Times:
        """When a pair ran."""
        changes = {name: changed_s(expected) for name, expected in self.written.expected.items()}
        own = changes.pop(pair)
        others = [at for at in changes.values() if at is not None]
        return times_of(self.watch, self.ended.usage, self.events(pair), Changes(own, others))

    @functools.cached_property
    def latest_without_events(self) -> str | None:
        """Of the pairs of which the method said nothing, the one whose answer was changed last."""
        changes = [
            (at, i, pair)
            for i, (pair, expected) in enumerate(self.written.expected.items())
            if self.events(pair).begin_s is None and (at := changed_s(expected)) is not None
        ]
        return max(changes)[2] if changes else None

    @functools.cached_property
    def latest_is_whole(self) -> bool:
        """Whether that answer is valid; read once, as it may be large."""
        return self.latest_without_events is not None and self.judge_answer(self.latest_without_events).state == "valid"


FileState = tuple[tuple[int, ...] | None, ...]


def state_of(expected: ExpectedAnswer) -> FileState:
    """What changes when one of an answer's files does: their inode, size and times, by the kernel's clock."""
    found: list[tuple[int, ...] | None] = []
    for name in (*expected.fields, *expected.moved, *([expected.info] if expected.info else [])):
        try:
            status = (expected.folder / name).lstat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        except OSError:
            found.append(None)
    return tuple(found)


def finished(container: JobContainer, pair: str) -> bool:
    """Whether the method had finished a pair: it sent an end event, or it sent no events at all and wrote an answer.

    If the container did not end by itself, the last answer may be incomplete: it does not count if the harness was
    interrupted, and must be valid if the container died.
    """
    events = container.events(pair)
    if events.begin_s is not None or not exists(container.written.expected[pair]):
        return events.end_s is not None
    if pair != container.latest_without_events or not (died(container.ended.usage) or container.ended.interrupted):
        return True
    return not container.ended.interrupted and container.latest_is_whole
