"""Draws the forest plot of effects and the stability of ranks."""

import numpy as np
import pandas as pd

from lumirage.core.failure_policy import POLICIES
from lumirage.core.precision import rounded
from lumirage.reporting.analysis_tables import (
    MAIN_SCHEME,
    Row,
    against_base,
    base_of,
    comparisons,
    literature,
    rankings,
    records,
)
from lumirage.reporting.axes import MINUS, NONE, Scale, fit, short, x_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.figure_rows import make_rows
from lumirage.reporting.method_looks import Look
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene


def forest(inputs: Inputs, measure: Measure, width: float) -> Scene:
    """Differences to the reference with their intervals; thin and grey below: the interval of the literature."""
    condition = inputs.conditions[0]
    rows = comparisons(inputs, measure, condition)
    base = base_of(rows)
    found = {str(row["method"]): row for row in records(against_base(rows).reset_index())}
    naive = literature(inputs, measure, condition)
    naive_of = {str(r["method"]): r for r in records(naive[naive["reference"] == base])}
    methods = [m for m in inputs.methods if m in found and np.isfinite(number(found[m], "difference"))]
    lines = make_rows(methods, width, pitch=38)
    ends = [number(row, c) for row in found.values() for c in ("difference", "ci_low", "ci_high")]
    scale = fit([0.0, *ends], lines.left + 8, lines.right - 8)
    marks = x_axis(scale, lines.top, lines.bottom, f"{measure.title}: difference to {base}")
    marks.append(Line([(scale(0), lines.top), (scale(0), lines.bottom)], color="muted"))
    colors = inputs.colors
    marks += lines.marks(colors)
    told = []
    for i, method in enumerate(methods):
        y = lines.middle(i)
        if method in naive_of:
            marks += _interval(naive_of[method], scale, y + 8, "muted", 1.2)
        text = effect_text(method, base, found[method])
        marks += _interval(found[method], scale, y, colors[method], 2.5)
        at, marker = (scale(number(found[method], "difference")), y), inputs.looks[method].marker
        marks.append(Dot(at, 4.5, colors[method], colors[method], text, marker))
        told.append(text)
    name = f"forest-{measure.name}"
    numbers = [("Method", f"minus {base}", "95 % interval", "as in the literature", "pairs", "subjects", "dropped"), *(
        (m, *_effect_cells(found[m], naive_of.get(m)), *(str(found[m][c]) for c in ("n_pairs", "n_subjects", "dropped")))
        for m in methods
    )]  # fmt: skip
    return Scene(name, f"{measure.title}: effects", "; ".join(told), width, lines.bottom + 42, marks, numbers)


def _effect_cells(row: Row, naive: Row | None) -> tuple[str, str, str]:
    """Difference and both intervals, with the digits that the interval allows."""
    low, high = number(row, "ci_low"), number(row, "ci_high")
    half = (high - low) / 2
    old = NONE if naive is None else interval_text(number(naive, "ci_low"), number(naive, "ci_high"), half)
    return signed(number(row, "difference"), half), interval_text(low, high, half), old


def interval_text(low: float, high: float, half: float) -> str:
    """Both ends of an interval with the digits that half of it allows; an en dash where there is none."""
    return f"{signed(low, half)} to {signed(high, half)}" if np.isfinite(low + high) else NONE


def signed(value: float, half: float) -> str:
    """A difference with its sign and the digits that half its interval allows."""
    if not np.isfinite(value):
        return NONE
    text = rounded(value, half, 2)
    return f"+{text}" if value > 0 else text.replace("-", MINUS)


def has_effects(inputs: Inputs, measure: Measure) -> bool:
    """Whether any method has a difference to the reference in this measure."""
    rows = against_base(comparisons(inputs, measure, inputs.conditions[0]))
    return len(rows) > 0 and bool(rows["difference"].notna().any())


def effect_text(method: str, base: str, row: Row) -> str:
    """An effect in words: difference, interval, numbers of pairs and subjects."""
    low, high = number(row, "ci_low"), number(row, "ci_high")
    span = f" [{short(low)}, {short(high)}]" if np.isfinite(low) else " (no interval)"
    counts = f"{row['n_pairs']} pairs, {row['n_subjects']} subjects, {row['dropped']} dropped"
    return f"{method} minus {base}: {short(number(row, 'difference'))}{span}, {counts}"


def number(row: Row, column: str) -> float:
    """A number of a row, NaN if it has none."""
    value = row[column]
    return float(str(value)) if value is not None and value is not pd.NA else float("nan")


def _interval(row: Row, scale: Scale, y: float, color: str, thick: float) -> list[Mark]:
    low, high = number(row, "ci_low"), number(row, "ci_high")
    if not (np.isfinite(low) and np.isfinite(high)):
        return []
    return [Line([(scale(low), y), (scale(high), y)], color=color, width=thick)]


def stability(inputs: Inputs, measure: Measure, width: float) -> Scene:
    """Ranks with their bootstrap intervals, one row for each method, under each failure policy; the track's own is filled."""
    rows = rankings(inputs, measure, inputs.conditions[0])
    rows = rows[(rows["scheme"] == MAIN_SCHEME) & rows["rank"].notna()]
    own = inputs.evaluation.track.on_failure
    best = rows[rows["policy"] == own].set_index("method")["rank"].astype(float)
    methods = sorted(set(rows["method"].astype(str)), key=lambda m: (best.get(m, 99.0), m))
    lines = make_rows(methods, width, pitch=44)
    scale = Scale(0.9, max(len(methods), 2) + 0.1, lines.left + 10, lines.right - 60, whole=True)
    colors = inputs.colors
    marks = x_axis(scale, lines.top, lines.bottom, f"rank by {measure.title}, 1 is best") + lines.marks(colors)
    told = []
    for i, method in enumerate(methods):
        mine = {str(r["policy"]): r for r in records(rows[rows["method"] == method])}
        for k, policy in enumerate(p for p in POLICIES if p in mine):
            y = lines.middle(i) + 11 * (k - 1)
            marks += _rank_marks(mine[policy], policy, scale, y, inputs.looks[method], filled=policy == own)
        if own in mine:
            told.append(f"{method}: rank {short(number(mine[own], 'rank'), 2)}")
    alt = f"Under policy {own}: " + "; ".join(told)
    numbers = [("Method", "Policy", "rank", "from", "to"), *(
        (str(r["method"]), str(r["policy"]), *(short(number(r, c), 2) for c in ("rank", "rank_low", "rank_high")))
        for r in records(rows)
    )]  # fmt: skip
    return Scene(f"stability-{measure.name}", "Stability of ranks", alt, width, lines.bottom + 42, marks, numbers)


def _rank_marks(row: Row, policy: str, scale: Scale, y: float, look: Look, *, filled: bool) -> list[Mark]:
    color = look.color
    rank, low, high = (number(row, c) for c in ("rank", "rank_low", "rank_high"))
    marks: list[Mark] = []
    if np.isfinite(low):
        marks.append(Line([(scale(low), y), (scale(high), y)], color=color, width=2, opacity=1 if filled else 0.4))
    share = number(row, "first_share")
    first = f", first in {100 * share:.0f} % of draws" if np.isfinite(share) else ""
    title = f"{row['method']}, policy {policy}: rank {rank:g} [{short(low, 2)}, {short(high, 2)}]{first}"
    marks.append(Dot((scale(rank), y), 3.6, color, color if filled else "paper", title, look.marker))
    marks.append(Label((scale.end + 16, y + 3.5), policy, color="muted", size=10))
    return marks
