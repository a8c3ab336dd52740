"""Says in words what the closing table does not show: a part of what there is, counted failures, pairs without a value."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lumirage.analysis.score_matrices import RawCell, cells_of
from lumirage.core.condition_words import condition_words
from lumirage.core.failure_policy import COUNTED_AS, PolicyMean
from lumirage.core.metrics import is_accuracy, title
from lumirage.core.model import Run
from lumirage.core.track import Evaluation, Track

SHOWN = (
    "dice_nearest_fg", "hd95_mm", "tre_mm_linear", "displacement_error_mm", "dice_lumir", "hd95_vox_lumir",
    "tre_vox_lumir", "tre_mm_cubic_l2r", "dice_argmax_fg", "mi_fixed_moved", "ncc_fixed_moved",
)  # fmt: skip
"""In this order; likeness of the images only where nothing measures accuracy."""


def other_sources(rows: pd.DataFrame, chosen: Mapping[str, RawCell], track: Track) -> list[str]:
    """The first metric of labels under the label sources that the table has no room for, a line each."""
    metric = next((m for m in SHOWN if m in chosen and is_accuracy(m) and chosen[m].cell.key["source"]), None)
    if metric is None:
        return []
    shown = chosen[metric].cell.key
    rows = rows[(rows["metric"] == metric) & (rows["preset"] == shown["preset"]) & (rows["source"] != shown["source"])]
    lines = []
    for raw in cells_of(rows) if len(rows) else ():
        means = ", ".join(
            f"{method} {_number(mean)}" for method, mean in raw.runs.means(track.on_failure, metric).items()
        )
        lines.append(f"{title(metric)} by {raw.cell.key['source']}: {means or 'no value'}")
    return lines


def what_is_shown(scores: pd.DataFrame, shown: Sequence[RawCell], runs: Sequence[Run], track: Track) -> list[str]:
    """In words, where the table is a part of what there is, where failures were counted, and where pairs have no value."""
    if not shown:
        return []
    key = next((raw.cell.key for raw in shown if raw.cell.key["source"]), shown[0].cell.key)
    of_metric = scores[scores["metric"] == next((raw.cell.metric for raw in shown if raw.cell.key["source"]), "")]
    several = [(what, len(names_in(scores, what))) for what in ("condition", "preset")]
    several.append(("label source", len(names_in(of_metric, "source"))))
    parts = [f"{what} {condition_words(key[what.split()[-1]])} (of {count})" for what, count in several if count > 1]
    notes = [f"means: {', '.join(parts)}; the report has all"] if parts else []
    if any(run.condition != key["condition"] for run in runs):
        notes.append(
            f"time and memory: medians under {condition_words(key['condition'])}; runs and failed: of all conditions"
        )
    if any(raw.runs.failed.any() for raw in shown):
        star = "; * marks means with such pairs" if track.on_failure != "drop" else ""
        notes.append(f"a failed run {COUNTED_AS[track.on_failure]} (policy {track.on_failure}){star}")
    return notes + [told for raw in shown if (told := _without_value(raw, track))]


def _without_value(raw: RawCell, track: Track) -> str:
    """Which methods have means over fewer pairs than the table has."""
    counts = np.isfinite(raw.under(track.on_failure).values).sum(axis=1)
    fewer = [f"{m} {n}" for m, n in zip(raw.cell.methods, counts, strict=True) if 0 < n < len(raw.cell.pairs)]
    return (
        f"{title(raw.cell.metric)} is over fewer than {len(raw.cell.pairs)} pairs: {', '.join(fewer)}" if fewer else ""
    )


def devices_told(runs: Sequence[Run]) -> list[str]:
    """Who computed on what; the table has the column only where there is room for it."""
    by_method: dict[str, list[Run]] = {}
    for run in runs:
        by_method.setdefault(run.method, []).append(run)
    on: dict[str, list[str]] = {}
    for method, mine in by_method.items():
        on.setdefault(device_of(mine), []).append(method)
    on.pop("", None)
    parts = [device if len(on) == 1 else f"{device} ({', '.join(names)})" for device, names in sorted(on.items())]
    return [f"computed on: {', '.join(parts)}"] if parts else []


def device_of(runs: Sequence[Run]) -> str:
    """What they were told to compute on; both where some had a GPU and some had none."""
    return ", ".join(sorted({run.device for run in runs} - {""}))


def left_out_told(evaluation: Evaluation) -> list[str]:
    """How many pairs were left out before anything ran, and why the first ones."""
    if not evaluation.left_out:
        return []
    many = len(evaluation.left_out)
    first = "; ".join(f"{pair}: {why}" for pair, why in list(evaluation.left_out.items())[:3])
    return [f"{many} of {many + len(evaluation.pairs)} pairs left out before anything ran (on_bad_scan): {first}"]


def _number(mean: PolicyMean) -> str:
    return f"{mean.value:.4f}" if np.isfinite(mean.value) else ""


def names_in(rows: pd.DataFrame, column: str) -> list[str]:
    """The distinct names in a column, sorted."""
    return sorted(set(rows[column].dropna().astype(str)) - {""})
