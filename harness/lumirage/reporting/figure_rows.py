"""Draws the common parts of figures with one row for each method: colours, and names at the left (above on a phone)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lumirage.reporting.scene import Label, Line, Mark, text_width

WIDE = 760.0
NARROW = 340.0
"""Every figure is drawn twice: as wide as the text column, and as wide as a phone."""

GOLDEN = 0.6180339887498949
"""Jitter of pair i is the fractional part of i times this: even, not random, and the same in the page's script."""


@dataclass(frozen=True)
class Rows:
    """Positions of the rows of a figure."""

    names: Sequence[str]
    width: float
    left: float
    right: float
    top: float
    pitch: float

    @property
    def bottom(self) -> float:
        """The bottom of the last row."""
        return self.top + self.pitch * len(self.names)

    def middle(self, i: int) -> float:
        """Height of the line of row i."""
        return self.top + self.pitch * (i + 0.5) + (8 if self.narrow else 0)

    @property
    def narrow(self) -> bool:
        """Whether it is drawn for a phone."""
        return self.width < 500

    def marks(self, colors: dict[str, str]) -> list[Mark]:
        """Names and hairlines."""
        marks: list[Mark] = []
        for i, name in enumerate(self.names):
            y = self.top + self.pitch * i
            if i:
                marks.append(Line([(self.left, y), (self.right, y)], color="rule", width=0.5, opacity=0.6))
            at, anchor = (
                ((self.left, y + 13), "start") if self.narrow else ((self.left - 12, y + self.pitch / 2), "end")
            )
            marks.append(
                Label(at, clip(name, 26), color=colors.get(name, "ink"), anchor=anchor, bold=True)  # type: ignore[arg-type]
            )
        return marks


def make_rows(names: Sequence[str], width: float, *, top: float = 12, pitch: float = 40) -> Rows:
    """Rows for these names. On a phone the names stand above their rows."""
    narrow = width < 500
    longest = max((text_width(clip(n, 26), bold=True) for n in names), default=0)
    left = 8 if narrow else max(longest + 20, 90)
    return Rows(names, width, left, width - 14, top, pitch + (14 if narrow else 0))


def clip(text: str, most: int) -> str:
    """The text, shortened in the middle if it is too long."""
    if len(text) <= most:
        return text
    keep = (most - 1) // 2
    return f"{text[:keep]}…{text[-keep:]}"


def jitter(index: int) -> float:
    """From -0.5 to 0.5, the same for a pair in every row and figure."""
    return (index * GOLDEN) % 1.0 - 0.5
