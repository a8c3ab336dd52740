"""Complete runs -> the answers that still have to be scored, one task for each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import NamedTuple, Self

from lumirage.core.dataset_files import files_of
from lumirage.core.errors import DataError
from lumirage.core.evaluation_part import reversed_id
from lumirage.core.label_files import shared_sources
from lumirage.core.layout import Layout
from lumirage.core.model import SENTINELS, Outcome, Pair, Run
from lumirage.core.track import Condition, Evaluation
from lumirage.planning.preparation import Preparer
from lumirage.scoring.presets import Preset
from lumirage.scoring.score_files import Direction, ScoreTask
from lumirage.scoring.score_store import INVERSE, RunKey, ScoredRow, runs_in, score_parts, scored_rows

UnscoredTask = tuple[ScoreTask, tuple[Preset, ...]]
"""An answer, and the presets under which it is to be scored."""


class RunToScore(NamedTuple):
    """What scoring needs of a run's record. Of a hundred thousand runs the whole records have .8 GB, these a tenth of it."""

    outcome: Outcome
    prepared: str
    field: str
    """Checksum of the answer; empty without one."""

    @classmethod
    def of(cls, run: Run) -> Self:
        """From the record."""
        return cls(run.outcome, run.prepared, run.checksums.get("field", ""))


@dataclass(frozen=True)
class ScoringRequest:
    """What is to be scored: the pairs, their runs and, for consistency, those of the reversed pairs."""

    evaluation: Evaluation
    pairs: Sequence[Pair]
    runs: Mapping[RunKey, RunToScore]
    presets: Sequence[Preset]
    known: Mapping[str, Sequence[ScoredRow]] | None = None
    """Preset -> what is scored of these pairs; none: all parts of the tree are read."""

    @cached_property
    def answered(self) -> set[RunKey]:
        """The runs that have an answer."""
        return {key for key, run in self.runs.items() if run.outcome is Outcome.OK}

    @cached_property
    def answered_both_ways(self) -> set[RunKey]:
        """The runs whose reversed pair has an answer too: they have an inverse consistency."""
        return {key for key in self.answered if (*key[:3], self._reverse[key[3]]) in self.answered}

    @cached_property
    def answers(self) -> dict[RunKey, str]:
        """Checksums of the answers that are there, as `ScoreTask.answers` has them."""
        sums = {key: run.field for key, run in self.runs.items()}
        back = {key: sums.get((*key[:3], self._reverse[key[3]]), "") for key in sums}
        return {key: f"{own}+{back[key]}" if back[key] else own for key, own in sums.items()}

    @cached_property
    def by_id(self) -> Mapping[str, Pair]:
        """The pairs of the evaluation."""
        return {pair.id: pair for pair in self.evaluation.pairs}

    @cached_property
    def _reverse(self) -> Mapping[str, str]:
        return {name: reversed_id(pair) for name, pair in self.by_id.items()}


def with_reversed(evaluation: Evaluation, wanted: Collection[str]) -> tuple[Pair, ...]:
    """The pairs of these ids, and those of the evaluation that are one of them the other way round."""
    named = [(pair, pair.id) for pair in evaluation.pairs]
    backward = {reversed_id(pair) for pair, name in named if name in wanted}
    return tuple(pair for pair, name in named if name in wanted or name in backward)


def run_key(task: ScoreTask) -> RunKey:
    """The run that a task scores."""
    return task.method, task.condition, task.repeat, task.pair.id


def scored_before(layout: Layout, preset: Preset, request: ScoringRequest) -> set[RunKey]:
    """The runs that are scored already.

    Without those that were scored before their reversed pair was run, unless their images no longer exist.
    """
    rows = request.known[preset.name] if request.known is not None else scored_rows(score_parts(layout, preset))
    found = runs_in(rows, request.answers)
    if INVERSE not in preset.metrics:
        return found
    late = request.answered_both_ways - runs_in(rows, request.answers, inverse=True)
    of_late = [request.by_id[name] for name in {key[3] for key in late}]
    there = {pair.id for pair in of_late if all(s.image.exists() for s in (pair.fixed, pair.moving))}
    return found - {key for key in late if key[3] in there}


def unscored_tasks(
    layout: Layout, request: ScoringRequest, have: Mapping[str, Collection[RunKey]]
) -> Iterator[UnscoredTask]:
    """The tasks that are not yet scored. `have`: preset -> runs that are scored already.

    Sentinels and methods together, pair by pair, so that the images of a pair are read once. Pairs that have all their
    scores are skipped, so nothing is prepared for them.
    """
    for task in _tasks(layout, request, have):
        lacking = tuple(preset for preset in request.presets if run_key(task) not in have[preset.name])
        if lacking:
            yield task, lacking


def _tasks(layout: Layout, request: ScoringRequest, have: Mapping[str, Collection[RunKey]]) -> Iterator[ScoreTask]:
    preparer, evaluation, answered = Preparer(layout), request.evaluation, request.answered
    by_cell: dict[tuple[str, str], list[RunKey]] = {}
    for key in request.runs:
        by_cell.setdefault((key[1], key[3]), []).append(key)
    for planned, cell in product(request.pairs, evaluation.track.cells()):
        there = by_cell.get((cell.name, planned.id), [])
        keys = [key for key in there if key in answered]
        wanted = [*keys, *((sentinel, cell.name, 0, planned.id) for sentinel in SENTINELS)]
        if not there or all(key in done for done in have.values() for key in wanted):
            continue
        pair = evaluation.under(planned, cell.name)
        made = {request.runs[key].prepared for key in there}
        if len(made) > 1:
            raise DataError(
                f"{layout.root}: the runs of {planned.id} were made from different images; give another OUT"
            )
        forward = Direction(pair, preparer.prepared_as(made.pop(), pair, cell.prepare), None)
        known = {name: of for name in files_of([pair]) if (of := evaluation.contents.get(name))}
        task = partial(
            ScoreTask,
            condition=cell.name,
            track=evaluation.track,
            names=evaluation.label_names,
            choices={source: evaluation.labels_of(source) for source in shared_sources(pair)},
            known=known,
        )
        for sentinel in SENTINELS:
            yield task(method=sentinel, repeat=0, forward=forward)
        for method, _, repeat, _ in keys:
            field_path = layout.run_files(method, pair, cell.name, repeat).field
            summed = request.runs[method, cell.name, repeat, planned.id].field
            answer = Direction(pair, forward.prepared, field_path, summed)
            yield task(
                method=method,
                repeat=repeat,
                forward=answer,
                backward=_backward(layout, request, (method, cell, repeat, planned)),
            )


def _backward(layout: Layout, request: ScoringRequest, run: tuple[str, Condition, int, Pair]) -> Direction | None:
    """The answer to the reversed pair, where that was run and went well."""
    method, cell, repeat, pair = run
    wanted, evaluation = reversed_id(pair), request.evaluation
    there = request.runs.get((method, cell.name, repeat, wanted))
    if there is None or there.outcome is not Outcome.OK:
        return None
    reverse = evaluation.under(request.by_id[wanted], cell.name)
    prepared = Preparer(layout).prepared_as(there.prepared, reverse, cell.prepare)
    field_path = layout.run_files(method, reverse, cell.name, repeat).field
    return Direction(reverse, prepared, field_path, there.field)
