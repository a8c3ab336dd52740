"""Makes the figure beside the headline: leaderboard and forest plot in one table, with tie groups, failures and cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from lumirage.core.failure_policy import PolicyMean
from lumirage.core.precision import rounded
from lumirage.reporting.analysis_tables import base_of, comparisons, records
from lumirage.reporting.axes import GB, NONE, Scale, fit, short, tick_label
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.effect_figures import number, signed
from lumirage.reporting.method_looks import OUTLINES, RING, Look
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.report_tables import MethodRow

MOST_ROWS = 12
"""Methods in the figure at first."""

REACH = 2.5
"""References further away than this many times the span of the methods are arrows at the edge."""


@dataclass(frozen=True)
class Effect:
    """How much more a method has than a reference, with its interval (NaN: none)."""

    difference: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    @property
    def words(self) -> str:
        """Difference and interval, with the digits that the interval allows."""
        if not np.isfinite(self.difference):
            return NONE
        text = signed(self.difference, self.half)
        return f"{text} [{signed(self.low, self.half)}, {signed(self.high, self.half)}]" if self.half >= 0 else text


@dataclass(frozen=True)
class FigureRow:
    """A method's line; `span` is how many methods share its place, 0 where a line above shows the place."""

    line: MethodRow
    place: str
    span: int
    look: Look
    value: str
    filled: PolicyMean
    effect: Effect
    lane: Markup
    failed: str
    time: str
    memory: str


@dataclass(frozen=True)
class HeadlineFigure:
    """The whole figure; `base` is what the effects are differences to, empty where nothing was compared."""

    measure: Measure
    base: str
    bases: tuple[str, ...]
    rows: tuple[FigureRow, ...]
    scale_rows: tuple[FigureRow, ...]
    """The references."""
    rest: tuple[FigureRow, ...]
    """Methods beyond the first, shown when a reader asks for them, and in print."""
    axis: Markup


def effects_of(inputs: Inputs, measure: Measure) -> dict[tuple[str, str], Effect]:
    """(method, reference) -> effect, from either side, under the first condition and the track's failure policy."""
    found = {}
    for row in records(comparisons(inputs, measure, inputs.conditions[0])):
        effect = Effect(*(number(row, column) for column in ("difference", "ci_low", "ci_high")))
        found[str(row["method"]), str(row["reference"])] = effect
        found[str(row["reference"]), str(row["method"])] = Effect(-effect.difference, -effect.high, -effect.low)
    return found


def halves_of(inputs: Inputs, measure: Measure) -> dict[str, float]:
    """Method -> half of the interval of its effect, which says how many digits its mean deserves; under "" the least."""
    base = base_of(comparisons(inputs, measure, inputs.conditions[0]))
    effects = effects_of(inputs, measure)
    known = {m: e.half for (m, reference), e in effects.items() if reference == base and e.half > 0}
    return known | {"": min(known.values(), default=float("nan"))}


def headline_figure(inputs: Inputs, lines: Sequence[MethodRow]) -> HeadlineFigure:
    """From the lines of the leaderboard, which are in its order."""
    measure = inputs.measures[0]
    effects, base = effects_of(inputs, measure), base_of(comparisons(inputs, measure, inputs.conditions[0]))
    mine = {line.method: effects.get((line.method, base), _nothing(line.method == base)) for line in lines}
    scale = _scale([e for m, e in mine.items() if m not in inputs.references], list(mine.values()))
    here = inputs.runs[inputs.runs["condition"] == inputs.conditions[0]]
    runs = {str(method): int(count) for method, count in here["method"].value_counts().items()}
    rows = [_row(line, inputs.looks[line.method], mine[line.method], (scale, runs)) for line in lines]
    competing = [row for row in rows if not row.line.reference]
    return HeadlineFigure(
        measure=measure,
        base=base,
        bases=tuple(m for m in inputs.methods if any(reference == m for _, reference in effects)),
        rows=tuple(_grouped(competing[:MOST_ROWS])),
        scale_rows=tuple(row for row in rows if row.line.reference),
        rest=tuple(_grouped(competing[MOST_ROWS:])),
        axis=_axis(scale),
    )


def _nothing(is_base: bool) -> Effect:
    return Effect(0.0 if is_base else float("nan"), float("nan"), float("nan"))


