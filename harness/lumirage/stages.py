"""The stages after `run`, each from what lies in OUT: score, compare, report."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd

from lumirage.analysis.compare import compare as compare_methods
from lumirage.analysis.conditions import ChangeSettings, condition_changes, growth_exponents, repeat_variance
from lumirage.analysis.power import power_table
from lumirage.analysis.ranking import rank, rank_agreement
from lumirage.analysis.verdicts import verdicts
from lumirage.errors import DataError
from lumirage.layout import Layout, write_text, written_aside
from lumirage.model import SENTINELS, Outcome, Pair, Run
from lumirage.planning.prepare import Preparer
from lumirage.records import read_json
from lumirage.reporting.report import ReportOptions, write_report
from lumirage.scoring.files import Direction, ScoreTask
from lumirage.scoring.many import score_many
from lumirage.scoring.presets import Preset, preset_named
from lumirage.scoring.store import RunKey, add_part, assemble, rows_of, scored_runs
from lumirage.screen import Screen
from lumirage.track import Condition, Evaluation

INVERSE = "inverse_consistency_mm"
"""The one metric that needs another run."""
PART = 64
"""Runs whose scores are written together: what an interruption can cost."""


def load_evaluation(layout: Layout) -> Evaluation:
    """What OUT is made of. Raises DataError when it holds no evaluation."""
    if not layout.evaluation.is_file():
        raise DataError(f"{layout.root}: no evaluation there; make one with 'lumirage-harness evaluate'")
    return read_json(layout.evaluation, Evaluation)


def load_runs(layout: Layout, evaluation: Evaluation, pairs: Sequence[Pair] | None = None) -> dict[RunKey, Run]:
    """The complete runs, of these pairs or of all."""
    found: dict[RunKey, Run] = {}
    chosen = evaluation.pairs if pairs is None else pairs
    for name, cell, repeat, pair in product(
        evaluation.methods, evaluation.track.cells(), range(evaluation.repeats), chosen
    ):
        record = layout.run_files(name, evaluation.under(pair, cell.name), cell.name, repeat).record
        if record.is_file():
            found[name, cell.name, repeat, pair.id] = read_json(record, Run)
    return found


@dataclass(frozen=True)
class Scorers:
    """How many processes score, and on what."""

    workers: int = 1
    device: str = "cpu"


def score(layout: Layout, names: Sequence[str], scorers: Scorers, screen: Screen) -> pd.DataFrame:
    """Score what is not scored yet under these presets and write the tables; gives the table."""
    evaluation = load_evaluation(layout)
    presets = [preset_named(name) for name in names or evaluation.track.presets]
    runs = load_runs(layout, evaluation)
    if not runs:
        raise DataError(f"{layout.root}: no run is complete yet; 'lumirage-harness evaluate' or 'run' makes them")
    _score_missing(layout, _Asked(evaluation, evaluation.pairs, runs, presets), scorers, screen)
    failed = {key: run.outcome for key, run in runs.items() if run.outcome is not Outcome.OK}
    return assemble(layout, presets, failed)


def score_pairs(layout: Layout, pairs: Sequence[str], scorers: Scorers, screen: Screen) -> None:
    """Score what is not scored yet of some pairs (by id), under the track's presets; the tables are made elsewhere.

    Several processes may do this at once for different pairs of one OUT.
    """
    evaluation = load_evaluation(layout)
    wanted = set(pairs)
    chosen = tuple(pair for pair in evaluation.pairs if pair.id in wanted)
    backward = {_reversed_id(pair) for pair in chosen} | wanted
    runs = load_runs(layout, evaluation, [pair for pair in evaluation.pairs if pair.id in backward])
    presets = [preset_named(name) for name in evaluation.track.presets]
    _score_missing(layout, _Asked(evaluation, chosen, runs, presets), scorers, screen)


@dataclass(frozen=True)
class _Asked:
    """What is to be scored: the pairs, their runs and, for consistency, those of the reversed pairs."""

    evaluation: Evaluation
    pairs: Sequence[Pair]
    runs: Mapping[RunKey, Run]
    presets: Sequence[Preset]


def _score_missing(layout: Layout, asked: _Asked, scorers: Scorers, screen: Screen) -> None:
    have = {preset.name: _scored(layout, preset, asked) for preset in asked.presets}
    tasks = [
        (task, lacking)
        for task in _tasks(layout, asked, have)
        if (lacking := tuple(p for p in asked.presets if _key(task) not in have[p.name]))
    ]
    _score_tasks(layout, tasks, scorers, screen)


def _scored(layout: Layout, preset: Preset, asked: _Asked) -> set[RunKey]:
    """The runs that need no scoring any more; not those that were scored before their reversed pair was run."""
    found = scored_runs(layout, preset)
    if INVERSE not in preset.metrics:
        return found
    reverse = {pair.id: _reversed_id(pair) for pair in asked.evaluation.pairs}
    good = {key for key, run in asked.runs.items() if run.outcome is Outcome.OK}
    both = {key for key in good if (*key[:3], reverse[key[3]]) in good}
    return found - (both - scored_runs(layout, preset, INVERSE))


def _reversed_id(pair: Pair) -> str:
    """Id of the pair with its two scans the other way round."""
    return Pair(fixed=pair.moving, moving=pair.fixed).id


def _key(task: ScoreTask) -> RunKey:
    return task.method, task.condition, task.repeat, task.pair.id


def _score_tasks(
    layout: Layout, tasks: Sequence[tuple[ScoreTask, tuple[Preset, ...]]], scorers: Scorers, screen: Screen
) -> None:
    pending: dict[tuple[Preset, str], list[list[dict[str, object]]]] = {}
    screen.progress("score", 0, len(tasks))
    for done, (task, scores) in enumerate(score_many(tasks, scorers.workers, scorers.device), start=1):
        for preset, rows in scores.items():
            part = pending.setdefault((preset, task.method), [])
            part.append(rows_of(task, preset, rows))
            if len(part) == PART:
                _flush(layout, pending, (preset, task.method))
        screen.progress("score", done, len(tasks))
    for key in list(pending):
        _flush(layout, pending, key)


def _flush(
    layout: Layout, pending: dict[tuple[Preset, str], list[list[dict[str, object]]]], key: tuple[Preset, str]
) -> None:
    preset, method = key
    add_part(layout, preset, method, [row for rows in pending.pop(key) for row in rows])


def _tasks(layout: Layout, asked: _Asked, have: Mapping[str, set[RunKey]]) -> Iterator[ScoreTask]:
    """The sentinels and the methods, pair by pair, so that what a pair needs is read once; a pair that has all its
    scores is passed over, so that nothing is prepared for it again."""
    preparer, evaluation = Preparer(layout), asked.evaluation
    by_cell: dict[tuple[str, str], list[RunKey]] = {}
    for key in asked.runs:
        by_cell.setdefault((key[1], key[3]), []).append(key)
    for planned, cell in product(asked.pairs, evaluation.track.cells()):
        there = by_cell.get((cell.name, planned.id), [])
        keys = [key for key in there if asked.runs[key].outcome is Outcome.OK]
        wanted = {*keys, *((sentinel, cell.name, 0, planned.id) for sentinel in SENTINELS)}
        if not there or all(wanted <= done for done in have.values()):
            continue
        pair = evaluation.under(planned, cell.name)
        forward = Direction(pair, preparer.prepare(pair, cell.prepare), None)
        task = partial(ScoreTask, condition=cell.name, track=evaluation.track, names=evaluation.label_names)
        for sentinel in SENTINELS:
            yield task(method=sentinel, repeat=0, forward=forward)
        for method, _, repeat, _ in keys:
            field_path = layout.run_files(method, pair, cell.name, repeat).field
            answer = Direction(pair, forward.prepared, field_path)
            backward = _backward(layout, evaluation, asked.runs, (method, cell, repeat, planned))
            yield task(method=method, repeat=repeat, forward=answer, backward=backward)


def _backward(
    layout: Layout,
    evaluation: Evaluation,
    runs: Mapping[RunKey, Run],
    run: tuple[str, Condition, int, Pair],
) -> Direction | None:
    """The answer to the reversed pair, where that was run and went well."""
    method, cell, repeat, pair = run
    wanted = _reversed_id(pair)
    there = runs.get((method, cell.name, repeat, wanted))
    if there is None or there.outcome is not Outcome.OK:
        return None
    reverse = next(evaluation.under(other, cell.name) for other in evaluation.pairs if other.id == wanted)
    prepared = Preparer(layout).prepare(reverse, cell.prepare)
    return Direction(reverse, prepared, layout.run_files(method, reverse, cell.name, repeat).field)


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
