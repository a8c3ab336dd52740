"""Draws a figure, a list of marks in pixels, as inline SVG (colours follow the page's theme) or as an SVG file.

`lumirage.reporting.raster` makes a PNG from the same marks, so that every figure is defined once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup, escape

from lumirage.reporting.method_looks import OUTLINES, RING

LIGHT = {
    "paper": "#fbfaf7", "ink": "#1d1c1a", "muted": "#6b675f", "rule": "#d9d5cb", "wash": "#efece4",
    "accent": "#b3341f", "good": "#276f46", "bad": "#a8321f", "warn": "#8a5f06",
    "m0": "#083060", "m1": "#0068d0", "m2": "#6000b0", "m3": "#805888", "m4": "#581838",
    "m5": "#c01858", "m6": "#d80008", "m7": "#502800", "m8": "#087818", "m9": "#007868",
}  # fmt: skip
"""Colours by role, on light paper. m0 to m9 are methods; all have a contrast of 4.5:1 with paper and wash, as text needs.

They were searched for the largest least distance (CIEDE2000) for normal sight, protanopia and deuteranopia."""

DARK = {
    "paper": "#161719", "ink": "#e6e3dc", "muted": "#a09b91", "rule": "#3a3a3b", "wash": "#222325",
    "accent": "#f0805f", "good": "#74c295", "bad": "#ee7c68", "warn": "#dcb04e",
    "m0": "#10a8b0", "m1": "#a8b8f8", "m2": "#b068f8", "m3": "#f83898", "m4": "#f8a0a0",
    "m5": "#d87000", "m6": "#f8e0a0", "m7": "#90e000", "m8": "#60a068", "m9": "#50f8d8",
}  # fmt: skip
"""The same roles on dark paper."""

FONT = "ui-sans-serif, system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
Point = tuple[float, float]
Data = Mapping[str, str | int]
Paint = Callable[[str], str]


@dataclass(frozen=True)
class Line:
    """A polyline; `closed` and `fill` make it an area."""

    points: Sequence[Point]
    color: str = "ink"
    width: float = 1.0
    fill: str = ""
    opacity: float = 1.0
    dash: str = ""
    title: str = ""
    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Dot:
    """A disc, or another marker (`method_looks.OUTLINES`), hollow if `fill` is empty."""

    at: Point
    radius: float = 4.0
    color: str = "ink"
    fill: str = ""
    title: str = ""
    marker: str = "circle"
    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Cloud:
    """Many small discs, or other markers, of one colour, as one path. The page's script makes each of them clickable."""

    points: Sequence[Point]
    color: str = "ink"
    radius: float = 2.0
    opacity: float = 0.55
    inline: bool = True
    marker: str = "circle"
    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Box:
    """A filled rectangle: x, y, width, height."""

    at: Point
    size: Point
    fill: str = "wash"
    title: str = ""
    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Label:
    """One line of text."""

    at: Point
    text: str
    color: str = "ink"
    size: float = 12.0
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False
    data: Data = field(default_factory=dict)


Mark = Line | Dot | Cloud | Box | Label


@dataclass(frozen=True)
class Scene:
    """One figure. `alt` describes it in words."""

    name: str
    title: str
    alt: str
    width: float
    height: float
    marks: Sequence[Mark]
    numbers: Sequence[Sequence[str]] = ()
    """What is drawn as a table, the names of its columns first, for those who do not see the figure."""


def numbers_of(scene: Scene) -> Sequence[Sequence[str]]:
    """The figure's table of numbers; what its marks tell where it has none of its own."""
    told = dict.fromkeys(mark.title for mark in scene.marks if not isinstance(mark, Cloud | Label) and mark.title)
    return scene.numbers or (("Shown",), *((text,) for text in told or (scene.alt,)))


def to_svg(scene: Scene, *, inline: bool = True) -> Markup:
    """The figure as SVG: for the page (colours are CSS variables) or for a file of its own (light colours)."""
    paint = _variable if inline else LIGHT.__getitem__
    body = "".join(_mark(mark, paint, inline) for mark in scene.marks)
    backing = "" if inline else f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>'
    size = f'viewBox="0 0 {num(scene.width)} {num(scene.height)}"'
    if not inline:
        size += f' xmlns="http://www.w3.org/2000/svg" width="{num(scene.width)}" height="{num(scene.height)}"'
    return Markup(
        f'<svg {size} role="img" font-family="{FONT}" data-figure="{escape(scene.name)}">'
        f"<title>{escape(scene.title)}</title><desc>{escape(scene.alt)}</desc>{backing}{body}</svg>\n"
    )


