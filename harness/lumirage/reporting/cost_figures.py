"""Draws the costs of the methods: accuracy against time and memory, cold and warm times, memory over time."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lumirage.core.model import SENTINELS
from lumirage.core.packed_files import is_kept, kept_checksum, read_kept
from lumirage.reporting.axes import GB, NONE, Scale, fit, gigabytes, seconds, short, x_axis, y_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.figure_rows import clip, jitter, make_rows
from lumirage.reporting.policy_means import filled_words, policy_means
from lumirage.reporting.report_inputs import Inputs, files_of, read_run
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width

MOST_POINTS = 240
"""Most points in a row of the figure of times; of more, this many are chosen evenly by rank, with both ends."""

MOST_LINES = 12
"""Memory curves for each method: those of the runs with the highest peaks."""

COSTS: dict[str, tuple[str, Callable[[float | None], str], float]] = {
    "wall_s": ("time (s) a pair, median", seconds, 1.0),
    "peak_memory_bytes": ("peak memory (GB) a pair, median", gigabytes, GB),
}


def pareto(inputs: Inputs, measure: Measure, cost: str, width: float) -> Scene:
    """Mean of a measure, failures filled, against the median cost of the successful runs, both under the reference.

    A line joins the methods that none beats in both; references are not on it.
    """
    title, tell, unit = COSTS[cost]
    spent = inputs.well(inputs.conditions[0]).groupby("method")[cost].median() / unit
    of_policy = policy_means(inputs, measure, inputs.conditions[0])
    means = {method: mean.value for method, mean in of_policy.items()}
    known = {m: (float(spent[m]), means[m]) for m in means if m in spent.index and np.isfinite(spent[m])}
    known = {m: at for m, at in known.items() if np.isfinite(at[1])}
    height = 300.0
    x = fit([c for c, _ in known.values()], 62, width - 24, log=True)
    references = [v for m, v in means.items() if m not in known and np.isfinite(v)]
    y = fit([v for _, v in known.values()] + references, height - 46, 34)
    marks = x_axis(x, 34, height - 46, title) + y_axis(y, 62, width - 24, measure.axis)
    floors = {m: v for m, v in means.items() if m not in known and np.isfinite(v)}
    marks += _floors({m if m in SENTINELS else f"{m}, without a cost": v for m, v in floors.items()}, y, width)
    marks += _front({m: at for m, at in known.items() if m not in inputs.references}, measure, x, y)
    colors = inputs.colors
    for method, (spend, value) in known.items():
        filled = filled_words(of_policy[method])
        told = f"{method}: {short(value, 4)} for {tell(spend * unit)}" + (f", {filled}" if filled else "")
        fill, marker = "paper" if filled else colors[method], inputs.looks[method].marker
        marks.append(Dot((x(spend), y(value)), 6, colors[method], fill, told, marker))
        marks.append(_beside(method, x(spend), y(value), width, colors[method]))
    alt = "; ".join(f"{m}: {short(v, 4)} at {tell(c * unit)}" for m, (c, v) in known.items())
    numbers = [("Method", measure.title, title, "filled"), *(
        (m, short(v, 4), short(c), filled_words(of_policy[m]) or "none") for m, (c, v) in known.items()
    )]  # fmt: skip
    numbers += [(m, short(v, 4), NONE, filled_words(of_policy[m]) or "none") for m, v in floors.items()]
    told = alt or "No cost is known."
    return Scene(f"pareto-{cost}", f"{measure.title} against {title}", told, width, height, marks, numbers)


def _floors(floors: dict[str, float], y: Scale, width: float) -> list[Mark]:
    """Dotted lines, each with its name above it; below it where the name of another one is there."""
    marks: list[Mark] = []
    above = -np.inf
    for method, value in sorted(floors.items(), key=lambda one: y(one[1])):
        at = y(value)
        marks.append(Line([(62, at), (width - 24, at)], color="muted", dash="2 4", title=method))
        side = 12 if at - above < 14 else -5
        marks.append(Label((width - 26, at + side), method, color="muted", size=11, anchor="end"))
        above = at
    return marks


def _front(known: dict[str, tuple[float, float]], measure: Measure, x: Scale, y: Scale) -> list[Mark]:
    sign = 1 if measure.higher_is_better else -1
    best, steps = -np.inf, []
    for spend, value in sorted(known.values(), key=lambda at: (at[0], -sign * at[1])):
        if sign * value > best:
            best = sign * value
            steps.append((x(spend), y(value)))
    return [Line(steps, color="rule", width=3)] if len(steps) > 1 else []


def _beside(method: str, x: float, y: float, width: float, color: str) -> Label:
    name = clip(method, 22)
    if x + 12 + text_width(name) > width:
        return Label((x - 11, y + 4), name, color=color, anchor="end", bold=True)
    return Label((x + 11, y + 4), name, color=color, bold=True)


def times(inputs: Inputs, width: float) -> Scene:
    """Wall time of every pair: hollow if the container had just started, filled if it was warm."""
    runs = inputs.runs.dropna(subset=["wall_s"])
    methods = [m for m in inputs.methods if m in set(runs["method"])]
    rows = make_rows(methods, width)
    scale = fit(runs["wall_s"].tolist(), rows.left + 8, rows.right - 8, log=True)
    colors = inputs.colors
    marks = x_axis(scale, rows.top, rows.bottom, "seconds a pair, by the harness's clock") + rows.marks(colors)
    index = {pair: k for k, pair in enumerate(inputs.pairs)}
    for i, method in enumerate(methods):
        mine = _spread(runs[runs["method"] == method])
        for pair, wall_s, cold in zip(mine["pair"], mine["wall_s"].astype(float), mine["cold"], strict=True):
            k = index.get(pair, 0)
            told = f"{pair}: {seconds(wall_s)}, {'cold' if cold else 'warm'}"
            fill = "" if cold else colors[method]
            at = (scale(wall_s), rows.middle(i) + 18 * jitter(k))
            marks.append(Dot(at, 3.2, colors[method], fill, told, inputs.looks[method].marker, {"pair": k}))
    alt = "; ".join(f"{m}: median {seconds(runs.loc[runs['method'] == m, 'wall_s'].median())}" for m in methods)
    told, numbers = alt or "No times were recorded.", _time_numbers(runs, methods)
    return Scene("times", "Cold and warm times", told, width, rows.bottom + 42, marks, numbers)


def _time_numbers(runs: pd.DataFrame, methods: Sequence[str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [("Method", "Start", "pairs", "median (s)", "least (s)", "most (s)")]
    for method in methods:
        mine = runs[runs["method"] == method]
        for start, chosen in (("cold", mine["cold"].astype(bool)), ("warm", ~mine["cold"].astype(bool))):
            wall_s = mine.loc[chosen, "wall_s"].astype(float)
            if len(wall_s):
                texts = (short(float(v)) for v in (wall_s.median(), wall_s.min(), wall_s.max()))
                found.append((method, start, str(len(wall_s)), *texts))
    return found


def _spread(runs: pd.DataFrame) -> pd.DataFrame:
    if len(runs) <= MOST_POINTS:
        return runs
    at = np.linspace(0, len(runs) - 1, MOST_POINTS).round().astype(int)
    return runs.sort_values("wall_s").iloc[at]


def memory(inputs: Inputs, width: float) -> Scene:
    """Memory over time, one panel for each method: one line for each container, those with the highest peaks."""
    lines = {m: found for m in inputs.methods if (found := _lines(inputs, m))}
    colors = inputs.colors
    index = {pair: k for k, pair in enumerate(inputs.pairs)}
    pitch, marks = 118.0, list[Mark]()
    for i, (method, found) in enumerate(lines.items()):
        top = i * pitch + 34
        x = fit([0.0, *(s for _, line in found for s in line[0])], 62, width - 14)
        y = fit([0.0, *(b for _, line in found for b in line[1])], top + 62, top)
        marks.append(Label((62, top - 16), clip(method, 30), color=colors[method], bold=True))
        marks += y_axis(y, 62, width - 14, "") + x_axis(x, top, top + 62, "")
        for pair, (at, held) in found:
            points = [(x(a), y(b)) for a, b in zip(at, held, strict=True)]
            marks.append(Line(points, colors[method], 1.4, opacity=0.75, title=pair, data={"pair": index.get(pair, 0)}))
    peaks = {m: [max(held) for _, (_, held) in found] for m, found in lines.items()}
    alt = "; ".join(f"{m}: peak {short(max(of))} GB" for m, of in peaks.items())
    numbers = [("Method", "containers", "least peak (GB)", "largest peak (GB)", "longest (s)"), *(
        (m, str(len(of)), short(min(of)), short(max(of)), short(max(at[-1] for _, (at, _) in lines[m])))
        for m, of in peaks.items()
    )]  # fmt: skip
    height = len(lines) * pitch + 6
    told = alt or "No time line was recorded."
    return Scene("memory", "Memory (GB) over time (s)", told, width, height, marks, numbers)


def has_time_lines(inputs: Inputs) -> bool:
    """Whether memory over time was recorded for any method."""
    return any(_lines(inputs, method) for method in inputs.methods)


def _lines(inputs: Inputs, method: str) -> list[tuple[str, tuple[list[float], list[float]]]]:
    runs = inputs.runs[inputs.runs["method"] == method]
    runs = runs.sort_values("peak_memory_bytes", ascending=False).drop_duplicates("job").head(MOST_LINES)
    found = []
    for run in runs.itertuples():
        table = _time_line(Path(str(run.record)))
        if len(table) > 1:
            thin = table.iloc[:: max(1, len(table) // 160)]
            found.append((str(run.pair), (thin.iloc[:, 0].tolist(), (thin.iloc[:, 1] / GB).tolist())))
    return found


def _time_line(record: Path) -> pd.DataFrame:
    """A run's memory over time, columns seconds and bytes; empty where it is not as it was written."""
    path, wanted = files_of(record).memory, read_run(record).checksums.get("memory", "")
    if not is_kept(path) or (wanted and kept_checksum(path) != wanted):
        return pd.DataFrame()
    try:
        return pd.read_csv(io.BytesIO(read_kept(path)), sep="\t")
    except ValueError:  # what pandas raises on what is no table
        return pd.DataFrame()