def _scale(competing: Sequence[Effect], every: Sequence[Effect]) -> Scale:
    """In percent of the lane's width; references stretch it only so far."""
    ends = [0.0, *(v for e in competing for v in (e.difference, e.low, e.high) if np.isfinite(v))]
    span = max(ends) - min(ends) or 1.0
    low, high = min(ends) - REACH * span, max(ends) + REACH * span
    near = (v for e in every for v in (e.difference, e.low, e.high) if low <= v <= high)
    return fit([*ends, *near], 3, 97)


def _row(line: MethodRow, look: Look, effect: Effect, of: tuple[Scale, Mapping[str, int]]) -> FigureRow:
    scale, runs = of
    total = int(runs.get(line.method, 0))
    return FigureRow(
        line=line,
        place="gate" if line.beyond_gate else line.place,
        span=1,
        look=look,
        value=rounded(line.means[0].value, effect.half, 2) if np.isfinite(line.means[0].value) else NONE,
        filled=line.means[0],
        effect=effect,
        lane=lane(line.method, look, effect, scale) if np.isfinite(effect.difference) else Markup(""),
        failed=(f"{line.failed} of {total}" if line.failed else "0") if total else "",
        time=short(line.wall_s, 2 if line.wall_s < 100 else 3) if total else "",
        memory=short(line.peak_memory_bytes / GB, 2) if total else "",
    )


def _grouped(rows: Sequence[FigureRow]) -> list[FigureRow]:
    """Methods that share a place have one cell for it."""
    found: list[FigureRow] = []
    for k, row in enumerate(rows):
        shares = [other for other in rows if other.place == row.place and row.place.endswith("=")]
        first = not shares or rows[k - 1] not in shares or k == 0
        found.append(_with_span(row, (len(shares) or 1) if first else 0))
    return found


def _with_span(row: FigureRow, span: int) -> FigureRow:
    return FigureRow(**{**row.__dict__, "span": span})


def lane(method: str, look: Look, effect: Effect, scale: Scale) -> Markup:
    """A method's interval and marker on the common scale, as wide as its cell; the page's script draws the same."""
    out = "→" if effect.difference > scale.high else "←" if effect.difference < scale.low else ""
    x, zero = scale(effect.difference), scale(0)
    interval = Markup("")
    if effect.half >= 0:
        interval = Markup('<line class="ci" x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>').format(
            scale(effect.low), scale(effect.high)
        )
    mark = Markup('<svg x="{:.2f}%" y="50%" overflow="visible">{}</svg>').format(x, _marker(look.marker))
    if out:
        mark = Markup('<text x="{:.2f}%" y="50%" dy="5" text-anchor="middle">{}</text>').format(x, out)
    return Markup(
        '<svg class="lane" role="img" aria-label="{}" style="--c:var(--{})"><line class="zero" x1="{:.2f}%" x2="{:.2f}%"'
        ' y1="0" y2="100%"/>{}{}</svg>'
    ).format(f"{method}: {effect.words}", look.color, zero, zero, interval, mark)


def _marker(name: str) -> Markup:
    if name == RING:
        return Markup('<circle class="mark ring" r="4"/>')
    points = " ".join(f"{5.5 * x:.1f},{5.5 * y:.1f}" for x, y in OUTLINES[name])
    return Markup('<polygon class="mark" points="{}"/>').format(points)


def _axis(scale: Scale) -> Markup:
    """The numbers under the lanes."""
    ticks = scale.ticks(4)
    texts = (
        Markup('<text x="{:.2f}%" y="12" text-anchor="middle">{}</text>').format(scale(t), tick_label(t)) for t in ticks
    )
    return Markup('<svg class="lane axis" aria-hidden="true">{}</svg>').format(Markup("").join(texts))


def effect_rows(inputs: Inputs, measure: Measure) -> list[list[float | str | None]]:
    """For the page's script: method and reference by index, difference, interval, Holm's p, who is better, pairs, subjects."""
    place = {method: i for i, method in enumerate(inputs.methods)}
    found: list[list[float | str | None]] = []
    for row in records(comparisons(inputs, measure, inputs.conditions[0])):
        numbers = [number(row, c) for c in ("difference", "ci_low", "ci_high", "p_holm", "n_pairs", "n_subjects")]
        told = {"method": 1, "reference": -1}.get(str(row["better"]) if not pd.isna(row["better"]) else "", 0)  # type: ignore[call-overload]
        found.append([
            place[str(row["method"])], place[str(row["reference"])],
            *(float(f"{v:.5g}") if np.isfinite(v) else None for v in numbers), told,
        ])  # fmt: skip
    return found