def _variable(role: str) -> str:
    return f"var(--{role})"


def num(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def text_width(text: str, size: float = 12.0, *, bold: bool = False) -> float:
    """The approximate width of a text in pixels."""
    return (0.65 if bold else 0.56) * size * len(text)


def _attributes(data: Data) -> str:
    return "".join(f' data-{escape(key)}="{escape(value)}"' for key, value in data.items())


def _titled(tag: str, attributes: str, title: str) -> str:
    return f"<{tag}{attributes}><title>{escape(title)}</title></{tag}>" if title else f"<{tag}{attributes}/>"


def _mark(mark: Mark, paint: Paint, inline: bool) -> str:
    extra = _attributes(mark.data) if inline else ""
    match mark:
        case Line():
            return _line(mark, paint, extra)
        case Dot():
            return _dot(mark, paint, extra)
        case Cloud():
            points = mark.points if mark.inline or not inline else ()
            return _cloud(mark, points, paint, extra)
        case Box():
            at = f' x="{num(mark.at[0])}" y="{num(mark.at[1])}"'
            size = f' width="{num(max(mark.size[0], 0))}" height="{num(max(mark.size[1], 0))}"'
            return _titled("rect", f'{at}{size} style="fill:{paint(mark.fill)}"{extra}', mark.title)
        case Label():
            bold = ' font-weight="600"' if mark.bold else ""
            anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
            at = f' x="{num(mark.at[0])}" y="{num(mark.at[1])}" font-size="{num(mark.size)}"'
            return f'<text{at}{anchor}{bold} style="fill:{paint(mark.color)}"{extra}>{escape(mark.text)}</text>'


def _cloud(mark: Cloud, points: Sequence[Point], paint: Paint, extra: str) -> str:
    shapes = [corners(Dot(at, mark.radius, marker=mark.marker)) for at in points]
    if mark.marker in OUTLINES and mark.marker != "circle":
        path = "".join("M" + "L".join(f"{num(x)} {num(y)}" for x, y in shape) + "Z" for shape in shapes)
        return f'<path d="{path}" opacity="{mark.opacity}" style="fill:{paint(mark.color)}"{extra}/>'
    path = "".join(f"M{num(x)} {num(y)}h0" for x, y in points)
    style = f' style="stroke:{paint(mark.color)}" stroke-width="{num(2 * mark.radius)}"'
    return f'<path d="{path}" fill="none" stroke-linecap="round" opacity="{mark.opacity}"{style}{extra}/>'


def corners(dot: Dot) -> list[Point]:
    """The corners of a marker; none for a disc or a ring."""
    if dot.marker not in OUTLINES or dot.marker == "circle":
        return []
    return [(dot.at[0] + 1.2 * dot.radius * x, dot.at[1] + 1.2 * dot.radius * y) for x, y in OUTLINES[dot.marker]]


def _dot(mark: Dot, paint: Paint, extra: str) -> str:
    fill = paint(mark.fill) if mark.fill and mark.marker != RING else "none"
    style = f' style="fill:{fill};stroke:{paint(mark.color)}" stroke-width="1.5"'
    if shape := corners(mark):
        points = "L".join(f"{num(x)} {num(y)}" for x, y in shape)
        return _titled("path", f' d="M{points}Z" stroke-linejoin="round"{style}{extra}', mark.title)
    at = f' cx="{num(mark.at[0])}" cy="{num(mark.at[1])}" r="{num(mark.radius)}"'
    return _titled("circle", f"{at}{style}{extra}", mark.title)


def _line(mark: Line, paint: Paint, extra: str) -> str:
    path = "M" + "L".join(f"{num(x)} {num(y)}" for x, y in mark.points) + ("Z" if mark.fill else "")
    fill = paint(mark.fill) if mark.fill else "none"
    stroke = paint(mark.color) if mark.width else "none"
    more = f' stroke-dasharray="{mark.dash}"' if mark.dash else ""
    more += f' opacity="{mark.opacity}"' if mark.opacity < 1 else ""
    style = f' style="fill:{fill};stroke:{stroke}" stroke-width="{num(mark.width)}"'
    return _titled("path", f' d="{path}" stroke-linejoin="round"{style}{more}{extra}', mark.title)
