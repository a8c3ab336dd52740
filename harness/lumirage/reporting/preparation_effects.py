"""Tabulates and draws each method's paired change from its own reference: conditions as rows, methods as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from lumirage.core.condition_words import axis_words, condition_words
from lumirage.core.track import REFERENCE
from lumirage.reporting.analysis_tables import of_measure, records
from lumirage.reporting.axes import Scale, fit, short, x_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.dose_figures import axes_of, is_curve
from lumirage.reporting.effect_figures import number
from lumirage.reporting.figure_rows import clip
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line, Mark, Scene, text_width

MOST_MEASURES = 5
"""Number of measures whose changes are shown on the page. The file has all."""

MOST_ROWS = 40
"""Most conditions in the figure; of more (a full grid), those with the largest changes."""

NARROWEST = 96.0
"""Width of a method's column, pixels."""

PITCH, HEADING = 24.0, 22.0


@dataclass(frozen=True)
class Change:
    """One method under one condition, compared with itself under the reference."""

    method: str
    change: float
    low: float
    high: float
    n_pairs: int
    failed: int
    failed_reference: int
    note: str

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0."""
        return bool(np.isfinite(self.low)) and not self.low <= 0 <= self.high

    @property
    def span(self) -> str:
        """The interval as text; empty if nothing changed."""
        if self.change == self.low == self.high == 0:
            return ""
        return f"[{short(self.low)}, {short(self.high)}]" if np.isfinite(self.low) else "no interval"

    @property
    def failures(self) -> str:
        """Number of failed pairs here, and in the reference if any; empty if it never failed."""
        told = f"{self.failed} pair{'s' if self.failed > 1 else ''} failed" if self.failed else ""
        return f"{told or 'none failed'}, {self.failed_reference} in the reference" if self.failed_reference else told


@dataclass(frozen=True)
class Row:
    """One condition: its axis, its level as text, and its changes by method."""

    axis: str
    reference: str
    level: str
    condition: str
    curve: bool
    """Whether its axis is drawn as a curve instead."""
    changes: Mapping[str, Change]


@dataclass(frozen=True)
class ChangeTable:
    """The changes in one measure."""

    measure: Measure
    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What the reader must know about the intervals."""

    @property
    def by_axis(self) -> list[tuple[str, list[Row]]]:
        """The rows of each axis with its title, in the order of the track."""
        return [(axis_words(axis), list(rows)) for axis, rows in groupby(self.rows, key=lambda row: row.axis)]


def change_tables(inputs: Inputs) -> list[ChangeTable]:
    """The tables of the most interesting measures; none if there is one condition or no comparison of conditions."""
    same = [m for m in inputs.measures if m.preset == inputs.measures[0].preset]
    tables = (_table(inputs, measure) for measure in same)
    return [table for table in tables if table.rows][:MOST_MEASURES]


def _table(inputs: Inputs, measure: Measure) -> ChangeTable:
    found = _changes(inputs, measure)
    rows = []
    for axis, levels in axes_of(inputs).items():
        reference = next((level.text for level in levels if level.condition == REFERENCE), "")
        for level in levels:
            mine = {m: found[level.condition, m] for m in inputs.methods if (level.condition, m) in found}
            if mine:
                rows.append(Row(axis, reference, level.text, level.condition, is_curve(levels), mine))
    methods = tuple(m for m in inputs.methods if any(m in row.changes for row in rows) and not _unmoved(m, rows))
    notes = dict.fromkeys(change.note for change in found.values() if change.note)
    return ChangeTable(measure, methods, tuple(rows), tuple(notes))


def _unmoved(method: str, rows: Sequence[Row]) -> bool:
    """The measure without methods that preparation cannot affect, such as the affine alone, if their values show it."""
    return method == "identity" and all(r.changes[method].change == 0 for r in rows if method in r.changes)


def _changes(inputs: Inputs, measure: Measure) -> dict[tuple[str, str], Change]:
    table = inputs.tables.get("conditions")
    if table is None:
        return {}
    rows = of_measure(table, measure)
    rows = rows[(rows["policy"] == inputs.evaluation.track.on_failure) & rows["change"].notna()]
    rows = rows.assign(note=rows["note"].astype("string").fillna(""))
    return {
        (str(r["condition"]), str(r["method"])): Change(
            method=str(r["method"]),
            change=number(r, "change"),
            low=number(r, "ci_low"),
            high=number(r, "ci_high"),
            n_pairs=int(number(r, "n_pairs")),
            failed=int(number(r, "failed")),
            failed_reference=int(number(r, "failed_reference")),
            note=str(r["note"]),
        )
        for r in records(rows)
    }


def has_forest(table: ChangeTable) -> bool:
    """Whether any condition is not on a curve."""
    return any(not row.curve for row in table.rows)


