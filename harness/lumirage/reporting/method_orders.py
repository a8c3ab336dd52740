"""Orders the methods by several measures side by side, and shows which methods change places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from lumirage.core.rank_groups import groups_of, place_words
from lumirage.reporting.analysis_tables import told_better
from lumirage.reporting.axes import short
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.figure_rows import clip
from lumirage.reporting.policy_means import filled_words, policy_means
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width

TOP, PITCH = 50.0, 38.0
Anchor = Literal["start", "end"]
FEWEST = 3
"""Least number of methods for a meaningful agreement of two orders."""


@dataclass(frozen=True)
class MethodOrder:
    """The methods by their means in one measure; the sentinels are left out, as they would agree anyway."""

    title: str
    higher_is_better: bool
    means: dict[str, float]
    better: frozenset[tuple[str, str]] = frozenset()
    """Couples (better, worse) with a significant order."""
    filled: Mapping[str, str] = field(default_factory=dict)
    """Method -> how much of its mean the policy filled, as text; only methods with filled values."""

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Method -> place by its mean, 1 is best; equal means share the better place."""
        sign = -1 if self.higher_is_better else 1
        values = [sign * value for value in self.means.values()]
        return {
            method: 1 + sum(other < value for other in values) for method, value in zip(self.means, values, strict=True)
        }

    @cached_property
    def groups(self) -> dict[str, float]:
        """Method -> the place that it shares with methods that cannot be distinguished from it."""
        methods = list(self.ranks)
        better = np.array([[(a, b) in self.better for b in methods] for a in methods], dtype=np.bool_)
        ranks = np.array([float(self.ranks[m]) for m in methods])
        return dict(zip(methods, groups_of(ranks, better.reshape(len(methods), -1)).tolist(), strict=True))

    @cached_property
    def places(self) -> dict[str, str]:
        """Method -> its place as text, "2=" if several share it."""
        return dict(zip(self.groups, place_words(list(self.groups.values())), strict=True))

    @property
    def listed(self) -> list[str]:
        """The methods from the best to the worst mean; names decide between equals."""
        return sorted(self.ranks, key=lambda method: (self.ranks[method], method))


def order_of(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> MethodOrder:
    """The methods by a measure, failures filled by the track's policy, over all pairs or those chosen (mask).

    Significance is known only for all pairs: over fewer pairs no order is significant.
    """
    means = policy_means(inputs, measure, condition, pairs)
    there = {m: v for m, v in means.items() if m not in inputs.references and np.isfinite(v.value)}
    every = policy_means(inputs, measure, condition)
    whole = all(every[m].n_pairs == mean.n_pairs for m, mean in there.items())
    return MethodOrder(
        title=measure.title,
        higher_is_better=measure.higher_is_better,
        means={m: mean.value for m, mean in there.items()},
        better=told_better(inputs, measure, condition) if whole else frozenset(),
        filled={m: words for m, mean in there.items() if (words := filled_words(mean))},
    )


def moved(orders: Sequence[MethodOrder]) -> list[str]:
    """The methods that change places with another one, if both orders are significant."""
    told = {couple for order in orders for couple in order.better if set(couple) <= set(order.means)}
    crossing = {method for a, b in told if (b, a) in told for method in (a, b)}
    return [m for m in orders[0].ranks if m in crossing]


def tau(a: MethodOrder, b: MethodOrder) -> float:
    """Kendall's tau (b) of two orders; NaN for fewer than three methods, or if all are tied."""
    both = pd.DataFrame({"a": a.ranks, "b": b.ranks}).dropna()
    if len(both) < FEWEST or (both.nunique() == 1).any():
        return float("nan")
    return float(both["a"].corr(both["b"], method="kendall"))


def slopes(name: str, title: str, orders: Sequence[MethodOrder], colors: dict[str, str], width: float) -> Scene:
    """One column for each order, the best on top; lines join a method's places, and cross only if both are significant."""
    room = 12 if width < 500 else 22
    names = max((text_width(clip(m, room), bold=True) for m in orders[0].ranks), default=0.0)
    columns = np.linspace(names + 30, width - names - 30, len(orders)).tolist()
    apart = min(columns[1] - columns[0], 2 * columns[0] - 8)
    marks: list[Mark] = [
        Label((x, 18), clip(order.title, int(apart / 6.8)), "muted", 12, "middle")
        for x, order in zip(columns, orders, strict=True)
    ]
    drawn = drawn_orders(orders)
    heights = [{method: TOP + PITCH * k for k, method in enumerate(order)} for order in drawn]
    changing = set(moved(orders))
    for method in reversed(drawn[0]):
        places = [
            (x, at[method], order.places[method])
            for x, order, at in zip(columns, orders, heights, strict=True)
            if method in order.ranks
        ]
        told = f"{method}: " + ", ".join(f"{o.places[method]} by {o.title}" for o in orders if method in o.ranks)
        marks += _path(places, colors[method], told, strong=method in changing)
    marks += _names(orders[0], heights[0], (columns[0] - 15, "end"), colors, room)
    marks += _names(orders[-1], heights[-1], (columns[-1] + 15, "start"), colors, room)
    alt = "; ".join(f"{o.title}: {', '.join(f'{o.places[m]} {m}' for m in o.listed)}" for o in orders)
    return Scene(name, title, alt, width, TOP + PITCH * len(orders[0].ranks), marks)


def drawn_orders(orders: Sequence[MethodOrder]) -> list[list[str]]:
    """The methods from top to bottom, one column for each order.

    Who shares a place stands there as the first order that can tell them has them, else as the first means do, so that
    two lines cross only between two orders that are both significant.
    """

    def at(order: MethodOrder, method: str) -> float:
        return order.groups.get(method, np.inf)

    def by_mean(method: str) -> tuple[int, str]:
        return next(order.ranks[method] for order in orders if method in order.ranks), method

    return [
        sorted(order.ranks, key=lambda m: (at(order, m), *(at(other, m) for other in orders), *by_mean(m)))
        for order in orders
    ]


def _path(places: Sequence[tuple[float, float, str]], color: str, told: str, *, strong: bool) -> list[Mark]:
    points = [(x, y) for x, y, _ in places]
    marks: list[Mark] = [Line(points, color, 3 if strong else 1.2, opacity=1 if strong else 0.5, title=told)]
    for x, y, place in places:
        marks.append(Dot((x, y), 9, color, color, told))
        marks.append(Label((x, y + 4), place, "paper", 11, "middle", bold=True))
    return marks


def _names(
    order: MethodOrder, heights: Mapping[str, float], at: tuple[float, Anchor], colors: dict[str, str], room: int
) -> list[Mark]:
    x, anchor = at
    marks: list[Mark] = []
    for method, y in heights.items():
        told = ", ".join(filter(None, (short(order.means[method], 4), order.filled.get(method, ""))))
        marks.append(Label((x, y + 1), clip(method, room), colors[method], 12, anchor, bold=True))
        marks.append(Label((x, y + 14), told, "muted", 10.5, anchor))
    return marks
