"""Draws dose-response figures: a measure against the levels of each axis of the conditions."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumirage.core.condition_words import axis_words
from lumirage.core.model import Outcome, Record
from lumirage.core.track import REFERENCE
from lumirage.reporting.analysis_tables import of_measure
from lumirage.reporting.axes import Scale, fit, short, y_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.figure_rows import clip
from lumirage.reporting.method_looks import Look
from lumirage.reporting.policy_means import filled_means
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width

FEWEST = 3
"""Levels needed for a curve, including the reference. Fewer are shown as changes from the reference."""


@dataclass(frozen=True)
class Level:
    """One condition on an axis: its name, its tick label, and its number if it has one."""

    condition: str
    text: str
    value: float


def axes_of(inputs: Inputs) -> dict[str, list[Level]]:
    """Axis -> its scored levels, including the reference; in rising order if the levels are numbers."""
    cells = [c for c in inputs.evaluation.track.cells() if c.name in inputs.conditions]
    found: dict[str, list[Level]] = {}
    for axis in dict.fromkeys(c.axis for c in cells if c.axis):
        levels = [_level(c.name, axis, getattr(c.prepare, axis, c.level)) for c in cells if c.axis == axis]
        reference = [_level(c.name, axis, getattr(c.prepare, axis, "")) for c in cells if c.name == REFERENCE]
        together = reference + levels
        numbers = all(math.isfinite(level.value) for level in together)
        found[axis] = sorted(together, key=lambda level: level.value) if numbers else together
    return found


def is_curve(levels: Sequence[Level]) -> bool:
    """Whether an axis is a dose: its levels are numbers, and there are enough of them."""
    return len(levels) >= FEWEST and all(math.isfinite(level.value) for level in levels)


def _level(condition: str, axis: str, setting: object) -> Level:
    number = float(setting) if isinstance(setting, int | float) and not isinstance(setting, bool) else math.nan
    if isinstance(setting, tuple) and len(set(setting)) == 1:
        number = float(setting[0])
    text = f"{number:g}" if math.isfinite(number) else _in_words(setting)
    return Level(condition, (text if len(text) <= 28 else condition).removeprefix(f"{axis}-"), number)


def _in_words(setting: object) -> str:
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    if isinstance(setting, Record):
        parts = setting.model_dump(exclude_defaults=True)
        return ", ".join(_quantity(name, value) for name, value in parts.items()) or "none"
    return "native" if setting is None else str(setting)


def _quantity(name: str, value: float) -> str:
    """A level of a field whose name ends in its unit: rotation_deg, 5 -> rotation 5 deg."""
    what, _, unit = name.rpartition("_")
    return f"{what} {value:g} {unit}"


def dose(inputs: Inputs, measure: Measure, axis: str, width: float) -> Scene:
    """Means over the pairs, failures filled; one line for each method, one position for each level; hollow if runs failed."""
    levels = axes_of(inputs)[axis]
    means = np.array([list(filled_means(inputs, measure, level.condition).values()) for level in levels])
    right = width - 16 - max(text_width(clip(m, 18), bold=True) for m in inputs.methods)
    height = 280.0
    x = fit([level.value for level in levels], 76, right)
    spans = _intervals(inputs, measure)
    shown = {level.condition for level in levels}
    ends = [end for (_, condition), span in spans.items() if condition in shown for end in span]
    y = fit([*means[np.isfinite(means)].tolist(), *ends], height - 52, 34)
    marks = y_axis(y, 56, right, measure.axis)
    for level in levels:
        color = "ink" if level.condition == REFERENCE else "muted"
        marks.append(Label((x(level.value), height - 32), clip(level.text, 14), color, 11, "middle"))
    marks.append(Label(((56 + right) / 2, height - 10), axis_words(axis), "muted", 12, "middle"))
    colors = inputs.colors
    failed = failures_by_condition(inputs)
    for i, method in enumerate(inputs.methods):
        marks += _spans(spans, method, [(level.condition, x(level.value)) for level in levels], y, colors[method])
        points = [
            _Point(x(level.value), mean, failed.get((method, level.condition), 0), f"{axis} {level.text}")
            for level, mean in zip(levels, means[:, i], strict=True)
            if np.isfinite(mean)
        ]
        marks += _curve(method, points, y, inputs.looks[method])
    last = zip(inputs.methods, means[-1], strict=True)
    marks += end_labels([(y(v), clip(m, 18), colors[m]) for m, v in last if np.isfinite(v)], right + 10, (34, 240))
    alt = "; ".join(f"{m}: " + ", ".join(short(v) for v in means[:, i]) for i, m in enumerate(inputs.methods))
    names = ", ".join(level.text for level in levels)
    title = f"{measure.title} against {axis.replace('_', ' ')}"
    numbers = [("Method", *(f"{axis_words(axis)} {level.text}" for level in levels)), *(
        (m, *(short(v, 4) for v in means[:, i])) for i, m in enumerate(inputs.methods)
    )]  # fmt: skip
    return Scene(f"dose-{axis}-{measure.name}", title, f"{axis} {names}. {alt}", width, height, marks, numbers)


@dataclass(frozen=True)
class _Point:
    x: float
    mean: float
    failed: int
    told: str


def failures_by_condition(inputs: Inputs) -> dict[tuple[str, str], int]:
    """(method, condition) -> number of failed runs; only if there are any."""
    bad = inputs.runs[inputs.runs["outcome"] != Outcome.OK.value]
    return dict(Counter(zip(bad["method"].astype(str), bad["condition"].astype(str), strict=True)))


def _intervals(inputs: Inputs, measure: Measure) -> dict[tuple[str, str], tuple[float, float]]:
    """(method, condition) -> the reference's mean plus the interval of the change, from the analysis."""
    table = inputs.tables.get("conditions")
    if table is None:
        return {}
    rows = of_measure(table, measure)
    rows = rows[(rows["policy"] == inputs.evaluation.track.on_failure) & rows["ci_low"].notna()]
    base = rows["mean_reference"].astype(float)
    low, high = base + rows["ci_low"].astype(float), base + rows["ci_high"].astype(float)
    keys = zip(rows["method"].astype(str), rows["condition"].astype(str), strict=True)
    return dict(zip(keys, zip(low, high, strict=True), strict=True))


