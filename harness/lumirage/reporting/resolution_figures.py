"""Draws the figures of resolution: accuracy and each cost against voxels. Runs stopped by a limit are hollow triangles."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lumirage.core.model import CENSORING, Outcome
from lumirage.reporting.axes import NONE, Scale, fit, short, y_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.dose_figures import end_labels, failures_by_condition
from lumirage.reporting.figure_rows import clip
from lumirage.reporting.policy_means import filled_means
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.resolution_results import (
    Cost,
    LimitFailure,
    Size,
    exponent_text,
    growth,
    limit_failures,
    sizes_of,
)
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width

TALL = 220.0
"""Height for the values, pixels."""

LINE = 14.0
"""Height of a line of text, pixels."""


@dataclass(frozen=True)
class _Frame:
    """Layout of a panel: the sizes along x, the values from `bottom` to `top`, room for names at the right."""

    sizes: Sequence[Size]
    x: Scale
    top: float
    bottom: float
    margin: float
    """Start of the text above the panel."""

    def axis(self, below: float) -> list[Mark]:
        """A hairline at every size; its spacing and, if there is room, its voxels under `below`."""
        marks: list[Mark] = []
        ends = [-math.inf, -math.inf]
        for size in sorted(self.sizes, key=lambda size: size.voxels):
            at = self.x(size.voxels)
            marks.append(Line([(at, self.top), (at, below)], color="rule", width=0.7))
            for k, text in enumerate((f"{size.spacing_mm:g}", _count(size.voxels))):
                half = text_width(text, 11) / 2 + 2
                if at - half >= ends[k]:
                    marks.append(Label((at, below + 15 + LINE * k), text, "muted" if k else "ink", 11, "middle"))
                    ends[k] = at + half
        middle = (self.x.start + self.x.end) / 2
        return [*marks, Label((middle, below + 46), "spacing in mm; voxels of the working grid", "muted", 12, "middle")]


def _frame(inputs: Inputs, width: float, deaths: Sequence[LimitFailure]) -> _Frame:
    top = 40 + LINE * len({death.method for death in deaths})
    sizes = sizes_of(inputs)
    names = max(text_width(clip(m, 16), bold=True) for m in inputs.methods)
    right = width - 20 - max(names, 70)
    return _Frame(
        sizes, fit([size.voxels for size in sizes], 68, right, log=True), top, top + TALL, 8 if width < 500 else 62
    )


def _count(voxels: float) -> str:
    return f"{voxels / 1e6:.3g} M" if voxels >= 1e6 else f"{voxels / 1e3:.3g} k"


def accuracy(inputs: Inputs, measure: Measure, width: float) -> Scene:
    """Mean of a measure against voxels, failures filled; runs stopped by a limit are hollow triangles below."""
    deaths, colors = limit_failures(inputs, CENSORING), inputs.colors
    frame, failed = _frame(inputs, width, deaths), failures_by_condition(inputs)
    means = {size.condition: filled_means(inputs, measure, size.condition) for size in frame.sizes}
    y = fit([v for row in means.values() for v in row.values() if np.isfinite(v)], frame.bottom, frame.top)
    below = frame.bottom + (20 if deaths else 4)
    marks = y_axis(y, 62, frame.x.end + 6, "") + frame.axis(below)
    marks.append(Label((frame.margin, 14), clip(measure.axis, int(width / 6.8)), "muted", 12))
    ends = []
    for method in inputs.methods:
        points = [(s, means[s.condition][method]) for s in frame.sizes if np.isfinite(means[s.condition][method])]
        if len(points) > 1:
            marks.append(Line([(frame.x(s.voxels), y(v)) for s, v in points], color=colors[method], width=1.6))
        hollow = {size.condition for size in frame.sizes if (method, size.condition) in failed}
        marks += _points(method, points, lambda value: short(value, 4), (frame.x, y), colors[method], hollow)
        ends += [(y(points[0][1]), clip(method, 16), colors[method])] if points else []
    marks += _censored(deaths, frame, frame.bottom + 12, colors)
    marks += end_labels(ends, frame.x.end + 16, (frame.top, frame.bottom))
    alt = f"Mean {measure.title} at {', '.join(s.text for s in frame.sizes)}. {'; '.join(d.told for d in deaths)}"
    name, title = f"resolution-{measure.name}", f"{measure.title} against resolution"
    numbers = [("Method", *(s.text for s in frame.sizes)), *(
        (m, *(short(means[s.condition][m], 4) for s in frame.sizes)) for m in inputs.methods
    )]  # fmt: skip
    return Scene(name, title, alt, width, below + 56, marks, numbers)


def cost(inputs: Inputs, of: Cost, width: float) -> Scene:
    """Median cost of the successful runs against voxels, both logarithmic, with the fitted growth dashed.

    Runs stopped by this cost's own limit are hollow triangles at the limit: the cost is at least that.
    """
    deaths, colors = limit_failures(inputs, (of.death,) if of.death else ()), inputs.colors
    frame = _frame(inputs, width, deaths)
    medians = {m: _medians(inputs, m, of, frame.sizes) for m in inputs.methods}
    limit = of.limit(inputs.evaluation.track.limits) if deaths else None
    known = [v for points in medians.values() for _, v in points]
    y = fit([*known, *([limit / of.unit] if limit else [])], frame.bottom, frame.top, log=True)
    marks = [*y_axis(y, 62, frame.x.end + 6, ""), *frame.axis(frame.bottom)]
    marks.append(Label((frame.margin, 14), of.title, "muted", 12))
    for method, points in medians.items():
        marks += _fitted(inputs, method, of, (frame.x, y), colors[method])
        marks += _points(method, points, lambda v: of.tell(v * of.unit), (frame.x, y), colors[method])
    at = y(limit / of.unit) if limit else frame.top - 6
    if limit:
        marks.append(Line([(62, at), (frame.x.end + 6, at)], color="bad", dash="5 4"))
    if deaths:
        marks.append(Label((66, at - 5), f"limit {of.tell(limit)}" if limit else "limit not recorded", "bad", 11))
    marks += _censored(deaths, frame, at, colors)
    marks += _names(inputs, of, medians, y, frame)
    told = [f"{m}: exponent {exponent_text(inputs, m, of)}" for m, points in medians.items() if points]
    alt = "; ".join([*told, *(d.told for d in deaths)])
    numbers = [("Method", *(s.text for s in frame.sizes), "exponent"), *(
        (m, *(_at_size(points, s) for s in frame.sizes), exponent_text(inputs, m, of)) for m, points in medians.items()
    )]  # fmt: skip
    title = f"{of.title} against voxels"
    return Scene(f"resolution-{of.column}", title, alt, width, frame.bottom + 56, marks, numbers)


def _at_size(points: Sequence[tuple[Size, float]], size: Size) -> str:
    return next((short(value) for at, value in points if at == size), NONE)


def _medians(inputs: Inputs, method: str, of: Cost, sizes: Sequence[Size]) -> list[tuple[Size, float]]:
    runs = inputs.runs
    mine = runs[(runs["method"] == method) & (runs["outcome"] == Outcome.OK.value)]
    medians = mine.groupby("condition")[of.column].median().astype(float) / of.unit
    there = [(size, float(medians.get(size.condition, math.nan))) for size in sizes]
    return [(size, value) for size, value in there if value > 0]


Points = Sequence[tuple[Size, float]]
Scales = tuple[Scale, Scale]


def _points(
    method: str,
    points: Points,
    tell: Callable[[float], str],
    scales: Scales,
    color: str,
    hollow: Collection[str] = (),
) -> list[Mark]:
    x, y = scales
    return [
        Dot(
            (x(s.voxels), y(v)), 4, color, "paper" if s.condition in hollow else color, f"{method}, {s.text}: {tell(v)}"
        )
        for s, v in points
    ]


def _fitted(inputs: Inputs, method: str, of: Cost, scales: Scales, color: str) -> list[Mark]:
    """The line of the fitted growth, over the fitted sizes."""
    fit = growth(inputs, method, of)
    if not math.isfinite(fit.exponent):
        return []
    x, y = scales
    line = [(x(voxels), y(fit.at(voxels) / of.unit)) for voxels in (fit.largest, fit.smallest)]
    return [Line(line, color=color, width=1.4, dash="3 3", title=f"{method}: {exponent_text(inputs, method, of)}")]


def _names(
    inputs: Inputs, of: Cost, medians: dict[str, list[tuple[Size, float]]], y: Scale, frame: _Frame
) -> list[Mark]:
    colors = inputs.colors
    ends = [(y(points[0][1]), m, colors[m]) for m, points in medians.items() if points]
    marks: list[Mark] = []
    for label in end_labels(ends, frame.x.end + 16, (frame.top, frame.bottom - 8), gap=28):
        assert isinstance(label, Label)  # the function gives only labels
        power = growth(inputs, label.text, of).exponent
        marks.append(Label(label.at, clip(label.text, 16), label.color, label.size, bold=True))
        told = f"exponent {short(power)}" if math.isfinite(power) else "no exponent"
        marks.append(Label((label.at[0], label.at[1] + 13), told, "muted", 10.5))
    return marks


def _censored(deaths: Sequence[LimitFailure], frame: _Frame, y: float, colors: dict[str, str]) -> list[Mark]:
    """A hollow triangle for stopped runs, side by side, and above the panel a line of text for each method."""
    marks: list[Mark] = []
    for k, method in enumerate(dict.fromkeys(death.method for death in deaths)):
        mine = [death for death in deaths if death.method == method]
        marks += [_triangle((frame.x(d.size.voxels) + 8 * k, y), colors[method], d.told) for d in mine]
        sizes = ", ".join(dict.fromkeys(d.place for d in mine))
        of = " and ".join(dict.fromkeys(CENSORING[d.outcome] for d in mine))
        text = f"{clip(method, 16)} {of} at {sizes}"
        marks.append(_triangle((frame.margin + 6, 26 + LINE * k), colors[method], text))
        marks.append(Label((frame.margin + 16, 30 + LINE * k), text, colors[method], 11))
    return marks


def _triangle(at: tuple[float, float], color: str, told: str) -> Line:
    x, y = at
    corners = [(x - 5.5, y + 4.5), (x + 5.5, y + 4.5), (x, y - 5.5)]
    return Line(corners, color=color, width=1.6, fill="paper", title=told)
