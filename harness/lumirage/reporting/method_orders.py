"""The methods in order of one measure or another, side by side: who keeps its place and who does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from lumirage.core.model import SENTINELS
from lumirage.reporting.axes import short
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.figure_rows import clip
from lumirage.reporting.policy_means import filled_means
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width

TOP, PITCH = 50.0, 38.0
Anchor = Literal["start", "end"]
FEWEST = 3
"""Methods without which an agreement of two orders means nothing."""


@dataclass(frozen=True)
class MethodOrder:
    """The methods by their means in one measure; the sentinels are left out, as they would agree anyway."""

    title: str
    higher_is_better: bool
    means: dict[str, float]

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Method -> place, 1 is best; equal means share the better place."""
        sign = -1 if self.higher_is_better else 1
        values = [sign * value for value in self.means.values()]
        return {
            method: 1 + sum(other < value for other in values) for method, value in zip(self.means, values, strict=True)
        }

    @property
    def listed(self) -> list[str]:
        """The methods from the best to the worst; names decide between equals."""
        return sorted(self.ranks, key=lambda method: (self.ranks[method], method))


def order_of(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> MethodOrder:
    """The methods by a measure, failures filled by the track's policy, over all pairs or those chosen (mask)."""
    means = filled_means(inputs, measure, condition, pairs)
    there = {m: v for m, v in means.items() if m not in SENTINELS and np.isfinite(v)}
    return MethodOrder(measure.title, measure.higher_is_better, there)


def moved(orders: Sequence[MethodOrder]) -> list[str]:
    """The methods that do not have one place in all orders."""
    everywhere = [m for m in orders[0].ranks if all(m in order.ranks for order in orders)]
    return [m for m in everywhere if len({order.ranks[m] for order in orders}) > 1]


def tau(a: MethodOrder, b: MethodOrder) -> float:
    """Kendall's tau (b) of two orders; NaN for fewer than three methods, or where all are tied."""
    both = pd.DataFrame({"a": a.ranks, "b": b.ranks}).dropna()
    if len(both) < FEWEST or (both.nunique() == 1).any():
        return float("nan")
    return float(both["a"].corr(both["b"], method="kendall"))


def slopes(name: str, title: str, orders: Sequence[MethodOrder], colors: dict[str, str], width: float) -> Scene:
    """A column an order, the best on top; lines join a method's places, strong where it changes them."""
    room = 12 if width < 500 else 22
    names = max(text_width(clip(m, room), bold=True) for m in orders[0].ranks)
    columns = np.linspace(names + 30, width - names - 30, len(orders)).tolist()
    apart = min(columns[1] - columns[0], 2 * columns[0] - 8)
    marks: list[Mark] = [
        Label((x, 18), clip(order.title, int(apart / 6.8)), "muted", 12, "middle")
        for x, order in zip(columns, orders, strict=True)
    ]
    changing = set(moved(orders))
    for method in reversed(orders[0].listed):
        places = [
            (x, _height(order, method), order.ranks[method])
            for x, order in zip(columns, orders, strict=True)
            if method in order.ranks
        ]
        told = f"{method}: " + ", ".join(f"{o.ranks[method]} by {o.title}" for o in orders if method in o.ranks)
        marks += _path(places, colors[method], told, strong=method in changing)
    marks += _names(orders[0], columns[0] - 15, "end", colors, room)
    marks += _names(orders[-1], columns[-1] + 15, "start", colors, room)
    alt = "; ".join(f"{o.title}: {', '.join(o.listed)}" for o in orders)
    return Scene(name, title, alt, width, TOP + PITCH * len(orders[0].ranks), marks)


def _height(order: MethodOrder, method: str) -> float:
    return TOP + PITCH * order.listed.index(method)


def _path(places: Sequence[tuple[float, float, int]], color: str, told: str, *, strong: bool) -> list[Mark]:
    points = [(x, y) for x, y, _ in places]
    marks: list[Mark] = [Line(points, color, 3 if strong else 1.2, opacity=1 if strong else 0.5, title=told)]
    for x, y, rank in places:
        marks.append(Dot((x, y), 9, color, color, told))
        marks.append(Label((x, y + 4), str(rank), "paper", 11, "middle", bold=True))
    return marks


def _names(order: MethodOrder, x: float, anchor: Anchor, colors: dict[str, str], room: int) -> list[Mark]:
    marks: list[Mark] = []
    for method in order.listed:
        y = _height(order, method)
        marks.append(Label((x, y + 1), clip(method, room), colors[method], 12, anchor, bold=True))
        marks.append(Label((x, y + 14), short(order.means[method], 4), "muted", 10.5, anchor))
    return marks
