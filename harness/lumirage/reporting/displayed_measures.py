"""Defines the displayed measures: a metric under a preset and a label source, with its unit and good direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lumirage.core.metrics import METRICS, direction, is_accuracy, is_regularity, title

DEFAULT_PRESET = "strict"

ORDER = ("dice", "tre", "displacement_error_mm", "hd95", "det_le0", "ndv_percent", "sdlogj", "msd", "inverse", "ncc")
"""Prefixes of metric names in the order of interest to readers; others follow by name."""

LIKENESS_FIRST = ("mi_", "ncc", *ORDER)
"""The same if nothing measures accuracy: similarities that are valid between contrasts come first."""


@dataclass(frozen=True)
class Measure:
    """One metric under one preset (with its settings) and one label source."""

    preset: str
    settings: str
    metric: str
    source: str
    unit: str
    name: str
    """Its identifier, with preset, settings and source where there are several; for files."""
    title: str
    """The same for readers: the field's name of the metric, with its unit."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What distinguishes it from other measures."""
        return self.preset, self.settings, self.metric, self.source

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better."""
        return direction(self.metric) > 0

    @property
    def is_regularity(self) -> bool:
        """Whether it measures only the field, so that a failure must not count as the affine alone."""
        return is_regularity(self.metric)

    @property
    def is_accuracy(self) -> bool:
        """Whether it is measured against labels, landmarks or a true field."""
        return is_accuracy(self.metric)

    @property
    def definition(self) -> str:
        """What it is, for a tooltip."""
        return METRICS[self.metric].definition if self.metric in METRICS else self.metric

    @property
    def axis(self) -> str:
        """Title and the better direction, for an axis."""
        return f"{self.title}, {'more' if self.higher_is_better else 'less'} is better"


def measures_of(values: pd.DataFrame) -> list[Measure]:
    """All measures of a table of values, the most interesting first, those without any value last.

    If nothing measures accuracy, image similarity comes first, as folds alone say even less.
    Names and titles tell preset, settings and label source only where the table has several of them.
    """
    keys = ["preset", "settings", "metric", "source"]
    found = values[[*keys, "unit"]].drop_duplicates(keys)
    several = {key: found.groupby("metric", observed=True)[key].nunique().max() > 1 for key in keys if key != "metric"}
    measures = [_measure(row, several) for row in found.astype(str).itertuples(index=False)]
    presets = sorted(set(values["preset"].astype(str)), key=lambda name: (name != DEFAULT_PRESET, name))
    known = values[values["value"].notna()][keys].drop_duplicates().astype(str)
    there = set(known.itertuples(index=False, name=None))
    order = ORDER if any(m.is_accuracy and m.key in there for m in measures) else LIKENESS_FIRST

    def place(m: Measure) -> tuple[bool, int, int, str, str, str]:
        return m.key not in there, presets.index(m.preset), _rank(m.metric, order), m.metric, m.source, m.settings

    return sorted(measures, key=place)


def _measure(row: tuple[str, ...], several: dict[str, bool]) -> Measure:
    preset, settings, metric, source, unit = row
    extras = [text for key, text in (("preset", preset), ("settings", settings), ("source", source)) if several[key]]
    extra = f" [{', '.join(filter(None, extras))}]" if any(extras) else ""
    return Measure(preset, settings, metric, source, unit, metric + extra, title(metric) + extra)


def _rank(metric: str, order: tuple[str, ...]) -> int:
    return next((i for i, start in enumerate(order) if metric.lower().startswith(start)), len(order))


@dataclass(frozen=True)
class Definition:
    """A metric for the list of definitions."""

    name: str
    title: str
    definition: str
    better: str
    undefined: str
    source: str


def definitions_of(measures: Sequence[Measure]) -> list[Definition]:
    """One for each metric that is shown, in order."""
    known = [METRICS[name] for name in dict.fromkeys(m.metric for m in measures) if name in METRICS]
    return [Definition(m.name, title(m.name), m.definition, m.better, m.undefined, m.source) for m in known]
