"""Finds places for the texts of dots, so that none lies on another text, on a dot or, if possible, on a line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from lumirage.reporting.scene import Label, Point, text_width

SIZE, RADIUS, GAP = 10.0, 4.0, 3.0
"""Height of the texts, radius of the dots, and the space between the two, pixels."""


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Area") -> bool:
        """Whether the two have an inner point in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: "Area") -> bool:
        """Whether the other lies within this one."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom

    def crossed_by(self, start: Point, end: Point) -> bool:
        """Whether a straight line passes through, by clipping it at the four sides (Liang and Barsky, 1984)."""
        first, last = 0.0, 1.0
        for p, d, low, high in (
            (start[0], end[0] - start[0], self.left, self.right),
            (start[1], end[1] - start[1], self.top, self.bottom),
        ):
            if d == 0:
                if not low < p < high:
                    return False
                continue
            enter, leave = sorted(((low - p) / d, (high - p) / d))
            first, last = max(first, enter), min(last, leave)
        return first < last


def placed(texts: Sequence[tuple[Point, str, str]], paths: Sequence[Sequence[Point]], within: Area) -> list[Label]:
    """Labels of dots, (dot, text, colour) each, beside the lines `paths`; a text without a free place is left out."""
    dots = [Area(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for (x, y), _, _ in texts]
    lines = [segment for path in paths for segment in pairwise(path)]
    taken: list[Area] = []
    found = []
    for dot, text, color in texts:
        if not text:
            continue
        free = [
            (area, label)
            for area, label in _places(dot, text, color)
            if within.holds(area) and not any(map(area.meets, (*dots, *taken)))
        ]
        clear = [(area, label) for area, label in free if not any(area.crossed_by(*line) for line in lines)]
        for area, label in (clear or free)[:1]:
            taken.append(area)
            found.append(label)
    return found


def _places(dot: Point, text: str, color: str) -> Iterator[tuple[Area, Label]]:
    """Above, to the right, to the left and below."""
    x, y = dot
    away, wide = RADIUS + GAP, text_width(text, SIZE)
    places: tuple[tuple[float, float, Literal["start", "middle", "end"]], ...] = (
        (x, y - away, "middle"),
        (x + away, y + SIZE * 0.36, "start"),
        (x - away, y + SIZE * 0.36, "end"),
        (x, y + away + SIZE * 0.72, "middle"),
    )
    for at, baseline, anchor in places:
        left = {"start": at, "middle": at - wide / 2, "end": at - wide}[anchor]
        area = Area(left, baseline - SIZE * 0.8, left + wide, baseline + SIZE * 0.1)
        yield area, Label((at, baseline), text, color, SIZE, anchor)
