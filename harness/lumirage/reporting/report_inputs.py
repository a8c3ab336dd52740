"""Reads an output tree for the report: pair-level values, one compact row for each run, and the analysis' tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lumirage.core.errors import DataError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.failure_policy import Attempts, RawValues
from lumirage.core.layout import Layout, RunFiles
from lumirage.core.log_text import last_words
from lumirage.core.model import SCORE_COLUMNS, SENTINELS, Outcome, Pair, Run
from lumirage.core.packed_files import packed_below
from lumirage.core.records import read_json
from lumirage.core.references import references_of
from lumirage.core.stored_scores import OF_PAIR, read_scores
from lumirage.core.study_changes import changes_around
from lumirage.core.track import REFERENCE, Evaluation
from lumirage.reporting.displayed_measures import Measure, measures_of
from lumirage.reporting.method_looks import Look, looks_of
from lumirage.reporting.pair_warnings import read_pair_warnings

ANALYSIS_TABLES = (
    "comparisons", "rankings", "agreement", "power", "conditions", "growth", "repeats", "regularity_points",
    "regularity_curves",
)  # fmt: skip
VALUE_COLUMNS = [c for c in SCORE_COLUMNS if c not in {"fixed", "moving", "label", "name", "scorer", "n", "note"}]
RUN_COLUMNS = (
    "method", "condition", "repeat", "pair", "outcome", "message", "wall_s", "load_s", "cold", "timed_by", "cpu_s",
    "peak_memory_bytes", "gpu_peak_memory_bytes", "pairs_in_job", "job", "image", "runtime", "isolated", "started",
    "warnings", "host", "voxels", "device", "record", "last_words", "field_sum",
    "prepared",
)  # fmt: skip
"""One row for each run. `cpu_s` is the container's, shared by its pairs.

