"""Draws the values of a question as a figure for a paper or a notebook: a row a group, every value, median and quartiles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import written_aside
from lumirage.core.metrics import title
from lumirage.reporting.figure_rows import GOLDEN
from lumirage.reporting.method_looks import colors_of
from lumirage.reporting.scene import LIGHT

FORMATS = ("pdf", "svg", "png")
MOST_POINTS = 2000
"""Most points of a group that are drawn one by one, chosen evenly by rank; median and quartiles are of all."""
INCHES = 6.5
"""Width: the text of a page."""


def plot_scores(rows: pd.DataFrame, by: str, order: Sequence[object], methods: Sequence[str]) -> Figure:
    """A figure of the values of `rows` in the groups of the column `by`, in this order from above.

    `methods` are all of the evaluation, in its order: their colours are those of its report.
    """
    figure = Figure(figsize=(INCHES, 1.1 + 0.34 * max(len(order), 1)), layout="constrained")
    axes = figure.add_subplot()
    colors = colors_of(list(methods)) if by == "method" else {}
    for row, group in enumerate(order):
        values = np.sort(rows.loc[rows[by] == group, "value"].dropna().to_numpy(dtype=np.float64))
        if not len(values):
            continue
        shown = values[np.unique(np.linspace(0, len(values) - 1, MOST_POINTS).astype(int))]
        at = row + 0.5 * ((np.arange(len(shown)) * GOLDEN) % 1 - 0.5)
        color = LIGHT[colors.get(str(group), "m0")]
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        axes.hlines(row, low, high, colors=LIGHT["rule"], linewidth=8, zorder=1)
        axes.plot([middle], [row], marker="|", markersize=14, markeredgewidth=1.6, color=LIGHT["ink"], zorder=2)
        axes.scatter(shown, at, s=14, c=color, alpha=0.8 if len(shown) < 100 else 0.4, linewidths=0, zorder=3)
    axes.set_yticks(range(len(order)), [str(group) for group in order], parse_math=False)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(axis="x", color=LIGHT["rule"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(_words(rows), parse_math=False)
    return figure


def _words(rows: pd.DataFrame) -> str:
    """The metric as the field calls it, and the structure where it is one."""
    metrics, names = rows["metric"].unique(), rows.loc[rows["label"].notna(), "name"].unique()
    text = ", ".join(title(str(metric)) for metric in metrics)
    return f"{text}, {names[0]}" if len(names) == 1 else text


def save_figure(figure: Figure, path: Path) -> Path:
    """Write it as PDF, SVG or PNG, by the file's ending; the same figure gives the same bytes. Raises UsageError."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(f"{path}: a figure is written as PDF, SVG or PNG, by its ending{nearest(kind, FORMATS)}")
    dates: dict[str, object] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    with written_aside(path) as aside:
        figure.savefig(aside, format=kind, dpi=300, metadata=dates[kind])
    return path
