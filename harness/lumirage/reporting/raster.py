"""Draws figures as PNG and PDF with matplotlib, without a display, from the same marks as the SVG."""

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.path import Path

from lumirage.reporting.method_looks import RING
from lumirage.reporting.scene import LIGHT, Box, Cloud, Dot, Label, Line, Mark, Scene, corners

DPI = 72
SCALE = 2.5
"""Pixels of the PNG for each pixel of the scene: sharp enough for print at one column."""

ALIGN = {"start": "left", "middle": "center", "end": "right"}


def to_png(scene: Scene) -> bytes:
    """The figure as a PNG file, light colours."""
    held = io.BytesIO()
    _drawn(scene, LIGHT["paper"]).savefig(held, format="png", metadata={"Title": scene.title, "Description": scene.alt})
    return held.getvalue()


def to_pdf(scene: Scene) -> bytes:
    """The figure as a PDF file on white, as a paper wants it: lines and text, no pixels; the same figure, the same bytes."""
    held = io.BytesIO()
    with rc_context({"pdf.fonttype": 42}):  # whole fonts: journals refuse those of type 3
        metadata = {"Title": scene.title, "Subject": scene.alt, "CreationDate": None}
        _drawn(scene, "white").savefig(held, format="pdf", metadata=metadata)
    return held.getvalue()


def _drawn(scene: Scene, paper: str) -> Figure:
    figure = Figure(figsize=(scene.width / DPI, scene.height / DPI), dpi=DPI * SCALE, facecolor=paper)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    for order, mark in enumerate(scene.marks):
        _draw(axes, mark, order)
    return figure


def _draw(axes: Axes, mark: Mark, order: int) -> None:
    match mark:
        case Line():
            _draw_line(axes, mark, order)
        case Dot():
            fill = LIGHT[mark.fill] if mark.fill and mark.marker != RING else "none"
            look = {"facecolor": fill, "edgecolor": LIGHT[mark.color], "linewidth": 1.5, "zorder": order}
            shape = corners(mark)
            axes.add_artist(Polygon(shape, closed=True, **look) if shape else Circle(mark.at, mark.radius, **look))
        case Cloud():
            x, y = np.array(mark.points, dtype=float).reshape(-1, 2).T
            area = (2 * mark.radius) ** 2
            shape = corners(Dot((0.0, 0.0), 1.0, marker=mark.marker))
            # y down, and matplotlib's markers are y up
            marker = MarkerStyle(Path([(u, -v) for u, v in shape]) if shape else "o")
            color = LIGHT[mark.color]
            axes.scatter(x, y, s=area, c=color, alpha=mark.opacity, linewidths=0, zorder=order, marker=marker)
        case Box():
            axes.add_artist(Rectangle(mark.at, *mark.size, facecolor=LIGHT[mark.fill], linewidth=0, zorder=order))
        case Label():
            axes.text(
                *mark.at, mark.text, color=LIGHT[mark.color], fontsize=mark.size * 0.94, ha=ALIGN[mark.anchor],
                va="baseline", fontweight="bold" if mark.bold else "normal", zorder=order, parse_math=False,
            )  # fmt: skip


def _draw_line(axes: Axes, mark: Line, order: int) -> None:
    x, y = zip(*mark.points, strict=True)
    if mark.fill:
        axes.fill(x, y, facecolor=LIGHT[mark.fill], alpha=mark.opacity, linewidth=0, zorder=order)
    if mark.width:
        dash = (0.0, [float(d) for d in mark.dash.split()] or [1.0]) if mark.dash else None
        axes.add_artist(
            Line2D(
                x, y, color=LIGHT[mark.color], linewidth=mark.width, alpha=mark.opacity, zorder=order, linestyle=dash
            )
        )