`record` is the path of the run record; logs stay on disk until a page wants them.
"""


@dataclass(frozen=True)
class Finding:
    """A sentence of the analysis, its metric (empty if none), and its kind."""

    sentence: str
    metric: str
    kind: str = ""


@dataclass(frozen=True)
class Inputs:
    """The inputs of the overview."""

    layout: Layout
    evaluation: Evaluation
    values: pd.DataFrame
    """Pair-level rows of the scores, columns VALUE_COLUMNS."""
    runs: pd.DataFrame
    """Columns RUN_COLUMNS."""
    measures: tuple[Measure, ...]
    tables: dict[str, pd.DataFrame]
    verdicts: tuple[Finding, ...]
    pair_warnings: Mapping[str, str] = field(default_factory=dict)
    """Pair id -> doubts about it, whatever the method."""
    study_changes: tuple[str, ...] = ()
    """Of the study that this is a track of: what decides its claims and was changed after the first run."""

    @cached_property
    def methods(self) -> list[str]:
        """Names in the order of the evaluation, the sentinels first if they were scored."""
        scored = set(self.values["method"].astype(str).unique())
        known = [*SENTINELS, *self.evaluation.methods]
        return [m for m in known if m in scored] + sorted(scored - set(known))

    @cached_property
    def comparison_rows(self) -> Mapping[tuple[object, ...], pd.DataFrame]:
        """(metric, preset, settings, source, condition, as in the literature) -> comparisons, often asked for."""
        table = self.tables.get("comparisons")
        if table is None:
            return {}
        keys = [
            table[name].astype("string").fillna("") for name in ("metric", "preset", "settings", "source", "condition")
        ]
        return dict(iter(table.groupby([*keys, table["literature"].astype(bool)], sort=False)))

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The sentinels and the methods that serve as a scale: no rank, no verdict, not on a front."""
        return references_of(self.evaluation)

    @cached_property
    def looks(self) -> dict[str, Look]:
        """Method -> its colour and marker."""
        return looks_of(self.methods, self.references)

    @cached_property
    def colors(self) -> dict[str, str]:
        """Method -> its colour role."""
        return {method: look.color for method, look in self.looks.items()}

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Scored pairs by id, in the order of the evaluation."""
        scored = set(self.values["pair"].astype(str).unique())
        return {pair.id: pair for pair in self.evaluation.pairs if pair.id in scored}

    @cached_property
    def conditions(self) -> list[str]:
        """Names of the scored conditions, the reference first."""
        scored = sorted(self.values["condition"].astype(str).unique(), key=lambda name: (name != REFERENCE, name))
        planned = [c.name for c in self.evaluation.track.cells() if c.name in scored]
        return planned + [c for c in scored if c not in planned]

    @property
    def knows_accuracy(self) -> bool:
        """Whether anything was measured against labels, landmarks or a true field."""
        return any(m.is_accuracy and self.of(m)["value"].notna().any() for m in self.measures)

    def of(self, measure: Measure) -> pd.DataFrame:
        """The rows of one measure."""
        v = self.values
        same = (v["metric"] == measure.metric) & (v["preset"] == measure.preset)
        return v[same & (v["settings"] == measure.settings) & (v["source"] == measure.source)]

    def well(self, condition: str) -> pd.DataFrame:
        """The successful runs under one condition: costs are medians over these, as a crash costs little."""
        return self.runs[(self.runs["condition"] == condition) & (self.runs["outcome"] == Outcome.OK.value)]

    def matrix(self, measure: Measure, condition: str) -> np.ndarray:
        """Values (methods, pairs) of one measure under one condition, repeats averaged, NaN if there is none."""
        return self.raw(measure, condition).under("drop", measure.metric)

    def raw(self, measure: Measure, condition: str) -> RawValues:
        """The same with its repeats and failures, (methods, pairs, repeats), before a policy has filled them."""
        key = (measure, condition)
        if key not in self._raw:
            rows = self.of(measure)
            attempts = replace(self._attempts(condition), methods=tuple(self.methods))
            self._raw[key] = RawValues.of(rows[rows["condition"] == condition], attempts, list(self.pairs))
        return self._raw[key]

    def _attempts(self, condition: str) -> Attempts:
        if condition not in self._attempted:
            self._attempted[condition] = Attempts.of(self.values[self.values["condition"] == condition])
        return self._attempted[condition]

    @cached_property
    def _attempted(self) -> dict[str, Attempts]:
        return {}

    @cached_property
    def _raw(self) -> dict[tuple[Measure, str], RawValues]:
        return {}  # a cache: every figure needs the same few


def read_inputs(layout: Layout) -> Inputs:
    """Read everything but the pictures. Raises DataError if there is no evaluation or there are no scores."""
    evaluation = read_evaluation(layout)
    values = _read_values(layout.score_table)
    return Inputs(
        layout=layout,
        evaluation=evaluation,
        values=values,
        runs=read_runs(layout, [*evaluation.methods]),
        measures=tuple(measures_of(values)),
        tables={name: table for name in ANALYSIS_TABLES if (table := read_table(layout.table(name))) is not None},
        verdicts=_read_verdicts(layout.verdicts),
        pair_warnings=read_pair_warnings(layout.score_table),
        study_changes=tuple(changes_around(layout)),
    )


def _read_values(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: there are no scores yet; run `lumirage-harness score {path.parent}` first")
    rows = read_scores(path, OF_PAIR, VALUE_COLUMNS)
    if rows.empty:
        raise DataError(f"{path}: the table of scores has no pair-level row; score again")
    return rows


def read_label_values(path: Path, pairs: Sequence[str]) -> pd.DataFrame:
    """Rows of single labels of some pairs, all columns."""
    if not pairs:
        return ds.dataset(path).schema.empty_table().to_pandas()
    wanted = pc.field("pair").isin(list(pairs)) & ~OF_PAIR
    return ds.dataset(path).to_table(filter=wanted).to_pandas()


RECORD_ENDING = RunFiles(Path("x")).record.name.removeprefix("x")


def files_of(record: Path) -> RunFiles:
    """The files of the run with this record."""
    return RunFiles(record.with_name(record.name.removesuffix(RECORD_ENDING)))


def run_records(layout: Layout, methods: Sequence[str]) -> Iterator[Path]:
    """Paths of all run records, sorted, also of those in archives; unfinished ones begin with a dot and are left out."""
    for method in methods:
        folder = layout.method(method)
        packed = (path for path in packed_below(folder) if path.name.endswith(RECORD_ENDING))
        yield from sorted({*folder.rglob(f"[!.]*{RECORD_ENDING}"), *packed})


def read_run(path: Path) -> Run:
    """One run record. Raises DataError."""
    return read_json(path, Run)


def read_runs(layout: Layout, methods: Sequence[str]) -> pd.DataFrame:
    """One compact row for each run, columns RUN_COLUMNS."""
    rows = [_row(read_run(path), path) for path in run_records(layout, methods)]
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def _row(run: Run, path: Path) -> tuple[object, ...]:
    u = run.usage
    host = ", ".join(f"{k} {v}" for k, v in run.host.items())
    return (
        run.method, run.condition, run.repeat, run.pair, run.outcome.value, run.message, run.wall_s, run.load_s,
        run.cold, run.timed_by, run.cpu_s_per_pair, u.peak_memory_bytes, u.gpu_peak_memory_bytes, run.pairs_in_job, run.job,
        run.image, run.runtime, run.isolated, run.started, "; ".join((*run.warnings, *u.warnings)), host, run.voxels,
        run.device, str(path), last_words(run.log_tail) if run.outcome is not Outcome.OK else "",
        run.checksums.get("field", ""), run.prepared,
    )  # fmt: skip


def read_table(path: Path) -> pd.DataFrame | None:
    """A table of the analysis; empty if the file does not exist."""
    if not path.is_file():
        return None
    return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype_backend="numpy_nullable")


def _read_verdicts(path: Path) -> tuple[Finding, ...]:
    if not path.is_file():
        return ()
    found = json.loads(path.read_text(encoding="utf-8"))
    entries = found.get("verdicts", []) if isinstance(found, dict) else found
    return tuple(_finding(entry) for entry in entries)


def _finding(entry: object) -> Finding:
    """One verdict: a record with its sentence, or the bare sentence."""
    if not isinstance(entry, dict):
        return Finding(str(entry), "")
    return Finding(*(str(entry.get(name, "")) for name in ("sentence", "metric", "kind")))
