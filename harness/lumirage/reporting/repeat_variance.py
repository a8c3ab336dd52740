"""Tabulates the variation of a method between repeats of the same pairs, beside the variation between pairs."""

import math
from dataclasses import dataclass

from lumirage.reporting.analysis_tables import of_measure, records
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.effect_figures import number
from lumirage.reporting.report_inputs import Inputs

MOST_MEASURES = 5
"""Number of measures on the page. The file has all."""


@dataclass(frozen=True)
class Spread:
    """One method in one measure, in its unit."""

    method: str
    n_pairs: int
    n_repeats: int
    itself: float
    """Standard deviation of repeats of one pair."""
    pairs: float
    """Standard deviation between pairs, minus the part due to repeats; NaN for a single pair."""
    share: float
    """The method's own share of the variance of one run."""
    largest: float
    """Largest range of one pair's repeats."""


@dataclass(frozen=True)
class RepeatTable:
    """The spreads in one measure, under the reference."""

    measure: Measure
    spreads: tuple[Spread, ...]

    @property
    def pick(self) -> str:
        """The choice under which it is shown."""
        return self.measure.title

    @property
    def all_same(self) -> bool:
        """Whether every repeat of every method gave the same."""
        return all(spread.itself == 0 for spread in self.spreads)


def repeat_tables(inputs: Inputs) -> list[RepeatTable]:
    """The tables of the most interesting measures; none if no pair has repeats."""
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