def _spans(
    spans: dict[tuple[str, str], tuple[float, float]],
    method: str,
    places: Sequence[tuple[str, float]],
    y: Scale,
    color: str,
) -> list[Mark]:
    found = [(x, spans[method, condition]) for condition, x in places if (method, condition) in spans]
    return [
        Line([(x, y(low)), (x, y(high))], color=color, opacity=0.45, width=4)
        for x, (low, high) in found
        if math.isfinite(low) and math.isfinite(high)
    ]


def _curve(method: str, points: Sequence[_Point], y: Scale, look: Look) -> list[Mark]:
    color = look.color
    marks: list[Mark] = []
    if len(points) > 1:
        marks.append(Line([(p.x, y(p.mean)) for p in points], color=color, width=1.6))
    for p in points:
        told = f"{method}, {p.told}: {short(p.mean, 4)}" + (f"; {p.failed} runs failed" if p.failed else "")
        marks.append(Dot((p.x, y(p.mean)), 3.6, color, "paper" if p.failed else color, told, look.marker))
    return marks


def end_labels(
    ends: Sequence[tuple[float, str, str]], x: float, within: tuple[float, float], gap: float = 14.0
) -> list[Mark]:
    """Names at the ends of lines, (height, text, colour) each, moved apart if they would overlap."""
    known = sorted(ends)
    at = [y for y, _, _ in known]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + gap)
    for i in reversed(range(len(at))):
        at[i] = min(at[i], within[1] if i == len(at) - 1 else at[i + 1] - gap)
    return [Label((x, y + 4), text, color, 12, bold=True) for y, (_, text, color) in zip(at, known, strict=True)]