def forest(inputs: Inputs, table: ChangeTable, width: float) -> Scene:
    """Methods as columns, conditions as rows, all on one scale; filled if the interval excludes 0."""
    rows = _largest([row for row in table.rows if not row.curve])
    left = _left(rows, width)
    columns = max(1, int((width - left - 14) / NARROWEST))
    bands = -(-len(table.methods) // columns)
    columns = -(-len(table.methods) // bands)
    ends = [
        v for row in rows for c in row.changes.values() for v in (c.change, c.low, c.high) if c.method in table.methods
    ]
    marks: list[Mark] = []
    top = 24.0
    for band in range(bands):
        methods = table.methods[band * columns : (band + 1) * columns]
        lines = _Lines(rows, top, left, (width - left - 14) / columns)
        marks += lines.names(width)
        for k, method in enumerate(methods):
            start, end = lines.column(k)
            scale = fit([0.0, *ends], start + 4, end - 12)
            marks += _column(lines, method, scale, inputs.colors[method])
        top = lines.bottom + 48
    title = clip(f"change of {table.measure.axis}", int(width / 6.8))
    marks.append(Label((width / 2, top - 14), title, "muted", 12, "middle"))
    name = f"changes-{table.measure.name}"
    return Scene(name, f"{table.measure.title}: changes", _alt(rows, table), width, top, marks)


def _largest(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    sizes = [max(abs(c.change) for c in row.changes.values()) for row in rows]
    kept = set(np.argsort(sizes)[::-1][:MOST_ROWS].tolist())
    return [row for i, row in enumerate(rows) if i in kept]


def _left(rows: Sequence[Row], width: float) -> float:
    widest = max(text_width(row.level) for row in rows) + 22
    return min(widest, 110.0 if width < 500 else 180.0)


@dataclass(frozen=True)
class _Lines:
    """Positions of the conditions in one band: a heading for each axis, and below it one line for each level."""

    rows: Sequence[Row]
    top: float
    left: float
    column_width: float

    def column(self, k: int) -> tuple[float, float]:
        """Both ends of a method's column."""
        return self.left + k * self.column_width, self.left + (k + 1) * self.column_width

    @property
    def heights(self) -> list[float]:
        """Middle of each row."""
        at, found = self.top, []
        for i, row in enumerate(self.rows):
            if not i or row.axis != self.rows[i - 1].axis:
                at += HEADING
            found.append(at + PITCH / 2)
            at += PITCH
        return found

    @property
    def bottom(self) -> float:
        """The bottom of the last row."""
        return self.heights[-1] + PITCH / 2

    def names(self, width: float) -> list[Mark]:
        """Axes and levels at the left, hairlines between axes."""
        marks: list[Mark] = []
        for i, (row, y) in enumerate(zip(self.rows, self.heights, strict=True)):
            if not i or row.axis != self.rows[i - 1].axis:
                above = y - PITCH / 2 - HEADING
                marks.append(Line([(8, above + 2), (width - 14, above + 2)], color="rule", width=0.7))
                told = axis_words(row.axis) + (f" (reference {row.reference})" if row.reference else "")
                marks.append(Label((8, above + 16), clip(told, int(width / 7)), "muted", 11))
            marks.append(Label((16, y + 4), clip(row.level, int((self.left - 16) / 6.4)), "ink", 12))
        return marks


def _column(lines: _Lines, method: str, scale: Scale, color: str) -> list[Mark]:
    room = int((scale.end - scale.start) / 7.4)
    marks: list[Mark] = [Label((scale.start, lines.top - 4), clip(method, max(room, 8)), color, 12, bold=True)]
    marks += x_axis(scale, lines.top + HEADING, lines.bottom, "")
    marks.append(Line([(scale(0), lines.top + HEADING), (scale(0), lines.bottom)], color="muted"))
    for row, y in zip(lines.rows, lines.heights, strict=True):
        change = row.changes.get(method)
        if change is None:
            continue
        if np.isfinite(change.low):
            marks.append(Line([(scale(change.low), y), (scale(change.high), y)], color=color, width=2.2))
        fill = color if change.certain else "paper"
        marks.append(Dot((scale(change.change), y), 3.8, color, fill, _told(row, change)))
        if change.failed:
            marks.append(Label((scale.end, y - 5), f"{change.failed} failed", "bad", 9.5, "end"))
    return marks


def _told(row: Row, change: Change) -> str:
    failures = f"; {change.failures}" if change.failures else ""
    return (
        f"{change.method}, {condition_words(row.condition)}: {short(change.change)} {change.span or 'always'} "
        f"over {change.n_pairs} pairs{failures}"
    )


def _alt(rows: Sequence[Row], table: ChangeTable) -> str:
    told = []
    for method in table.methods:
        mine = [(row, row.changes[method]) for row in rows if method in row.changes]
        if mine:
            told.append("largest: " + _told(*max(mine, key=lambda both: abs(both[1].change))))
    return "Changes from each method's own reference. " + "; ".join(told)
