"""Draws accuracy against regularity, one curve for each method with a varied parameter, from the analysis' tables."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from lumirage.reporting.analysis_tables import of_measure, records
from lumirage.reporting.axes import Scale, fit, short, x_axis, y_axis
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.dose_figures import end_labels
from lumirage.reporting.figure_rows import clip
from lumirage.reporting.label_places import Area, placed
from lumirage.reporting.method_looks import looks_of
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Line, Mark, Point, Scene, text_width

AGAINST = {"det_le0_percent": "folded voxels, %", "sdlogj": "SD of the logarithm of the Jacobian determinant"}
"""Titles of the metrics of regularity; less is more regular."""
WIDE_RANGE = 30.0
"""Axes of regularity are logarithmic if the largest value is this many times the smallest, and none is 0."""
FOLDS, RATE = "det_le0_percent", "accuracy_at_"


@dataclass(frozen=True)
class Curve:
    """One method's doses: (regularity, accuracy, dose, failed runs) in the order of the doses."""

    name: str
    points: tuple[tuple[float, float, str, int], ...]


@dataclass(frozen=True)
class CurveTable:
    """The page's table for one measure: one row for each curve and metric of regularity."""

    measure: Measure
    rates: tuple[str, ...]
    rows: tuple[Mapping[str, object], ...]


def regularities_of(inputs: Inputs, measure: Measure) -> list[str]:
    """The metrics of regularity for this measure; none if no method has doses, or no pair has a value."""
    return [name for name in AGAINST if curves(inputs, measure, name)]


def curve_tables(inputs: Inputs) -> list[CurveTable]:
    """Areas and accuracies at given rates of folds, by measure."""
    found = []
    for measure in inputs.measures:
        rows = _rows(inputs, "regularity_curves", measure)
        if len(rows) and regularities_of(inputs, measure):
            rates = tuple(column for column in rows.columns if column.startswith(RATE))
            found.append(CurveTable(measure, rates, tuple(_read(rows, rates))))
    return found


def rate_words(column: str) -> str:
    """accuracy_at_0.5_percent -> at most 0.5 % folds."""
    return f"at most {column.removeprefix(RATE).removesuffix('_percent')} % folds"


def _read(rows: pd.DataFrame, rates: tuple[str, ...]) -> Iterator[Mapping[str, object]]:
    for row in records(rows):
        yield {
            "curve": str(row["curve"]),
            "against": AGAINST[str(row["regularity"])],
            "n_doses": str(row["n_doses"]),
            "span": f"{short(_number(row['least']))} to {short(_number(row['most']))}",
            "area": short(_number(row["area"]), 4),
            "over": f"{short(_number(row['area_from']))} to {short(_number(row['area_to']))}",
            "rates": [short(_number(row[rate]), 4) if row["regularity"] == FOLDS else "" for rate in rates],
            "note": _text(row["note"]),
        }


def _number(value: object) -> float:
    return math.nan if value is pd.NA or value is None else float(str(value))


def _text(value: object) -> str:
    return "" if value is pd.NA or value is None else str(value)


def _rows(inputs: Inputs, table: str, measure: Measure) -> pd.DataFrame:
    """The rows of one measure under the reference condition."""
    found = inputs.tables.get(table)
    if found is None or not len(found):
        return pd.DataFrame()
    rows = of_measure(found, measure)
    return rows[rows["condition"] == inputs.conditions[0]]


def curves(inputs: Inputs, measure: Measure, regularity: str) -> list[Curve]:
    """The curves of one figure."""
    rows = _rows(inputs, "regularity_points", measure)
    if not len(rows):
        return []
    rows = rows[(rows["regularity"] == regularity) & rows["accuracy"].notna() & rows["regularity_value"].notna()]
    found: dict[str, list[tuple[float, float, str, int]]] = {}
    for row in records(rows):
        at = (
            _number(row["regularity_value"]),
            _number(row["accuracy"]),
            _text(row["dose"]),
            int(_number(row["failed"])),
        )
        found.setdefault(str(row["curve"]), []).append(at)
    return [Curve(name, tuple(points)) for name, points in found.items()]


def figure(inputs: Inputs, measure: Measure, regularity: str, width: float) -> Scene:
    """Mean accuracy against mean regularity, failures filled; a line through the doses of a method, a dot for one setting."""
    drawn = curves(inputs, measure, regularity)
    colors = {name: look.color for name, look in looks_of([c.name for c in drawn], inputs.references).items()}
    height, right = 330.0, width - 16 - max(text_width(clip(curve.name, 18), bold=True) for curve in drawn)
    across = [point[0] for curve in drawn for point in curve.points]
    wide = min(across) > 0 and max(across) > WIDE_RANGE * min(across)
    x = fit(across, 62, right, log=wide)
    y = fit([point[1] for curve in drawn for point in curve.points], height - 46, 34)
    title = f"{AGAINST[regularity]} (less is more regular)" if width > 500 else AGAINST[regularity]
    marks = x_axis(x, 34, height - 46, title if text_width(title) < right - 62 else regularity)
    marks += y_axis(y, 62, right, measure.axis)
    for curve in drawn:
        marks += _curve(curve, x, y, colors[curve.name])
    paths = [[(x(a), y(b)) for a, b, _, _ in curve.points] for curve in drawn]
    texts = [
        (at, clip(text, 18), colors[curve.name])
        for curve, path in zip(drawn, paths, strict=True)
        for at, text in zip(path, _dose_words(curve), strict=True)
    ]
    marks += placed(texts, paths, Area(62, 22, right, height - 46))
    ends = [
        (_right_end(path)[1], clip(curve.name, 18), colors[curve.name])
        for curve, path in zip(drawn, paths, strict=True)
    ]
    marks += end_labels(ends, right + 10, (34, height - 46))
    alt = "; ".join(
        f"{curve.name}: "
        + ", ".join(f"{dose or 'as it is'} {short(b, 4)} at {short(a)}" for a, b, dose, _ in curve.points)
        for curve in drawn
    )
    name = f"regularity-{regularity}-{measure.name}"
    numbers = [("Method", "Dose", AGAINST[regularity], measure.title, "pairs with failed runs"), *(
        (curve.name, dose or "as it is", short(a), short(b, 4), str(failed))
        for curve in drawn for a, b, dose, failed in curve.points
    )]  # fmt: skip
    return Scene(name, f"{measure.title} against {AGAINST[regularity]}", alt, width, height, marks, numbers)


def _curve(curve: Curve, x: Scale, y: Scale, color: str) -> list[Mark]:
    marks: list[Mark] = []
    if len(curve.points) > 1:
        marks.append(Line([(x(a), y(b)) for a, b, _, _ in curve.points], color=color, width=1.6))
    for a, b, dose, failed in curve.points:
        told = f"{curve.name} {dose}: {short(b, 4)} at {short(a)}" + (
            f"; {failed} pairs with failed runs" if failed else ""
        )
        marks.append(Dot((x(a), y(b)), 4, color, "paper" if failed else color, told))
    return marks


def _right_end(path: list[Point]) -> Point:
    """The dot farthest to the right, of several the most accurate."""
    return max(path, key=lambda at: (at[0], -at[1]))


def _dose_words(curve: Curve) -> list[str]:
    """The text of each dot: the parameter's value, with its name at the first."""
    doses = [dose for _, _, dose, _ in curve.points]
    several = len(doses) > 1
    return [dose if several and i == 0 else dose.rpartition("=")[2] for i, dose in enumerate(doses)]
