"""Compares label sources: the same answers scored with several segmentations, and whether the order depends on them."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from lumirage.reporting.analysis_tables import MAIN_SCHEME
from lumirage.reporting.axes import NONE, short
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.method_orders import MethodOrder, moved, order_of, slopes, tau
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Scene


@dataclass(frozen=True)
class Agreement:
    """The agreement of two sources on the order of the methods."""

    first: str
    second: str
    n_methods: str
    kendall_tau: str
    spearman_rho: str
    apart: bool
    """Whether both name their structures and share no name: then neither order is the better one."""


@dataclass(frozen=True)
class Sources:
    """One metric under all its label sources."""

    metric: str
    """The title, with the preset if there are several."""
    unit: str
    orders: tuple[MethodOrder, ...]
    """One order for each source, with the source as title."""
    n_pairs: int
    """Number of pairs that all sources have; the methods are ordered over these."""
    differ: bool
    """Whether some source has further pairs."""
    changing: tuple[str, ...]
    """Methods that change places with another one between sources, if both orders are significant."""
    agreement: tuple[Agreement, ...]

    @property
    def methods(self) -> list[str]:
        """By their place under the first source."""
        return self.orders[0].listed


def sources_of(inputs: Inputs) -> list[Sources]:
    """The metrics that were scored with several segmentations, the most interesting first."""
    groups: dict[tuple[str, str, str], list[Measure]] = {}
    for measure in inputs.measures:
        if measure.source:
            groups.setdefault((measure.preset, measure.settings, measure.metric), []).append(measure)
    presets = {preset for preset, _, _ in groups}
    found = []
    for (preset, _, metric), measures in groups.items():
        there = np.array([np.isfinite(inputs.matrix(m, inputs.conditions[0])).any(axis=0) for m in measures])
        there = there[there.any(axis=1)]
        shared = np.asarray(there.all(axis=0))
        differ = bool((there.any(axis=0) & ~shared).any())
        orders = [(m, order_of(inputs, m, inputs.conditions[0], shared)) for m in measures]
        orders = [(m, replace(o, title=m.source)) for m, o in orders if o.means]
        if len(orders) > 1:
            name = f"{metric} [{preset}]" if len(presets) > 1 else metric
            lists = tuple(order for _, order in orders)
            agree = _agreement_here if differ else _agreement
            agreed = tuple(agree(inputs, a, b) for a, b in combinations(orders, 2))
            n_pairs = int(shared.sum())
            found.append(Sources(name, measures[0].unit, lists, n_pairs, differ, tuple(moved(lists)), agreed))
    return found


Ordered = tuple[Measure, MethodOrder]


def _agreement_here(inputs: Inputs, a: Ordered, b: Ordered) -> Agreement:
    """Agreement over the pairs that both have; the analysis ranks by all pairs of each source, which may be other people."""
    both = set(a[1].means) & set(b[1].means)
    sources = a[0].source, b[0].source
    return Agreement(*sources, str(len(both)), short(tau(a[1], b[1])), NONE, _apart(inputs, *sources))


def _apart(inputs: Inputs, a: str, b: str) -> bool:
    names = [set(inputs.evaluation.label_names.get(source, {}).values()) for source in (a, b)]
    return all(names) and not names[0] & names[1]


def _agreement(inputs: Inputs, first: Ordered, second: Ordered) -> Agreement:
    """Agreement from the analysis, under the track's policy and the ranking of the leaderboard."""
    a, b = first[0], second[0]
    apart = _apart(inputs, a.source, b.source)
    table = inputs.tables.get("agreement", pd.DataFrame())
    if not len(table):
        return Agreement(a.source, b.source, NONE, NONE, NONE, apart)
    names = {_list_name(a), _list_name(b)}
    same = (table["policy"] == inputs.evaluation.track.on_failure) & (table["scheme"] == MAIN_SCHEME)
    same &= (table["condition"] == inputs.conditions[0]) & table["list_a"].isin(names) & table["list_b"].isin(names)
    rows = table[same]
    if not len(rows):
        return Agreement(a.source, b.source, NONE, NONE, NONE, apart)
    row = rows.iloc[0]
    kendall, rho = (short(float(row[c]) if pd.notna(row[c]) else None) for c in ("kendall_tau", "spearman_rho"))
    return Agreement(a.source, b.source, str(row["n_methods"]), kendall, rho, apart)


def _list_name(measure: Measure) -> str:
    """The analysis' name for the list of one measure."""
    return "/".join(filter(None, (measure.metric, measure.preset, measure.settings, measure.source)))


def figure(inputs: Inputs, sources: Sources, width: float) -> Scene:
    """The orders of one metric, one column for each source."""
    name, title = f"sources-{sources.metric}", f"{sources.metric} by label source"
    return slopes(name, title, sources.orders, inputs.colors, width)
