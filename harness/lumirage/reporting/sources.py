"""Label sources as a factor: the same answers scored with several segmentations, and whether the order depends on it."""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from lumirage.reporting.analysed import MAIN_SCHEME
from lumirage.reporting.axes import NONE, short
from lumirage.reporting.inputs import Inputs
from lumirage.reporting.measures import Measure
from lumirage.reporting.orders import Order, moved, order_of, slopes
from lumirage.reporting.rows import colors_of
from lumirage.reporting.scene import Scene


@dataclass(frozen=True)
class Agreement:
    """How far two sources agree on the order of the methods."""

    first: str
    second: str
    n_methods: str
    kendall_tau: str
    spearman_rho: str


@dataclass(frozen=True)
class Sources:
    """One metric under all its label sources."""

    metric: str
    """With its preset, where there are several."""
    unit: str
    orders: tuple[Order, ...]
    """One a source, titled by it."""
    changing: tuple[str, ...]
    """Methods whose place depends on the source."""
    agreement: tuple[Agreement, ...]

    @property
    def methods(self) -> list[str]:
        """By their place under the first source."""
        return self.orders[0].listed


def sources_of(inputs: Inputs) -> list[Sources]:
    """The metrics that were scored with several segmentations, the most wanted first."""
    groups: dict[tuple[str, str, str], list[Measure]] = {}
    for measure in inputs.measures:
        if measure.source:
            groups.setdefault((measure.preset, measure.settings, measure.metric), []).append(measure)
    presets = {preset for preset, _, _ in groups}
    found = []
    for (preset, _, metric), measures in groups.items():
        orders = [(m, order_of(inputs, m, inputs.conditions[0])) for m in measures]
        orders = [(m, Order(m.source, o.higher_is_better, o.means)) for m, o in orders if o.means]
        if len(orders) > 1:
            name = f"{metric} [{preset}]" if len(presets) > 1 else metric
            lists = tuple(order for _, order in orders)
            agreed = tuple(_agreement(inputs, a, b) for a, b in combinations([m for m, _ in orders], 2))
            found.append(Sources(name, measures[0].unit, lists, tuple(moved(lists)), agreed))
    return found


def _agreement(inputs: Inputs, a: Measure, b: Measure) -> Agreement:
    """As the analysis found it, under the track's policy and the ranking of the leaderboard."""
    table = inputs.tables.get("agreement", pd.DataFrame())
    if not len(table):
        return Agreement(a.source, b.source, NONE, NONE, NONE)
    names = {_list_name(a), _list_name(b)}
    same = (table["policy"] == inputs.evaluation.track.on_failure) & (table["scheme"] == MAIN_SCHEME)
    same &= (table["condition"] == inputs.conditions[0]) & table["list_a"].isin(names) & table["list_b"].isin(names)
    rows = table[same]
    if not len(rows):
        return Agreement(a.source, b.source, NONE, NONE, NONE)
    row = rows.iloc[0]
    tau, rho = (short(float(row[c]) if pd.notna(row[c]) else None) for c in ("kendall_tau", "spearman_rho"))
    return Agreement(a.source, b.source, str(row["n_methods"]), tau, rho)


def _list_name(measure: Measure) -> str:
    """What the analysis calls the list of one measure."""
    return "/".join(filter(None, (measure.metric, measure.preset, measure.settings, measure.source)))


def figure(inputs: Inputs, sources: Sources, width: float) -> Scene:
    """The orders of one metric, a column a source."""
    name, title = f"sources-{sources.metric}", f"{sources.metric} by label source"
    return slopes(name, title, sources.orders, colors_of(inputs.methods), width)
