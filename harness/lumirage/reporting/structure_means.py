"""Computes the means of single structures over all pairs, hemispheres side by side, for the explorer."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lumirage.core.metrics import METRICS
from lumirage.reporting.analysis_tables import of_measure
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.report_inputs import Inputs, read_table

MOST_MEASURES = 6
MOST_STRUCTURES = 500
"""Of more, those with the lowest labels are shown; a pair's page has all of its own."""

SIDES = (
    (re.compile(r"^(left|lh|l)[-_. ]+|(?<=ctx)-lh(?=-)|[-_. ]+(left|lh|l)$", re.IGNORECASE), "L"),
    (re.compile(r"^(right|rh|r)[-_. ]+|(?<=ctx)-rh(?=-)|[-_. ]+(right|rh|r)$", re.IGNORECASE), "R"),
)
"""How names of structures tell their hemisphere: Left-Thalamus, ctx-lh-cuneus, lh_cuneus, thalamus_L."""

GROUPS = (
    ("cerebellum and brain stem", re.compile(r"cerebell|stem|vermis|pons", re.IGNORECASE)),
    ("cortex", re.compile(r"ctx|cortex|gyrus|sulcus|lobe|lobule|cuneus|insula", re.IGNORECASE)),
    ("ventricles and CSF", re.compile(r"ventric|vent\b|csf|choroid", re.IGNORECASE)),
    ("white matter", re.compile(r"white|callosum|\bwm\b|fornix", re.IGNORECASE)),
    ("deep grey matter", re.compile(
        r"thalam|caudate|putamen|pallid|accumbens|hippocamp|amygdal|basal|ventraldc|striat", re.IGNORECASE)),
)  # fmt: skip
"""Groups by words of the name, the first that fits."""


def structures_of(inputs: Inputs) -> list[dict[str, Any]]:
    """For each accuracy measure of labels: rows (name, group, left or only, right) and couples of methods, by index.

    A side is its letter, the number of pairs, the mean of every method over them (null: none), and for each couple the paired
    difference with both ends of its interval, from structures.tsv (null: none; no couples where that is missing). Failed
    runs have no values of structures and are left out.
    """
    wanted = [m for m in inputs.measures if m.is_accuracy and m.metric in METRICS and METRICS[m.metric].of == "label"]
    found = [(m, _means(inputs, m)) for m in wanted[:MOST_MEASURES]]
    effects = read_table(inputs.layout.table("structures"))
    return [_part(inputs, m, table, _effects(inputs, m, effects)) for m, table in found if len(table)]


Effects = dict[tuple[int, int], dict[int, list[float | None]]]
"""(method, reference) by index -> label -> difference and both ends of its interval."""


def _part(inputs: Inputs, measure: Measure, table: pd.DataFrame, effects: Effects) -> dict[str, Any]:
    couples = [list(couple) for couple in effects]
    rows = _rows(inputs, table, effects)
    return {"title": measure.title, "up": int(measure.higher_is_better), "couples": couples, "rows": rows}


def _effects(inputs: Inputs, measure: Measure, table: pd.DataFrame | None) -> Effects:
    if table is None or not len(table):
        return {}
    rows = of_measure(table, measure)
    rows = rows[rows["condition"] == inputs.conditions[0]]
    place = {method: i for i, method in enumerate(inputs.methods)}
    found: Effects = {}
    columns = ["method", "reference", "label", "difference", "ci_low", "ci_high"]
    for method, reference, label, *numbers in rows[columns].itertuples(index=False, name=None):
        if method in place and reference in place:
            of = found.setdefault((place[method], place[reference]), {})
            of[int(label)] = [float(f"{float(v):.4g}") if not pd.isna(v) and np.isfinite(v) else None for v in numbers]
    return found


def _means(inputs: Inputs, measure: Measure) -> pd.DataFrame:
    """Columns label, name, method, value (mean) and pairs."""
    path, condition = inputs.layout.score_table, inputs.conditions[0]
    same = (pc.field("metric") == measure.metric) & (pc.field("preset") == measure.preset)
    same &= (pc.field("settings") == measure.settings) & (pc.field("condition") == condition)
    same &= pc.field("value").is_valid() & ~pc.field("label").is_null(nan_is_null=True)
    columns = ["label", "name", "method", "value", "source"]
    table = ds.dataset(path).to_table(columns=columns, filter=same)
    table = table.filter(pc.equal(pc.fill_null(pc.cast(table["source"], pa.string()), ""), measure.source))
    table = table.filter(pc.is_finite(table["value"]))
    grouped = table.group_by(["label", "method"]).aggregate([("value", "mean"), ("value", "count")]).to_pandas()
    names = table.group_by(["label", "name"]).aggregate([]).to_pandas().dropna().drop_duplicates("label")
    found = grouped.merge(names, on="label", how="left").sort_values("label", kind="stable")
    kept = found["label"].drop_duplicates().head(MOST_STRUCTURES)
    return found[found["label"].isin(kept)].rename(columns={"value_mean": "value", "value_count": "pairs"})


def side_of(name: str) -> tuple[str, str]:
    """The name without its hemisphere, and L, R or nothing."""
    for pattern, side in SIDES:
        if pattern.search(name):
            return pattern.sub("", name, count=1), side
    return name, ""


def group_of(name: str) -> str:
    """The group of a structure by its name."""
    return next((group for group, pattern in GROUPS if pattern.search(name)), "other")


def _rows(inputs: Inputs, table: pd.DataFrame, effects: Effects) -> list[list[Any]]:
    found: dict[str, list[Any]] = {}
    for label, of in table.groupby("label", sort=True):
        given = of["name"].iloc[0]
        name = f"label {label}" if pd.isna(given) or not given else str(given)
        bare, side = side_of(name)
        values = of.set_index(of["method"].astype(str))["value"].reindex(inputs.methods).to_numpy(dtype=np.float64)
        means = [float(f"{v:.4g}") if np.isfinite(v) else None for v in values]
        number = int(of["label"].iloc[0])
        cell = [side, int(of["pairs"].max()), means, [of_couple.get(number) for of_couple in effects.values()]]
        row = found.setdefault(bare if side else name, [bare, group_of(name), [None, None]])
        at = 1 if side == "R" else 0
        if row[2][at] is not None:  # two structures of one name
            row = found.setdefault(f"{name} {label}", [f"{name} ({label})", group_of(name), [None, None]])
        row[2][at] = cell
    return list(found.values())
