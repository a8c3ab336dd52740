"""The stage `compare`: the table of scores and the run records -> effects, rankings, power, sentences."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc

from lumirage.analysis.comparisons import compare as compare_methods
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes, growth_exponents, repeat_variance
from lumirage.analysis.memorized_answers import jitter_changes
from lumirage.analysis.power import power_table
from lumirage.analysis.ranking import rank, rank_agreement
from lumirage.analysis.regularity_curves import curve_points, curve_summaries, doses_of
from lumirage.analysis.score_matrices import NEEDED, cells_of
from lumirage.analysis.structure_effects import (
    MEASURED_COLUMNS,
    STRUCTURE_COLUMNS,
    condition_of_structures,
    of_structures,
    structure_effects,
)
from lumirage.analysis.verdicts import verdicts
from lumirage.core.errors import DataError
from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.manifest import list_files
from lumirage.core.model import Run
from lumirage.core.references import references_of
from lumirage.core.screen import Screen
from lumirage.core.stored_scores import OF_PAIR, read_scores
from lumirage.core.track import REFERENCE
from lumirage.flow.jittered_track import JITTERED
from lumirage.flow.stored_evaluation import load_evaluation, runs_of


def compare(layout: Layout, screen: Screen) -> None:
    """Effects, rankings, power, changes between conditions and the sentences that they allow, from scores and records."""
    evaluation = load_evaluation(layout)
    if not layout.score_table.is_file():
        raise DataError(f"{layout.root}: no scores there; make them with 'lumirage-harness score {layout.root}'")
    screen.progress("compare", 0, 1)
    scores = read_scores(layout.score_table, OF_PAIR, NEEDED)
    cells, references = tuple(cells_of(scores)), references_of(evaluation)
    comparisons, rankings = compare_methods(cells), rank(cells, references=references)
    tables = {
        "comparisons": comparisons,
        "rankings": rankings,
        "agreement": rank_agreement(rankings),
        "power": power_table(cells),
        "conditions": condition_changes(cells, ChangeSettings(policy=evaluation.track.on_failure)),
        "growth": growth_exponents(_costs_of_runs(run for _, run in runs_of(layout, evaluation))),
        "repeats": repeat_variance(cells),
        "structures": _structures(layout, scores),
    }
    if JITTERED in scores["condition"].unique():
        tables["jitter"] = _jitter(scores, screen)
    doses = doses_of((n, u.dose_of, u.dose, u.card.parameters) for n, u in evaluation.methods.items())
    points = curve_points(cells, doses, evaluation.track.on_failure)
    tables |= {"regularity_points": points, "regularity_curves": curve_summaries(points)}
    for name, table in tables.items():
        _write_table(layout.table(name), table)
    found = verdicts(comparisons, rankings, tables["conditions"], evaluation.track.on_failure, references)
    sentences = [asdict(verdict) for verdict in found]
    write_text(layout.verdicts, json.dumps(sentences, indent=1) + "\n")
    list_files(layout, "comparisons", [*map(layout.table, tables), layout.verdicts])
    screen.progress("compare", 1, 1)


def _structures(layout: Layout, scores: pd.DataFrame) -> pd.DataFrame:
    """The comparisons on each structure, one metric after the other: there are a hundred times more rows of labels."""
    condition = condition_of_structures(scores)
    tables = []
    for metric in sorted(scores["metric"].unique()):
        if of_structures(metric):
            wanted = ~OF_PAIR & (pc.field("metric") == metric) & (pc.field("condition") == condition)
            tables.append(structure_effects(read_scores(layout.score_table, wanted, MEASURED_COLUMNS)))
    there = [table for table in tables if len(table)]
    return pd.concat(there, ignore_index=True) if there else pd.DataFrame(columns=list(STRUCTURE_COLUMNS))


def _jitter(scores: pd.DataFrame, screen: Screen) -> pd.DataFrame:
    """What jitter changes; who is suspected to remember answers is said at once."""
    changes = jitter_changes(scores[scores["condition"] == REFERENCE], scores[scores["condition"] == JITTERED])
    for method, notes in changes[changes["suspect"]].groupby("method")["note"]:
        screen.say(f"{method}: {notes.iloc[0]}")
    return changes


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
