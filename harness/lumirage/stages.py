"""The stages after `run`, each from what lies in OUT: score, compare, report."""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from lumirage.analysis.compare import compare as compare_methods
from lumirage.analysis.conditions import ChangeSettings, condition_changes, growth_exponents, repeat_variance
from lumirage.analysis.power import power_table
from lumirage.analysis.ranking import rank, rank_agreement
from lumirage.analysis.verdicts import verdicts
from lumirage.errors import DataError
from lumirage.layout import Layout, write_text, written_aside
from lumirage.model import Outcome, Run
from lumirage.records import read_json
from lumirage.reporting.report import ReportOptions, write_report
from lumirage.running.runtimes.call import Stopped
from lumirage.scoring.many import score_many
from lumirage.scoring.presets import preset_named
from lumirage.scoring.store import Parts, assemble, scored_runs
from lumirage.screen import Screen
from lumirage.tasks import Asked, load_runs, missing, scored, with_reversed
from lumirage.track import Evaluation

Item = TypeVar("Item")


def load_evaluation(layout: Layout) -> Evaluation:
    """What OUT is made of. Raises DataError when it holds no evaluation."""
    if not layout.evaluation.is_file():
        raise DataError(f"{layout.root}: no evaluation there; make one with 'lumirage-harness evaluate'")
    return read_json(layout.evaluation, Evaluation)


@dataclass(frozen=True)
class Scorers:
    """How many processes score, on what, and who may stop them: then what was scored is kept, and Stopped is raised."""

    workers: int = 1
    device: str = "cpu"
    stop: threading.Event = field(default_factory=threading.Event)


def score(layout: Layout, names: Sequence[str], scorers: Scorers, screen: Screen) -> pd.DataFrame:
    """Score what is not scored yet under these presets and write the tables; gives the table."""
    evaluation = load_evaluation(layout)
    presets = [preset_named(name) for name in names or evaluation.track.presets]
    runs = load_runs(layout, evaluation)
    if not runs:
        raise DataError(f"{layout.root}: no run is complete yet; 'lumirage-harness evaluate' or 'run' makes them")
    asked = Asked(evaluation, evaluation.pairs, runs, presets)
    _score_missing(layout, asked, scorers, screen)
    failed = {key: run.outcome for key, run in runs.items() if run.outcome is not Outcome.OK}
    return assemble(layout, presets, failed, asked.returned)


def score_pairs(layout: Layout, pairs: Sequence[str], scorers: Scorers, screen: Screen) -> None:
    """Score what is not scored yet of some pairs (by id), under the track's presets; the tables are made elsewhere.

    Their reversed pairs are scored again where they were scored before these were run: the group level may have no images
    to do it from. Several processes may do this at once for different pairs of one OUT.
    """
    evaluation = load_evaluation(layout)
    wanted = set(pairs)
    both = with_reversed(evaluation, wanted)
    presets = [preset_named(name) for name in evaluation.track.presets]
    begun = set.intersection(*(scored_runs(layout, preset) for preset in presets))
    chosen = [pair for pair in both if pair.id in wanted or any(key[3] == pair.id for key in begun)]
    _score_missing(layout, Asked(evaluation, chosen, load_runs(layout, evaluation, both), presets), scorers, screen)


def _score_missing(layout: Layout, asked: Asked, scorers: Scorers, screen: Screen) -> None:
    have = {preset.name: scored(layout, preset, asked) for preset in asked.presets}
    tasks = list(_unless(scorers.stop, missing(layout, asked, have)))
    screen.progress("score", 0, len(tasks))
    with Parts(layout) as parts, closing(score_many(tasks, scorers.workers, scorers.device)) as made:
        for done, (task, scores) in enumerate(_unless(scorers.stop, made), start=1):
            parts.add(task, scores)
            screen.progress("score", done, len(tasks))


def _unless(stop: threading.Event, items: Iterable[Item]) -> Iterator[Item]:
    """The items, one by one; raises Stopped between two of them once that is asked for."""
    for item in items:
        yield item
        if stop.is_set():
            raise Stopped


def compare(layout: Layout, screen: Screen) -> None:
    """Effects, rankings, power, changes between conditions and the sentences that they allow, from scores and records."""
    evaluation = load_evaluation(layout)
    if not layout.score_table.is_file():
        raise DataError(f"{layout.root}: no scores there; make them with 'lumirage-harness score {layout.root}'")
    screen.progress("compare", 0, 1)
    scores = pd.read_parquet(layout.score_table)
    comparisons, rankings = compare_methods(scores), rank(scores)
    tables = {
        "comparisons": comparisons,
        "rankings": rankings,
        "agreement": rank_agreement(rankings),
        "power": power_table(scores),
        "conditions": condition_changes(scores, ChangeSettings(policy=evaluation.track.on_failure)),
        "growth": growth_exponents(_costs_of_runs(load_runs(layout, evaluation).values())),
        "repeats": repeat_variance(scores),
    }
    for name, table in tables.items():
        _write_table(layout.table(name), table)
    sentences = [asdict(verdict) for verdict in verdicts(comparisons, rankings, evaluation.track.on_failure)]
    write_text(layout.verdicts, json.dumps(sentences, indent=1) + "\n")
    screen.progress("compare", 1, 1)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with written_aside(path) as aside:
        table.to_csv(aside, sep="\t", index=False, na_rep="n/a")


def _costs_of_runs(runs: Iterable[Run]) -> pd.DataFrame:
    """A row a run, for the growth of cost with the working grid."""
    columns = [
        "method",
        "condition",
        "outcome",
        "voxels",
        "wall_s",
        "cpu_s",
        "peak_memory_bytes",
        "gpu_peak_memory_bytes",
    ]
    rows = [
        (r.method, r.condition, r.outcome.value, r.voxels, r.wall_s, r.cpu_s_per_pair, r.usage.peak_memory_bytes,
         r.usage.gpu_peak_memory_bytes)
        for r in runs
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def report(layout: Layout, screen: Screen, pairs: Sequence[str] = (), *, one_file: bool = False) -> Path:
    """The report; gives its page."""
    options = ReportOptions(pairs=tuple(pairs), one_file=one_file)
    return write_report(layout, options, lambda what, done, total: screen.progress(f"report: {what}", done, total))
