"""How a method looks: a colour and a marker by its name, the same in every report, told apart by the colour-blind.

A name is hashed into an order of preference over the palette, and another over the markers. Names are served in the
order of their hashes; each takes the first of its preference that is free. So a method has its first choice, whatever
else is in the report, unless one that is served before it wants the same; another method that is added or left out can
move only those with which it collides. When all are taken, the palette begins anew: colour and marker together still
differ. References are grey, and rings.
"""

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lumirage.core.model import SENTINELS

COLORS = tuple(f"m{k}" for k in range(10))
"""Roles of `scene.LIGHT` and `scene.DARK`; their least distance is held by a test, also as the colour-blind see them."""

Outline = tuple[tuple[float, float], ...]


def _star(points: int, inner: float, turn: float = -90.0) -> Outline:
    """A polygon in the unit circle; every second corner at the radius `inner`."""
    steps = 2 * points if inner < 1 else points
    return tuple(
        (r * math.cos(a), r * math.sin(a))
        for k in range(steps)
        for a in (math.radians(turn + 360 * k / steps),)
        for r in (inner if inner < 1 and k % 2 else 1.0,)
    )


OUTLINES: dict[str, Outline] = {
    "circle": _star(16, 1.0),
    "square": _star(4, 1.0, -45.0),
    "triangle": _star(3, 1.0),
    "diamond": _star(4, 1.0),
    "down": _star(3, 1.0, 90.0),
    "star": _star(5, 0.45),
    "cross": _star(4, 0.4),
    "hexagon": _star(6, 1.0, 0.0),
    "arrow": ((1.0, 0.0), (-0.8, -0.8), (-0.3, 0.0), (-0.8, 0.8)),
    "plate": ((-1.0, -0.45), (1.0, -0.45), (1.0, 0.45), (-1.0, 0.45)),
}
"""Markers as corners in the unit circle, y down."""

RING = "ring"


@dataclass(frozen=True)
class Look:
    """The colour role and the marker of a method."""

    color: str
    marker: str


def looks_of(methods: Collection[str], references: Collection[str]) -> dict[str, Look]:
    """Method -> its look."""
    names = sorted({m for m in methods if m not in references}, key=lambda name: (_hash(name, "turn"), name))
    colors, markers = _served(names, COLORS, "color"), _served(names, tuple(OUTLINES), "marker")
    return {m: Look(colors[m], markers[m]) if m in colors else Look("muted", RING) for m in methods}


def colors_of(methods: Collection[str], references: Collection[str] = SENTINELS) -> dict[str, str]:
    """Method -> its colour role alone."""
    return {method: look.color for method, look in looks_of(methods, references).items()}


def _served(names: Sequence[str], choices: Sequence[str], what: str) -> dict[str, str]:
    """Each name's first choice that is free in its round."""
    found: dict[str, str] = {}
    for start in range(0, len(names), len(choices)):
        free = list(choices)
        for name in names[start : start + len(choices)]:
            found[name] = min(free, key=lambda choice, of=name: _hash(of, f"{what} {choice}"))  # type: ignore[misc]
            free.remove(found[name])
    return found


def _hash(name: str, what: str) -> str:
    return hashlib.sha256(f"{what}\n{name}".encode()).hexdigest()
