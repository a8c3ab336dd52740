"""Summarizes resolution: the finest level that each method reached, runs stopped by a limit, and growth of cost."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import pandas as pd

from lumirage.core.model import CENSORING, Limits, Outcome
from lumirage.reporting.analysis_tables import records
from lumirage.reporting.axes import GB, NONE, gigabytes, seconds, short
from lumirage.reporting.dose_figures import axes_of, is_curve
from lumirage.reporting.effect_figures import number
from lumirage.reporting.report_inputs import Inputs

AXIS = "spacing_mm"


@dataclass(frozen=True)
class Cost:
    """One quantity of a run's cost: how it is drawn and worded, and the outcome that means its limit was reached."""

    column: str
    title: str
    unit: float
    tell: Callable[[float | None], str]
    death: Outcome | None
    """None for a cost that has no limit of its own."""
    limit: Callable[[Limits], float | None]
    """None if the evaluation does not know its limit."""


COSTS = (
    Cost("wall_s", "wall time a pair, s", 1.0, seconds, Outcome.TIMEOUT, lambda limits: limits.pair_timeout_s),
    Cost("cpu_s", "CPU time a pair, s", 1.0, seconds, None, lambda _: None),
    Cost("peak_memory_bytes", "peak memory (GB)", GB, gigabytes, Outcome.OUT_OF_MEMORY,
         lambda limits: float(limits.memory_bytes)),
    Cost("gpu_peak_memory_bytes", "peak GPU memory (GB)", GB, gigabytes, Outcome.OUT_OF_GPU_MEMORY,
         lambda _: None),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """One resolution: its condition, its spacing, and the median size of its working grids."""

    condition: str
    spacing_mm: float
    voxels: float

    @property
    def text(self) -> str:
        """For a reader."""
        return f"{self.spacing_mm:g} mm"


@dataclass(frozen=True)
class LimitFailure:
    """Runs of one method stopped by one limit at one size."""

    method: str
    size: Size
    outcome: Outcome
    count: int
    total: int

    @property
    def place(self) -> str:
        """The size, and how many of its runs were stopped, if not all."""
        return self.size.text + ("" if self.count == self.total else f" ({self.count} of {self.total} runs)")

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.method} {CENSORING[self.outcome]} at {self.place}"


@dataclass(frozen=True)
class ResolutionRange:
    """The finest resolution that one method reached."""

    method: str
    finest: str
    """The finest resolution with a successful run, and the number of successful runs."""
    first_death: str
    """The coarsest resolution with runs stopped by a limit, and the limit; empty if there is none."""
    exponents: tuple[str, ...]
    """The exponent of each measured cost, with its interval."""


def sizes_of(inputs: Inputs) -> list[Size]:
    """The resolutions, the finest first; none if the track does not vary the spacing enough for a curve."""
    levels = axes_of(inputs).get(AXIS, [])
    if not is_curve(levels):
        return []
    voxels = inputs.runs.groupby("condition")["voxels"].median()
    return [Size(v.condition, v.value, float(voxels[v.condition])) for v in levels if v.condition in voxels.index]


def costs_of(inputs: Inputs) -> list[Cost]:
    """The costs that were measured in any run."""
    return [cost for cost in COSTS if inputs.runs[cost.column].notna().any()]


def limit_failures(inputs: Inputs, outcomes: Collection[Outcome]) -> list[LimitFailure]:
    """Runs stopped by these limits, by method, the coarsest size first."""
    runs, found = inputs.runs, []
    counts = runs.groupby(["method", "condition", "outcome"]).size()
    totals = runs.groupby(["method", "condition"]).size()
    for method in inputs.methods:
        for size in reversed(sizes_of(inputs)):
            for outcome in outcomes:
                count = int(counts.get((method, size.condition, outcome.value), 0))
                if count:
                    found.append(LimitFailure(method, size, outcome, count, int(totals[method, size.condition])))
    return found


def resolution_ranges(inputs: Inputs) -> list[ResolutionRange]:
    """One line for each method: the finest resolution that ran, the first one stopped, and the exponents of growth."""
    sizes, costs, deaths = sizes_of(inputs), costs_of(inputs), limit_failures(inputs, CENSORING)
    found = []
    for method in (m for m in inputs.methods if m in inputs.evaluation.methods):
        runs = inputs.runs[inputs.runs["method"] == method]
        first = next((d for d in deaths if d.method == method), None)
        exponents = tuple(exponent_text(inputs, method, cost) for cost in costs)
        death = f"{first.size.text}: {first.count} of {first.total} runs {CENSORING[first.outcome]}" if first else ""
        found.append(ResolutionRange(method, _finest(runs, sizes), death, exponents))
    return found


def _finest(runs: pd.DataFrame, sizes: list[Size]) -> str:
    for size in sizes:
        here = runs[runs["condition"] == size.condition]
        well = int((here["outcome"] == Outcome.OK.value).sum())
        if well:
            return f"{size.text}, {well} of {len(here)} runs"
    return "none ran"


@dataclass(frozen=True)
class Growth:
    """cost = exp(intercept) * voxels^exponent, fitted by the analysis over these sizes; NaN if there is no fit."""

    exponent: float = math.nan
    low: float = math.nan
    high: float = math.nan
    intercept: float = math.nan
    smallest: float = math.nan
    """In voxels; the end of the fit."""
    largest: float = math.nan

    def at(self, voxels: float) -> float:
        """The fitted cost, in the unit of the run records."""
        return math.exp(self.intercept + self.exponent * math.log(voxels))


def growth(inputs: Inputs, method: str, cost: Cost) -> Growth:
    """The growth of a cost with voxels."""
    table = inputs.tables.get("growth")
    rows = [] if table is None else records(table[(table["method"] == method) & (table["quantity"] == cost.column)])
    names = ("exponent", "ci_low", "ci_high", "intercept", "smallest_fitted", "largest_fitted")
    # a table of an earlier harness has no line to draw
    return Growth(*(number(rows[0], name) for name in names)) if rows and set(names) <= set(rows[0]) else Growth()


def exponent_text(inputs: Inputs, method: str, cost: Cost) -> str:
    """The exponent as text."""
    of = growth(inputs, method, cost)
    if not math.isfinite(of.exponent):
        return NONE
    return f"{short(of.exponent)} [{short(of.low)}, {short(of.high)}]" if math.isfinite(of.low) else short(of.exponent)
