"""Makes rows of scores: values with NaN and inf in, `Score` records with reasons out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumirage.core.metrics import METRICS
from lumirage.core.model import Score
from lumirage.scoring.presets import Preset

VANISHED = "vanished: both maps have the label, the warp lost it"


@dataclass(frozen=True)
class LabelValues:
    """One metric of all labels of a source."""

    values: NDArray[np.float64]
    """NaN and inf are allowed; the counts show what they mean."""
    labels: tuple[int, ...]
    fixed_counts: NDArray[np.int64]
    moving_counts: NDArray[np.int64]
    warped_counts: NDArray[np.int64]
    penalty: float
    """The value of a vanished label in the mean of a distance."""


def label_rows(
    metric: str, source: tuple[str, Mapping[int, str]], measured: LabelValues, preset: Preset
) -> list[Score]:
    """A row for each label and the row of their mean. `source`: its name and the labels' names."""
    name, names = source
    chosen = [i for i, label in enumerate(measured.labels) if label != 0 or preset.background]
    rows = []
    for i in chosen:
        why = _why_undefined(measured, i)
        label = measured.labels[i]
        rows.append(
            Score(
                metric=metric, unit=METRICS[metric].unit, source=name, label=label, name=names.get(label, ""),
                value=None if why else float(measured.values[i]), undefined=why,
            )
        )  # fmt: skip
    return [*rows, _mean_row(metric, name, (measured, chosen), preset)]


def _why_undefined(measured: LabelValues, i: int) -> str:
    absent = [
        side for side, counts in (("fixed", measured.fixed_counts), ("moving", measured.moving_counts)) if not counts[i]
    ]
    if absent:
        return f"absent in the {' and the '.join(absent)} labels"
    return "" if math.isfinite(measured.values[i]) else VANISHED


def _mean_row(metric: str, source: str, chosen: tuple[LabelValues, list[int]], preset: Preset) -> Score:
    measured, ids = chosen
    present = [i for i in ids if measured.fixed_counts[i] and measured.moving_counts[i]]
    lost = [i for i in present if not measured.warped_counts[i]]
    values = np.full_like(measured.values, np.nan)
    values[present] = measured.values[present]
    distance = METRICS[metric].better == "lower"
    if distance:
        values[lost] = measured.penalty if preset.vanished == "penalty" else np.inf
    mean = nan_mean(values[ids]) if present else math.nan
    row = Score(
        metric=metric, unit=METRICS[metric].unit, source=source, value=mean if math.isfinite(mean) else None, n=len(present),
        note=_note(len(ids) - len(present), [measured.labels[i] for i in lost], measured.penalty if distance else 0.0),
    )  # fmt: skip
    if row.value is not None:
        return row
    why = f"{len(lost)} labels vanished: the official mean is infinite" if lost else "no scored label is in both maps"
    return row.model_copy(update={"undefined": why, "note": ""})


def _note(absent: int, lost: list[int], counted_as: float) -> str:
    parts = [f"{absent} labels absent in one map are left out"] if absent else []
    if lost:
        parts.append(f"vanished labels {lost} count as {counted_as:.6g}")
    return "; ".join(parts)


def nan_mean(values: NDArray[np.float64]) -> float:
    """Mean of the non-NaN values, summed as in numpy's nanmean; NaN if there is none."""
    missing = np.isnan(values)
    count = int(values.size - missing.sum())
    return float(np.where(missing, 0.0, values).sum() / count) if count else math.nan


def landmark_rows(
    metric: str,
    names: tuple[str, ...],
    errors: NDArray[np.float64],
    *,
    all_or_none: bool = False,
    alone: tuple[int, int] = (0, 0),
) -> list[Score]:
    """A row for each landmark and the row of their mean; a NaN is a lost landmark, which makes the mean
    undefined with `all_or_none`. `alone`: how many the fixed and the moving image have without a counterpart."""
    unit = METRICS[metric].unit
    lost = "lost: the warp left nothing of the landmark's region"
    rows = [
        Score(
            metric=metric, unit=unit, source="landmarks", label=number, name=name,
            value=None if math.isnan(error) else float(error), undefined=lost if math.isnan(error) else "",
        )
        for number, (name, error) in enumerate(zip(names, errors, strict=True), start=1)
    ]  # fmt: skip
    kept = int(np.count_nonzero(~np.isnan(errors)))
    spoiled = not kept or (all_or_none and kept < len(errors))
    why = f"{len(errors) - kept} of {len(errors)} landmarks lost: there is no mean officially" if spoiled else ""
    why = why if names else "no landmark has the same name in both images"
    mean = None if spoiled else nan_mean(errors)
    note = (
        f"without counterpart: {alone[0]} landmarks of the fixed and {alone[1]} of the moving image"
        if any(alone)
        else ""
    )
    return [*rows, Score(metric=metric, unit=unit, source="landmarks", value=mean, undefined=why, n=kept, note=note)]


def missing_row(metric: str, why: str, source: str = "") -> Score:
    """The one row of a metric that cannot be measured."""
    return Score(metric=metric, unit=METRICS[metric].unit, source=source, value=None, undefined=why)


def structure_row(metric: str, source: tuple[str, Mapping[int, str]], label: int, value: float) -> Score:
    """The row of a metric of the field inside one structure. `source`: its name and the labels' names."""
    name, names = source
    unit = METRICS[metric].unit
    return Score(metric=metric, unit=unit, source=name, label=label, name=names.get(label, ""), value=value)


def field_row(metric: str, value: float, n: int | None = None) -> Score:
    """The row of a metric of the field; NaN becomes a reason."""
    if math.isnan(value):
        return missing_row(metric, METRICS[metric].undefined)
    return Score(metric=metric, unit=METRICS[metric].unit, value=float(value), n=n)
