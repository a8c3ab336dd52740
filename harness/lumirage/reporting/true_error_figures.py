"""Compares the order of methods by true error with their order by Dice, to show where Dice misleads."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lumirage.core.condition_words import condition_words
from lumirage.core.track import REFERENCE
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.method_orders import MethodOrder, moved, order_of, slopes, tau
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Scene

ERROR, TAIL = "displacement_error_mm", "displacement_error_p95_mm"


@dataclass(frozen=True)
class Line:
    """One method: its error, its Dice, and its place by each."""

    method: str
    error_mm: float
    tail_mm: float
    """95th percentile of the error within a pair, mean over the pairs."""
    dice: float
    by_error: str
    by_dice: str
    moved: int
    """Places by which Dice raises it (below 0: lowers it) if both orders are significant; else 0."""


@dataclass(frozen=True)
class Part:
    """The two orders in one part of the evaluation: a contrast, or a condition."""

    title: str
    n_pairs: int
    n_methods: int
    tau: float
    differing: str
    """Methods that change places if both orders are significant: from the place by error to that by Dice."""


@dataclass(frozen=True)
class Truth:
    """The results by true error and by Dice."""

    dice: Measure
    error_order: MethodOrder
    dice_order: MethodOrder
    lines: tuple[Line, ...]
    """By true error, the best first."""
    parts: tuple[Part, ...]


def truth_of(inputs: Inputs) -> Truth | None:
    """None if no true error or no Dice was scored, or no method has both."""
    error, dice = _measure(inputs, ERROR), _measure(inputs, "dice")
    if error is None or dice is None:
        return None
    condition = inputs.conditions[0]
    by_error, by_dice = (order_of(inputs, m, condition) for m in (error, dice))
    both = [m for m in by_error.listed if m in by_dice.ranks]
    if not both:
        return None
    tail = _measure(inputs, TAIL)
    tails = order_of(inputs, tail, condition).means if tail else {}
    changing = set(moved([by_error, by_dice]))
    lines = tuple(
        Line(
            method=m,
            error_mm=by_error.means[m],
            tail_mm=tails.get(m, np.nan),
            dice=by_dice.means[m],
            by_error=by_error.places[m],
            by_dice=by_dice.places[m],
            moved=by_error.ranks[m] - by_dice.ranks[m] if m in changing else 0,
        )
        for m in both
    )
    return Truth(dice, by_error, by_dice, lines, tuple(_parts(inputs, error, dice)))


def _measure(inputs: Inputs, start: str) -> Measure | None:
    """The first measure with this prefix in which any method of the evaluation has a value."""
    for measure in inputs.measures:
        if measure.metric == start or (start == "dice" and measure.metric.startswith(start)):
            values = inputs.matrix(measure, inputs.conditions[0])
            mine = [i for i, m in enumerate(inputs.methods) if m in inputs.evaluation.methods]
            if np.isfinite(values[mine]).any():
                return measure
    return None


def _parts(inputs: Inputs, error: Measure, dice: Measure) -> Iterator[Part]:
    everything = np.ones(len(inputs.pairs), dtype=bool)
    for condition in inputs.conditions:
        title = "all pairs" if condition == REFERENCE else condition_words(condition)
        yield from _part(inputs, (error, dice), title, condition, everything)
        contrasts = np.array([_contrasts(inputs, pair) for pair in inputs.pairs])
        for contrast in dict.fromkeys(contrasts.tolist()) if condition == REFERENCE else ():
            if not (contrasts == contrast).all():
                yield from _part(inputs, (error, dice), contrast, condition, contrasts == contrast)


def _contrasts(inputs: Inputs, pair: str) -> str:
    of = inputs.pairs[pair]
    same = of.fixed.suffix == of.moving.suffix
    return of.fixed.suffix if same else f"{of.moving.suffix} to {of.fixed.suffix}"


def _part(
    inputs: Inputs, measures: tuple[Measure, Measure], title: str, condition: str, pairs: np.ndarray
) -> Iterator[Part]:
    error, dice = (order_of(inputs, measure, condition, pairs) for measure in measures)
    if not error.means or not dice.means:
        return
    told = (f"{m} {error.places[m]} → {dice.places[m]}" for m in moved([error, dice]))
    tested = pairs.all() and len(error.means) > 1
    none = "none significant" if tested else "not tested"
    yield Part(title, int(pairs.sum()), len(error.means), tau(error, dice), ", ".join(told) or none)


def figure(inputs: Inputs, truth: Truth, width: float) -> Scene:
    """The two orders, with one line for each method."""
    orders = [truth.error_order, truth.dice_order]
    return slopes("truth", "True error beside Dice", orders, inputs.colors, width)
