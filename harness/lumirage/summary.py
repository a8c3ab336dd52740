"""The closing summary of an evaluation, from what lies in OUT: a line a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lumirage.layout import Layout
from lumirage.metrics import is_accuracy
from lumirage.model import SENTINELS, Outcome, Run
from lumirage.stages import load_evaluation, load_runs


@dataclass(frozen=True)
class Summary:
    """What the closing table says; `failed` counts runs that did not end well."""

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    failed: int
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        """For machines."""
        methods = {name: dict(zip(self.columns, cells, strict=True)) for name, cells in self.rows.items()}
        return {"title": self.title, "methods": methods, "failed": self.failed, "notes": list(self.notes)}


_SHOWN = (
    "dice_nearest_fg", "hd95_mm", "tre_mm_linear", "displacement_error_mm", "dice_lumir", "hd95_vox_lumir",
    "tre_vox_lumir", "dice_argmax_fg", "mi_fixed_moved", "ncc_fixed_moved",
)  # fmt: skip
"""In this order; likeness of the images only where nothing measures accuracy."""
_NO_ACCURACY = "no labels, landmarks or true fields belong to these pairs: nothing here measures accuracy"


def summarize(layout: Layout) -> Summary:
    """A line a method: how many runs, how many failed, the means of the common metrics, time and memory."""
    evaluation = load_evaluation(layout)
    runs = list(load_runs(layout, evaluation).values())
    means = _means(layout)
    known = [metric for metric in means.columns if means[metric].notna().any()]
    accuracy = any(map(is_accuracy, known))
    shown = [m for m in _SHOWN if m in known and is_accuracy(m) is accuracy]
    shown += [m for m in ("det_le0_percent",) if m in known]
    rows = {}
    for name in (*SENTINELS, *evaluation.methods):
        mine = [run for run in runs if run.method == name]
        if name in SENTINELS and name not in means.index:
            continue
        values = [_number(means[metric].get(name)) for metric in shown]
        rows[name] = (*_counts(mine), *values, *_costs(mine))
    page = layout.report / "index.html"
    return Summary(
        title=f"{evaluation.track.name} on {evaluation.dataset_name}",
        columns=("runs", "failed", *shown, "wall s", "cpu s", "peak MB"),
        rows=rows,
        failed=sum(run.outcome is not Outcome.OK for run in runs),
        notes=((_NO_ACCURACY,) if known and not accuracy else ()) + ((f"report: {page}",) if page.is_file() else ()),
    )


def _means(layout: Layout) -> pd.DataFrame:
    if not layout.score_table.is_file():
        return pd.DataFrame()
    table = pd.read_parquet(layout.score_table, columns=["method", "metric", "label", "value"])
    return table[table["label"].isna()].groupby(["method", "metric"])["value"].mean().unstack("metric")


def _counts(runs: Sequence[Run]) -> tuple[str, str]:
    return (str(len(runs)) if runs else "", str(sum(run.outcome is not Outcome.OK for run in runs)) if runs else "")


def _costs(runs: Sequence[Run]) -> tuple[str, str, str]:
    """Medians over the pairs; CPU time and memory are those of containers."""
    walls = [run.wall_s for run in runs if run.wall_s is not None]
    cpus = [run.usage.cpu_s / run.pairs_in_job for run in runs if run.usage.cpu_s is not None]
    peaks = [run.usage.peak_memory_bytes / 1e6 for run in runs if run.usage.peak_memory_bytes is not None]
    wall, cpu, peak = (f"{pd.Series(v).median():.1f}" if v else "" for v in (walls, cpus, peaks))
    return wall, cpu, peak


def _number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.4f}"
