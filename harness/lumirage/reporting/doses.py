"""How the methods bear what the track varies: a measure against the levels of each axis of the conditions."""

import math
from dataclasses import dataclass

import numpy as np

from lumirage.reporting.analysed import of_measure
from lumirage.reporting.axes import Scale, fit, short, y_axis
from lumirage.reporting.filled import filled_means
from lumirage.reporting.inputs import Inputs
from lumirage.reporting.measures import Measure
from lumirage.reporting.rows import clip, colors_of
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width
from lumirage.track import REFERENCE


@dataclass(frozen=True)
class Level:
    """One condition on an axis: its name, what stands under it, and its number where it has one."""

    condition: str
    text: str
    value: float


def axes_of(inputs: Inputs) -> dict[str, list[Level]]:
    """Axis -> its scored levels, the reference among them; in rising order where the levels are numbers."""
    cells = [c for c in inputs.evaluation.track.cells() if c.name in inputs.conditions]
    found: dict[str, list[Level]] = {}
    for axis in dict.fromkeys(c.axis for c in cells if c.axis):
        levels = [_level(c.name, axis, getattr(c.prepare, axis, c.level)) for c in cells if c.axis == axis]
        reference = [_level(c.name, axis, getattr(c.prepare, axis, "")) for c in cells if c.name == REFERENCE]
        together = reference + levels
        numbers = all(math.isfinite(level.value) for level in together)
        found[axis] = sorted(together, key=lambda level: level.value) if numbers else together
    return found


def _level(condition: str, axis: str, setting: object) -> Level:
    number = float(setting) if isinstance(setting, int | float) and not isinstance(setting, bool) else math.nan
    if isinstance(setting, tuple) and len(set(setting)) == 1:
        number = float(setting[0])
    text = ("yes" if setting else "no") if isinstance(setting, bool) else str(setting)
    text = f"{number:g}" if math.isfinite(number) else text
    return Level(condition, condition.removeprefix(f"{axis}-") if len(text) > 18 else text, number)


def dose(inputs: Inputs, measure: Measure, axis: str, width: float) -> Scene:
    """Means over the pairs, failures filled, a line a method, a place a level; the reference is ringed."""
    levels = axes_of(inputs)[axis]
    means = np.array([list(filled_means(inputs, measure, level.condition).values()) for level in levels])
    right = width - 16 - max(text_width(clip(m, 18), bold=True) for m in inputs.methods)
    height = 280.0
    places = _places(levels)
    x = fit(places, 76, right)
    spans = _intervals(inputs, measure)
    shown = {level.condition for level in levels}
    ends = [end for (_, condition), span in spans.items() if condition in shown for end in span]
    y = fit([*means[np.isfinite(means)].tolist(), *ends], height - 52, 34)
    marks = y_axis(y, 56, right, measure.axis)
    for place, level in zip(places, levels, strict=True):
        color = "ink" if level.condition == REFERENCE else "muted"
        marks.append(Label((x(place), height - 32), clip(level.text, 14), color, 11, "middle"))
    marks.append(Label(((56 + right) / 2, height - 10), axis.replace("_", " "), "muted", 12, "middle"))
    colors = colors_of(inputs.methods)
    for i, method in enumerate(inputs.methods):
        for place, level in zip(places, levels, strict=True):
            low, high = spans.get((method, level.condition), (math.nan, math.nan))
            if math.isfinite(low) and math.isfinite(high):
                marks.append(
                    Line([(x(place), y(low)), (x(place), y(high))], color=colors[method], opacity=0.45, width=4)
                )
        marks += _curve(method, [x(p) for p in places], means[:, i], y, colors[method])
    marks += _names(inputs, means[-1], y, right, colors)
    alt = "; ".join(f"{m}: " + ", ".join(short(v) for v in means[:, i]) for i, m in enumerate(inputs.methods))
    names = ", ".join(level.text for level in levels)
    return Scene(f"dose-{axis}", f"{measure.title} against {axis}", f"{axis} {names}. {alt}", width, height, marks)


def _intervals(inputs: Inputs, measure: Measure) -> dict[tuple[str, str], tuple[float, float]]:
    """(method, condition) -> the reference's mean plus the interval of the change, as the analysis found it."""
    table = inputs.tables.get("conditions")
    if table is None:
        return {}
    rows = of_measure(table, measure)
    rows = rows[(rows["policy"] == inputs.evaluation.track.on_failure) & rows["ci_low"].notna()]
    base = rows["mean_reference"].astype(float)
    low, high = base + rows["ci_low"].astype(float), base + rows["ci_high"].astype(float)
    keys = zip(rows["method"].astype(str), rows["condition"].astype(str), strict=True)
    return dict(zip(keys, zip(low, high, strict=True), strict=True))


def _places(levels: list[Level]) -> list[float]:
    """Where the levels stand: at their numbers, or one after another."""
    numbers = [level.value for level in levels]
    return numbers if all(map(math.isfinite, numbers)) else [float(i) for i in range(len(levels))]


def _curve(method: str, xs: list[float], means: np.ndarray, y: Scale, color: str) -> list[Mark]:
    known = [(x, y(v)) for x, v in zip(xs, means, strict=True) if np.isfinite(v)]
    marks: list[Mark] = [Line(known, color=color, width=1.6)] if len(known) > 1 else []
    return marks + [
        Dot((x, y(v)), 3.4, color, color, f"{method}: {short(v, 4)}")
        for x, v in zip(xs, means, strict=True)
        if np.isfinite(v)
    ]


def _names(inputs: Inputs, last: np.ndarray, y: Scale, right: float, colors: dict[str, str]) -> list[Mark]:
    """Names at the ends of the lines, pushed apart where they would overlap."""
    known = sorted((y(v), m) for m, v in zip(inputs.methods, last, strict=True) if np.isfinite(v))
    marks: list[Mark] = []
    below = -math.inf
    for at, method in known:
        below = max(at, below + 14)
        marks.append(Label((right + 10, below + 4), clip(method, 18), colors[method], 12, bold=True))
    return marks
