"""Resolution as a dose: how far down each method came, what died of a limit on the way, how cost grew with voxels."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import pandas as pd

from lumirage.model import CENSORING, Limits, Outcome
from lumirage.reporting.analysed import records
from lumirage.reporting.axes import NONE, mebibytes, seconds, short
from lumirage.reporting.doses import axes_of, is_curve
from lumirage.reporting.effects import number
from lumirage.reporting.inputs import Inputs

AXIS = "spacing_mm"


@dataclass(frozen=True)
class Cost:
    """One quantity of a run's cost: how it is drawn and told, and which outcome means that its limit was reached."""

    column: str
    title: str
    unit: float
    tell: Callable[[float | None], str]
    death: Outcome
    limit: Callable[[Limits], float | None]
    """None where the evaluation does not know its limit."""


COSTS = (
    Cost("wall_s", "wall time a pair, s", 1.0, seconds, Outcome.TIMEOUT, lambda limits: limits.pair_timeout_s),
    Cost("peak_memory_bytes", "peak memory, MiB", 2.0**20, mebibytes, Outcome.OUT_OF_MEMORY,
         lambda limits: float(limits.memory_bytes)),
    Cost("gpu_peak_memory_bytes", "peak GPU memory, MiB", 2.0**20, mebibytes, Outcome.OUT_OF_GPU_MEMORY,
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
class Death:
    """Runs of one method that died of one limit at one size."""

    method: str
    size: Size
    outcome: Outcome
    count: int
    total: int

    @property
    def place(self) -> str:
        """The size, and how many of its runs died where not all did."""
        return self.size.text + ("" if self.count == self.total else f" ({self.count} of {self.total} runs)")

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.method} {CENSORING[self.outcome]} at {self.place}"


@dataclass(frozen=True)
class Reach:
    """How far down one method came."""

    method: str
    finest: str
    """The finest resolution at which any of its runs ended well, and how many did."""
    first_death: str
    """The coarsest at which runs died of a limit, and of what; empty where none did."""
    exponents: tuple[str, ...]
    """Of each of the costs that were measured, with its interval."""


def sizes_of(inputs: Inputs) -> list[Size]:
    """The resolutions, the finest first; none where the track does not vary the spacing enough for a curve."""
    levels = axes_of(inputs).get(AXIS, [])
    if not is_curve(levels):
        return []
    voxels = inputs.runs.groupby("condition")["voxels"].median()
    return [Size(v.condition, v.value, float(voxels[v.condition])) for v in levels if v.condition in voxels.index]


def costs_of(inputs: Inputs) -> list[Cost]:
    """The costs that were measured in any run."""
    return [cost for cost in COSTS if inputs.runs[cost.column].notna().any()]


def deaths_of(inputs: Inputs, outcomes: Collection[Outcome]) -> list[Death]:
    """What died of these limits, method by method, the coarsest size first."""
    runs, found = inputs.runs, []
    counts = runs.groupby(["method", "condition", "outcome"]).size()
    totals = runs.groupby(["method", "condition"]).size()
    for method in inputs.methods:
        for size in reversed(sizes_of(inputs)):
            for outcome in outcomes:
                count = int(counts.get((method, size.condition, outcome.value), 0))
                if count:
                    found.append(Death(method, size, outcome, count, int(totals[method, size.condition])))
    return found


def reaches(inputs: Inputs) -> list[Reach]:
    """A line a method: the finest resolution that ran, the first that died, and the exponents of growth."""
    sizes, costs, deaths = sizes_of(inputs), costs_of(inputs), deaths_of(inputs, CENSORING)
    found = []
    for method in (m for m in inputs.methods if m in inputs.evaluation.methods):
        runs = inputs.runs[inputs.runs["method"] == method]
        first = next((d for d in deaths if d.method == method), None)
        exponents = tuple(told_exponent(inputs, method, cost) for cost in costs)
        death = f"{first.size.text}: {first.count} of {first.total} runs {CENSORING[first.outcome]}" if first else ""
        found.append(Reach(method, _finest(runs, sizes), death, exponents))
    return found


def _finest(runs: pd.DataFrame, sizes: list[Size]) -> str:
    for size in sizes:
        here = runs[runs["condition"] == size.condition]
        well = int((here["outcome"] == Outcome.OK.value).sum())
        if well:
            return f"{size.text}, {well} of {len(here)} runs"
    return "none ran"


def exponent(inputs: Inputs, method: str, cost: Cost) -> tuple[float, float, float]:
    """The exponent of a cost's growth with voxels and its interval, as the analysis fitted it; NaN where it did not."""
    table = inputs.tables.get("growth")
    if table is None:
        return math.nan, math.nan, math.nan
    rows = records(table[(table["method"] == method) & (table["quantity"] == cost.column)])
    if not rows:
        return math.nan, math.nan, math.nan
    return number(rows[0], "exponent"), number(rows[0], "ci_low"), number(rows[0], "ci_high")


def told_exponent(inputs: Inputs, method: str, cost: Cost) -> str:
    """The exponent for a reader."""
    value, low, high = exponent(inputs, method, cost)
    if not math.isfinite(value):
        return NONE
    return f"{short(value)} [{short(low)}, {short(high)}]" if math.isfinite(low) else short(value)
