"""How much a method varies by itself, beside how much pairs vary: from the repeats of the same pairs."""

import math
from dataclasses import dataclass

from lumirage.reporting.analysis_tables import of_measure, records
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.effect_figures import number
from lumirage.reporting.report_inputs import Inputs

MOST_MEASURES = 5
"""Measures on the page. The file has all."""


@dataclass(frozen=True)
class Spread:
    """One method in one measure, in its unit."""

    method: str
    n_pairs: int
    n_repeats: int
    itself: float
    """Standard deviation of repeats of one pair."""
    pairs: float
    """Standard deviation between pairs, less the part of the repeats; NaN for a single pair."""
    share: float
    """Of the variance of one run, how much is the method's own."""
    largest: float
    """Largest range of one pair's repeats."""


@dataclass(frozen=True)
class RepeatTable:
    """The spreads in one measure, under the reference."""

    measure: Measure
    spreads: tuple[Spread, ...]

    @property
    def pick(self) -> str:
        """What the reader chooses it by."""
        return self.measure.title

    @property
    def all_same(self) -> bool:
        """Whether every repeat of every method gave the same."""
        return all(spread.itself == 0 for spread in self.spreads)


def repeat_tables(inputs: Inputs) -> list[RepeatTable]:
    """The tables of the most wanted measures; none where no pair was run again."""
    same = [m for m in inputs.measures if m.preset == inputs.measures[0].preset]
    tables = (RepeatTable(measure, _spreads(inputs, measure)) for measure in same)
    return [table for table in tables if table.spreads][:MOST_MEASURES]


def _spreads(inputs: Inputs, measure: Measure) -> tuple[Spread, ...]:
    table = inputs.tables.get("repeats")
    if table is None or table.empty:
        return ()
    rows = of_measure(table, measure)
    found = {str(r["method"]): r for r in records(rows[rows["condition"] == inputs.conditions[0]])}
    spreads = (
        Spread(
            method=method,
            n_pairs=int(number(found[method], "n_pairs")),
            n_repeats=int(number(found[method], "n_repeats")),
            itself=number(found[method], "sd_repeats"),
            pairs=number(found[method], "sd_pairs"),
            share=number(found[method], "repeat_share"),
            largest=number(found[method], "largest_range"),
        )
        for method in inputs.methods
        if method in found
    )
    return tuple(spread for spread in spreads if math.isfinite(spread.itself))
