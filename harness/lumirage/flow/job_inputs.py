"""What the jobs of an output tree need, here as on a cluster: their shared settings, and the images of their pairs."""

import functools
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from lumirage.core.layout import Layout, digest
from lumirage.core.model import Job, Pair
from lumirage.core.track import Evaluation, Prepare
from lumirage.methods.weights import mounted_weights
from lumirage.planning.preparation import Preparer
from lumirage.running.job_execution import RunContext
from lumirage.running.method_contract import PairInput
from lumirage.running.runtimes.runtime_interface import Runtime
from lumirage.running.scratch import scratch_folder


def run_context(layout: Layout, evaluation: Evaluation, runtime: Runtime, part: Sequence[str] = ()) -> RunContext:
    """What all jobs of this output tree, or of this part of it, share. Each part has containers of its own.

    Raises UnavailableError if there is no safe folder for the inputs of containers.
    """
    cards = [use.card for use in evaluation.methods.values()]
    weights = {card.name: folder for card in cards if (folder := mounted_weights(card))}
    return RunContext(
        layout=layout,
        track=evaluation.track.name,
        owner=digest(str(layout.root.resolve()), *part),
        scratch=scratch_folder(layout, runtime, os.environ),
        weights=weights,
        weights_sha256={name: use.weights for name, use in evaluation.methods.items()},
        host=host(),
    )


def host() -> dict[str, str | int | float]:
    """The machine, as far as times and memory depend on it."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


@dataclass(frozen=True)
class InputPreparer:
    """Prepares the pairs of a job just before it runs."""

    layout: Layout
    evaluation: Evaluation
    tell: Callable[[str], None] = lambda _: None
    """Told what was found damaged and is made again."""

    @functools.cached_property
    def _pairs(self) -> Mapping[str, Pair]:
        return {pair.id: pair for pair in self.evaluation.pairs}

    @functools.cached_property
    def _prepare(self) -> Mapping[str, Prepare]:
        return {cell.name: cell.prepare for cell in self.evaluation.track.cells()}

    def for_job(self, job: Job) -> Mapping[str, PairInput]:
        """Pair id -> what the method is given."""
        return {pair: self.for_pair(pair, job.condition) for pair in job.pairs}

    def for_pair(self, pair: str, condition: str) -> PairInput:
        """What a method is given for one pair."""
        under = self.evaluation.under(self._pairs[pair], condition)
        made = Preparer(self.layout, self.tell).prepare(under, self._prepare[condition], check=True)
        return PairInput(under, made, made.truth)
