"""The stage `compare`: the table of scores and the run records -> effects, rankings, power, sentences."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from lumirage.analysis.comparisons import compare as compare_methods
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes, growth_exponents, repeat_variance
from lumirage.analysis.memorized_answers import jitter_changes
from lumirage.analysis.power import power_table
from lumirage.analysis.ranking import rank, rank_agreement
from lumirage.analysis.regularity_curves import curve_points, curve_summaries, doses_of
from lumirage.analysis.structure_effects import structure_effects
from lumirage.analysis.verdicts import verdicts
from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.manifest import list_files
from lumirage.core.model import Run
from lumirage.core.references import references_of
from lumirage.core.screen import Screen
from lumirage.core.track import REFERENCE
from lumirage.flow.jittered_track import JITTERED
from lumirage.flow.stored_evaluation import load_evaluation, load_runs


def compare(layout: Layout, screen: Screen) -> None:
    """Effects, rankings, power, changes between conditions and the sentences that they allow, from scores and records."""
    evaluation = load_evaluation(layout)
    if not layout.score_table.is_file():
        raise DataError(f"{layout.root}: no scores there; make them with 'lumirage-harness score {layout.root}'")
    screen.progress("compare", 0, 1)
    try:
        scores = pd.read_parquet(layout.score_table)
    except (OSError, ValueError) as error:
        raise DamagedFileError(layout.score_table, f"damaged, or cut off ({error})") from error
    references = references_of(evaluation)
    comparisons, rankings = compare_methods(scores), rank(scores, references=references)
    tables = {
        "comparisons": comparisons,
        "rankings": rankings,
        "agreement": rank_agreement(rankings),
        "power": power_table(scores),
        "conditions": condition_changes(scores, ChangeSettings(policy=evaluation.track.on_failure)),
        "growth": growth_exponents(_costs_of_runs(load_runs(layout, evaluation).values())),
        "repeats": repeat_variance(scores),
        "structures": structure_effects(scores),
    }
    if JITTERED in set(scores["condition"]):
        tables["jitter"] = _jitter(scores, screen)
    doses = doses_of((n, u.dose_of, u.dose, u.card.parameters) for n, u in evaluation.methods.items())
    points = curve_points(scores, doses, evaluation.track.on_failure)
    tables |= {"regularity_points": points, "regularity_curves": curve_summaries(points)}
    for name, table in tables.items():
        _write_table(layout.table(name), table)
    found = verdicts(comparisons, rankings, tables["conditions"], evaluation.track.on_failure, references)
    sentences = [asdict(verdict) for verdict in found]
    write_text(layout.verdicts, json.dumps(sentences, indent=1) + "\n")
    list_files(layout, "comparisons", [*map(layout.table, tables), layout.verdicts])
    screen.progress("compare", 1, 1)


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
