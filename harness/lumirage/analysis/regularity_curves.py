"""Computes curves of accuracy against regularity, from runs of a method with one parameter varied.

A single setting is its author's compromise; curves compare methods at equal regularity. The idea comes from alignment
regularity characteristics (2025); the tables here are simple: means over the pairs, joined by straight lines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import pandas as pd

from lumirage.analysis.score_matrices import RawCell, Scores, cells_of
from lumirage.core.failure_policy import Policy
from lumirage.core.metrics import direction, is_accuracy

FOLDS, SPREAD = "det_le0_percent", "sdlogj"
REGULARITIES = (FOLDS, SPREAD)
"""The measures of regularity: the share of folded voxels, and the spread of the volume changes."""

FOLD_RATES = (0.01, 0.1, 0.5, 1.0)
"""Percent of voxels: the tables have the best accuracy with at most this share of folds."""

CELL = ("track", "condition", "preset", "settings")
POINT_COLUMNS = (
    *CELL, "metric", "source", "regularity", "curve", "method", "dose", "accuracy", "regularity_value", "n_pairs",
    "failed",
)  # fmt: skip
"""Columns of regularity_points.tsv: one row for a dose and two metrics. The policy fills failed runs in both."""

RATE_COLUMNS = tuple(f"accuracy_at_{rate:g}_percent" for rate in FOLD_RATES)
CURVE_COLUMNS = (
    *CELL, "metric", "source", "regularity", "curve", "n_doses", "least", "most", "area", "area_from", "area_to",
    *RATE_COLUMNS, "note",
)  # fmt: skip
"""Columns of regularity_curves.tsv. `area` is the area under the curve from `area_from` to `area_to`, where all curves are
known, divided by that width: a mean accuracy. `accuracy_at_1_percent`: the best on the curve with at most 1 % folds."""


@dataclass(frozen=True)
class Dose:
    """One point of a curve before it is measured: the method that ran, the curve's name, the parameter's value."""

    method: str
    curve: str
    text: str
    number: float
    """Orders the points; the position among the doses if the value is not a number."""


def curve_points(scores: Scores, doses: Sequence[Dose], policy: Policy) -> pd.DataFrame:
    """Mean accuracy and mean regularity of every dose, POINT_COLUMNS; empty if no method has two doses.

    Raises DataError for a table of scores without the needed columns.
    """
    curves = [dose.curve for dose in doses]
    if len(set(curves)) == len(curves):
        return pd.DataFrame(columns=list(POINT_COLUMNS))
    ordered = sorted(doses, key=lambda dose: (curves.index(dose.curve), dose.number))
    rows: list[dict[str, object]] = []
    for _, cells in groupby(sorted(cells_of(scores), key=_place), key=_place):
        rows += _points(list(cells), ordered, policy)
    return pd.DataFrame(rows, columns=list(POINT_COLUMNS))


def _place(raw: RawCell) -> tuple[str, ...]:
    return tuple(raw.cell.key[name] for name in CELL)


def _points(cells: Sequence[RawCell], doses: Sequence[Dose], policy: Policy) -> Iterator[dict[str, object]]:
    against = [raw for raw in cells if raw.cell.metric in REGULARITIES]
    for accuracy in (raw for raw in cells if is_accuracy(raw.cell.metric)):
        found = accuracy.runs.means(policy, accuracy.cell.metric)
        for regularity in against:
            known = regularity.runs.means(policy, regularity.cell.metric)
            for dose in doses:
                if dose.method in found and dose.method in known:
                    yield {
                        **{name: accuracy.cell.key[name] for name in (*CELL, "metric", "source")},
                        "regularity": regularity.cell.metric,
                        "curve": dose.curve,
                        "method": dose.method,
                        "dose": dose.text,
                        "accuracy": found[dose.method].value,
                        "regularity_value": known[dose.method].value,
                        "n_pairs": found[dose.method].n_pairs,
                        "failed": found[dose.method].failed,
                    }


def curve_summaries(points: pd.DataFrame) -> pd.DataFrame:
    """One row for a curve and two metrics, CURVE_COLUMNS: its area, and its accuracy at given rates of folds."""
    keys = [*CELL, "metric", "source", "regularity"]
    rows: list[dict[str, object]] = []
    for values, group in points.groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, values, strict=True))
        curves = {str(name): _path(part) for name, part in group.groupby("curve", sort=False)}
        low, high = _common(curves)
        for name, path in curves.items():
            rows.append({**named, "curve": name, **_summary(path, named, (low, high))})
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def _path(part: pd.DataFrame) -> np.ndarray:
    """(doses, 2): regularity and accuracy in the order of the doses; only doses with both values."""
    path = part[["regularity_value", "accuracy"]].to_numpy(dtype=np.float64)
    return np.asarray(path[np.isfinite(path).all(axis=1)])


def _common(curves: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """The range in which all curves with a width are known; NaN if there is none."""
    spans = [(path[:, 0].min(), path[:, 0].max()) for path in curves.values() if len(path) > 1]
    spans = [(low, high) for low, high in spans if high > low]
    if not spans:
        return float("nan"), float("nan")
    return max(low for low, _ in spans), min(high for _, high in spans)


def _summary(path: np.ndarray, named: Mapping[str, object], common: tuple[float, float]) -> dict[str, object]:
    metric, folds = str(named["metric"]), named["regularity"] == FOLDS
    row: dict[str, object] = {"n_doses": len(path), "note": ""}
    if len(path):
        row |= {"least": path[:, 0].min(), "most": path[:, 0].max()}
    low, high = common
    if len(path) < 2 or path[:, 0].min() == path[:, 0].max():
        row["note"] = "one point: no curve" if len(path) < 2 else "all doses are equally regular: no curve"
    elif not low < high:
        row["note"] = "the curves have no range of regularity in common: no area"
    else:
        row |= {"area": _area(path, low, high), "area_from": low, "area_to": high}
    if folds:
        values = [accuracy_at_most(path, rate, direction(metric)) for rate in FOLD_RATES]
        row |= dict(zip(RATE_COLUMNS, values, strict=True))
    return row


def _area(path: np.ndarray, low: float, high: float) -> float:
    """Mean height of the lines through the points, in the order of their regularity, from low to high."""
    at, inverse = np.unique(path[:, 0], return_inverse=True)
    heights = np.bincount(inverse, path[:, 1]) / np.bincount(inverse)  # equally regular doses: their mean
    inner = at[(at > low) & (at < high)]
    x = np.concatenate([[low], inner, [high]])
    return float(np.trapezoid(np.interp(x, at, heights), x) / (high - low))


def accuracy_at_most(path: np.ndarray, most: float, better: int) -> float:
    """The best accuracy on a curve, (doses, 2), that is no less regular than `most`; NaN where every dose is.

    Between two neighbouring doses the curve is a straight line. `better` is 1 where higher accuracy is better, else -1.
    """
    reached = [height for at, height in path if at <= most]
    for (x0, y0), (x1, y1) in pairwise(path):
        if min(x0, x1) < most < max(x0, x1):
            reached.append(y0 + (most - x0) / (x1 - x0) * (y1 - y0))
    return float(better * max(better * height for height in reached)) if reached else float("nan")


def doses_of(methods: Iterable[tuple[str, str, Mapping[str, object], Mapping[str, object]]]) -> list[Dose]:
    """The points of all curves, from (method, what it is a dose of or '', what was changed, all its parameters).

    A method with its card's own parameters belongs to every curve of its doses; one without any is a curve of one point.
    """
    known = list(methods)
    varied: dict[str, list[tuple[str, ...]]] = {}
    for _, of, changed, _ in known:
        if of and tuple(changed) not in varied.setdefault(of, []):
            varied[of].append(tuple(changed))
    found = []
    for place, (name, of, changed, parameters) in enumerate(known):
        keys = [tuple(changed)] if of else varied.get(name, [()])
        for which in keys:
            base = of or name
            curve = base if len(varied.get(base, [])) < 2 else f"{base} ({', '.join(which)})"
            text = ", ".join(f"{key}={_spelled(parameters[key])}" for key in which)
            first = parameters[which[0]] if len(which) == 1 else None
            number = float(first) if isinstance(first, int | float) and not isinstance(first, bool) else float(place)
            found.append(Dose(name, curve, text, number))
    return found


def _spelled(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
