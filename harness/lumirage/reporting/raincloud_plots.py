"""Draws raincloud plots: every point is a pair, with the density above, quartiles and median below."""

import numpy as np

from lumirage.reporting.axes import NONE, Scale, fit, short, x_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.figure_rows import Rows, jitter, make_rows
from lumirage.reporting.method_looks import Look
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Cloud, Label, Line, Mark, Scene

PITCH = 52.0
RAIN = 16.0
"""Height of the band of jittered points, pixels."""

MOST_MARKERS = 400
"""Of so many points and more, all are discs: smaller ones, as shapes could not be told apart."""


def strips(inputs: Inputs, measure: Measure, condition: str, width: float) -> Scene:
    """All values of one measure under one condition, one row for each method."""
    values = inputs.matrix(measure, condition)
    methods = inputs.methods
    rows = make_rows(methods, width, pitch=PITCH)
    scale = fit(values[np.isfinite(values)].tolist(), rows.left + 6, rows.right - 6)
    looks, colors = inputs.looks, inputs.colors
    marks = x_axis(scale, rows.top, rows.bottom, measure.axis) + rows.marks(colors)
    place = f"{inputs.measures.index(measure)}/{inputs.conditions.index(condition)}"
    for i, method in enumerate(methods):
        marks += _row(values[i], rows.middle(i), scale, colors[method])
        marks.append(_cloud(values[i], rows.middle(i), scale, looks[method], {"strip": place, "method": i}))
        marks += _missing(values[i], rows, i)
    name = f"strips-{measure.name}-{condition}"
    alt = f"Values of {measure.title} for each pair. " + "; ".join(
        f"{m}: median {short(_median(v))} over {int(np.isfinite(v).sum())} pairs"
        for m, v in zip(methods, values, strict=True)
    )
    numbers = [("Method", "pairs", "median", "quartiles", "least", "most", "no value"), *(
        (m, *_summary(v)) for m, v in zip(methods, values, strict=True)
    )]  # fmt: skip
    return Scene(name, f"{measure.title}, every pair", alt, width, rows.bottom + 42, marks, numbers)


def _summary(values: np.ndarray) -> tuple[str, ...]:
    known = values[np.isfinite(values)]
    if not known.size:
        return "0", NONE, NONE, NONE, NONE, str(values.size)
    least, low, middle, high, most = (short(float(v), 4) for v in np.percentile(known, [0, 25, 50, 75, 100]))
    return str(known.size), middle, f"{low} to {high}", least, most, str(values.size - known.size)


def _cloud(values: np.ndarray, y: float, scale: Scale, look: Look, data: dict[str, str | int]) -> Cloud:
    band = y + RAIN / 2 + 1
    points = [(scale(v), band + RAIN * jitter(k)) for k, v in enumerate(values) if np.isfinite(v)]
    place = {
        "x0": f"{scale.start:.2f}", "x1": f"{scale.end:.2f}", "v0": f"{scale.low:.8g}", "v1": f"{scale.high:.8g}",
        "y": f"{band:.2f}", "h": f"{RAIN:.2f}",
    }  # fmt: skip
    small = len(points) < MOST_MARKERS
    radius, opacity = (3.4, 0.75) if small else (1.8, 0.35)
    marker = look.marker if small else "circle"
    place |= {"marker": marker, "r": f"{radius:g}"}
    return Cloud(points, look.color, radius, opacity, inline=False, marker=marker, data={**data, **place})


def _row(values: np.ndarray, y: float, scale: Scale, color: str) -> list[Mark]:
    known = values[np.isfinite(values)]
    if not known.size:
        return []
    low, middle, high = np.percentile(known, [25, 50, 75])
    marks: list[Mark] = []
    if known.size >= 8 and known.std() > 1e-9 * np.abs(known).max():  # else it is one value, apart from rounding errors
        marks.append(Line(_density(known, y - 4, scale), color=color, width=0, fill=color, opacity=0.22))
    marks.append(Line([(scale(low), y - 3), (scale(high), y - 3)], color=color, width=2.5))
    spread = f"median {short(middle, 4)}, quartiles {short(low, 4)} to {short(high, 4)}"
    marks.append(Line([(scale(middle), y - 9), (scale(middle), y + 3)], color="ink", width=2, title=spread))
    return marks


def _density(known: np.ndarray, base: float, scale: Scale) -> list[tuple[float, float]]:
    """A Gaussian kernel density by Silverman's rule, its peak 15 pixels high."""
    quartiles = np.subtract(*np.percentile(known, [75, 25])) / 1.34
    width = 0.9 * min(known.std(ddof=1), quartiles or np.inf) * known.size**-0.2
    at = np.linspace(known.min() - 2 * width, known.max() + 2 * width, 80)
    bins, edges = np.histogram(known, bins=min(known.size, 400))
    centres = (edges[1:] + edges[:-1]) / 2
    height = (np.exp(-0.5 * ((at[:, None] - centres) / width) ** 2) * bins).sum(axis=1)
    points = [(scale(x), base - 15 * h) for x, h in zip(at, height / height.max(), strict=True)]
    return [(points[0][0], base), *points, (points[-1][0], base)]


def _missing(values: np.ndarray, rows: Rows, i: int) -> list[Mark]:
    lost = int(values.size - np.isfinite(values).sum())
    if not lost:
        return []
    text = f"{lost} of {values.size} dropped"
    if rows.narrow:
        return [Label((rows.right, rows.top + rows.pitch * i + 13), text, color="bad", size=11, anchor="end")]
    return [Label((rows.left - 12, rows.top + rows.pitch * (i + 0.5) + 15), text, color="bad", size=11, anchor="end")]


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
