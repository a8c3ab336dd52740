"""Computes scales, ticks and number formats for the figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from lumirage.reporting.scene import Label, Line, Mark, text_width

NONE = "\N{EN DASH}"
"""Shown if there is no value."""

MINUS = "\N{MINUS SIGN}"

GB = 1e9
"""Memory is told in units of so many bytes."""


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` to pixels from `start` to `end`; optionally logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False
    """Only whole numbers are ticks."""

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside are clipped to the ends."""
        low, high, v = (_log(x) for x in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        share = min(max((v - low) / (high - low), 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the scale, at least two if it has them."""
        found = _log_ticks(self.low, self.high) if self.log else _round_ticks(self.low, self.high, about)
        return [tick for tick in found if tick == int(tick)] if self.whole else found


def fit(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """A scale that covers all values with a small margin; logarithmic only if all are above 0."""
    known = np.asarray([v for v in values if math.isfinite(v)] or [0.0, 1.0])
    low, high = float(known.min()), float(known.max())
    if log and low > 0:
        air = (high / low) ** 0.06 if high > low else 2.0
        return Scale(low / air, high * air, start, end, log=True)
    size = max(abs(low), abs(high))
    # values that differ only by rounding are one value
    air = 0.04 * (high - low) if high - low > 1e-9 * size else size * 0.1 or 1.0
    return Scale(low - air, high + air, start, end)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))


def _round_ticks(low: float, high: float, about: int) -> list[float]:
    ticks = MaxNLocator(nbins=about, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [round(float(tick), 12) for tick in ticks if low <= tick <= high]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(_log(low)), math.ceil(_log(high)) + 1)
    factors = (1,) if _log(high) - _log(low) > 3 else (1, 2, 5)
    ticks = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]
    return ticks if len(ticks) >= 3 else _round_ticks(low, high, 4)


def short(value: float | None, digits: int = 3) -> str:
    """A number as text: `digits` significant digits, no exponent if avoidable, an en dash for a missing value."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits + 2) or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{decimals}f}".replace("-", MINUS)


def seconds(value: float | None) -> str:
    """A duration as text."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 90:
        return f"{short(value, 2 if value < 10 else 3)} s"
    return f"{value / 60:.1f} min" if value < 5400 else f"{value / 3600:.1f} h"


def gigabytes(value: float | None) -> str:
    """A size in bytes as text, in GB of 10^9 bytes."""
    return NONE if value is None or not math.isfinite(value) else f"{short(value / GB, 2 if value < GB else 3)} GB"


def tick_label(value: float) -> str:
    """A tick's number, as short as possible."""
    return f"{value:g}".replace("-", MINUS)


def x_axis(scale: Scale, top: float, bottom: float, title: str) -> list[Mark]:
    """Vertical hairlines with numbers below if there is room, and the title under them."""
    marks: list[Mark] = []
    about = max(2, int(abs(scale.end - scale.start) / 90))
    free = -math.inf
    for tick in scale.ticks(about):
        x, half = scale(tick), text_width(tick_label(tick), 11) / 2
        marks.append(Line([(x, top), (x, bottom)], color="rule", width=0.7))
        if x - half > free:
            marks.append(Label((x, bottom + 15), tick_label(tick), color="muted", size=11, anchor="middle"))
            free = x + half + 3
    middle = (scale.start + scale.end) / 2
    return marks + ([Label((middle, bottom + 33), title, color="muted", size=12, anchor="middle")] if title else [])


def y_axis(scale: Scale, left: float, right: float, title: str) -> list[Mark]:
    """Horizontal hairlines with numbers at the left, and the title above them."""
    marks: list[Mark] = []
    about = max(2, int(abs(scale.end - scale.start) / 45))
    for tick in scale.ticks(about):
        y = scale(tick)
        marks.append(Line([(left, y), (right, y)], color="rule", width=0.7))
        marks.append(Label((left - 6, y + 4), tick_label(tick), color="muted", size=11, anchor="end"))
    above = min(scale.start, scale.end) - 10
    return marks + ([Label((left, above), title, color="muted", size=12)] if title else [])
