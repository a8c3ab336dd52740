"""The stage `score`: answers in OUT -> scores of each run, and one table of all."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lumirage.core.errors import DataError
from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Pair
from lumirage.core.screen import Screen
from lumirage.core.time_spent import TimeSpent, note_time
from lumirage.core.track import Evaluation
from lumirage.flow.score_tasks import RunToScore, ScoringRequest, scored_before, unscored_tasks, with_reversed
from lumirage.flow.stored_evaluation import load_evaluation, runs_of
from lumirage.running.runtimes.runtime_interface import Stopped
from lumirage.scoring.parallel_scoring import score_many
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_assembly import assemble
from lumirage.scoring.score_store import Parts, RunKey, ScoredRow, score_parts, scored_rows

Item = TypeVar("Item")


@dataclass(frozen=True)
class ScoringSettings:
    """How many processes score, on which device, and what stops them: finished scores are kept, and Stopped is raised."""

    workers: int = 1
    device: str = "cpu"
    stop: threading.Event = field(default_factory=threading.Event)


def score(layout: Layout, names: Sequence[str], settings: ScoringSettings, screen: Screen) -> None:
    """Score all runs that these presets have not scored yet, and write the tables."""
    evaluation = load_evaluation(layout)
    presets = [preset_named(name) for name in names or evaluation.track.presets]
    runs = runs_to_score(layout, evaluation, evaluation.pairs)
    if not runs:
        raise DataError(f"{layout.root}: no run is complete yet; 'lumirage-harness evaluate' or 'run' makes them")
    request = ScoringRequest(evaluation, evaluation.pairs, runs, presets)
    _score_missing(layout, request, settings, screen)
    failed = {key: run.outcome for key, run in runs.items() if run.outcome is not Outcome.OK}
    assemble(layout, presets, failed, request.answered_both_ways, request.answers)


def score_pairs(layout: Layout, pairs: Sequence[str], settings: ScoringSettings, screen: Screen) -> None:
    """Score some pairs (by id) under the presets of the track, unless that is done already. Makes no tables.

    Reversed pairs that were scored before these pairs were run are scored again, as the group level may have no images for
    it. Several processes may do this at once for different pairs of one OUT.
    """
    evaluation = load_evaluation(layout)
    known = {name: scored_rows(score_parts(layout, preset_named(name))) for name in evaluation.track.presets}
    score_known_pairs(layout, PairsToScore(evaluation, pairs, known), settings, screen)


@dataclass(frozen=True)
class PairsToScore:
    """Pairs of an evaluation, or of the part of it that has them, by id; preset -> what of them is scored already; and
    where the parts that are written are noted."""

    evaluation: Evaluation
    pairs: Sequence[str]
    known: Mapping[str, Sequence[ScoredRow]]
    journal: Path | None = None


def score_known_pairs(layout: Layout, wanted: PairsToScore, settings: ScoringSettings, screen: Screen) -> None:
    """As `score_pairs`, of what is scored already without looking at other pairs."""
    evaluation, chosen = wanted.evaluation, set(wanted.pairs)
    both = with_reversed(evaluation, chosen)
    presets = [preset_named(name) for name in evaluation.track.presets]
    begun = {
        run[3] for run in set.intersection(*({row.run for row in wanted.known[preset.name]} for preset in presets))
    }
    pairs = [pair for pair in both if pair.id in chosen or pair.id in begun]
    request = ScoringRequest(evaluation, pairs, runs_to_score(layout, evaluation, both), presets, wanted.known)
    _score_missing(layout, request, settings, screen, wanted.journal)


def runs_to_score(layout: Layout, evaluation: Evaluation, pairs: Sequence[Pair]) -> dict[RunKey, RunToScore]:
    """Of the complete runs of these pairs; their records are read one after the other."""
    return {key: RunToScore.of(run) for key, run in runs_of(layout, evaluation, pairs)}


def _score_missing(
    layout: Layout,
    request: ScoringRequest,
    settings: ScoringSettings,
    screen: Screen,
    journal: Path | None = None,
) -> None:
    have = {preset.name: scored_before(layout, preset, request) for preset in request.presets}
    tasks = list(_unless(settings.stop, unscored_tasks(layout, request, have)))
    screen.progress("score", 0, len(tasks))
    start = time.monotonic()
    with Parts(layout, journal) as parts, closing(score_many(tasks, settings.workers, settings.device)) as made:
        for done, (task, scores) in enumerate(_unless(settings.stop, made), start=1):
            parts.add(task, scores)
            screen.progress("score", done, len(tasks))
    if tasks and journal is None:  # tasks of a cluster would write to one file at the same time
        note_time(layout, TimeSpent(scoring_s=round(settings.workers * (time.monotonic() - start), 3)))


def _unless(stop: threading.Event, items: Iterable[Item]) -> Iterator[Item]:
    """The items, one by one; raises Stopped between two of them once that is asked for."""
    for item in items:
        yield item
        if stop.is_set():
            raise Stopped
