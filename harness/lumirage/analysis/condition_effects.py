"""Measures the effect of conditions on each method, the growth of cost with size, and the variation between repeats."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pandas as pd
from scipy import stats

from lumirage.analysis.paired_effects import paired_effects
from lumirage.analysis.resampling import FloatArray, Resampling
from lumirage.analysis.score_matrices import KEY, Cell, RawCell, Scores, cells_of
from lumirage.analysis.significance import holm
from lumirage.core.failure_policy import Policy
from lumirage.core.model import CENSORING, Outcome
from lumirage.core.track import REFERENCE

CHANGE_COLUMNS = (
    *KEY, "method", "reference_condition", "policy", "design", "n_pairs", "n_subjects", "dropped", "failed",
    "failed_reference", "filled", "filled_reference",
    "mean", "mean_reference", "change", "ci_low", "ci_high", "se", "p", "p_holm", "d_z", "seed",
    "note",
)  # fmt: skip
"""Columns of conditions.tsv."""

GROWTH_COLUMNS = (
    "method", "quantity", "exponent", "ci_low", "ci_high", "intercept", "n_sizes", "n_runs", "smallest_fitted",
    "largest_fitted", "n_censored", "n_sizes_censored", "largest_ran", "smallest_censored", "note",
)  # fmt: skip
"""Columns of growth.tsv. The fitted cost is exp(intercept) * size^exponent."""

REPEAT_COLUMNS = (
    *KEY, "method", "n_pairs", "n_repeats", "sd_repeats", "sd_pairs", "repeat_share", "largest_range", "note",
)  # fmt: skip

COSTS = ("wall_s", "cpu_s", "peak_memory_bytes", "gpu_peak_memory_bytes")


@dataclass(frozen=True)
class ChangeSettings:
    """Settings of the comparison of conditions."""

    resampling: Resampling = field(default_factory=Resampling)
    confidence: float = 0.95
    policy: Policy = "identity"
    reference: str = REFERENCE


def condition_changes(scores: Scores, settings: ChangeSettings | None = None) -> pd.DataFrame:
    """Each method's change from its own reference condition, paired by pair; columns CHANGE_COLUMNS.

    Every metric and both sentinels, whose change is that of the task itself. Holm's correction runs over methods and
    conditions within track, metric, preset and label source. Empty if there is only one condition.
    Raises DataError for a table without the needed columns.
    """
    settings = settings or ChangeSettings()
    names = ("track", "metric", "preset", "settings", "source")

    def measure(raw: RawCell) -> tuple[str, ...]:
        return tuple(raw.cell.key[name] for name in names)

    rows: list[dict[str, object]] = []
    for _, group in groupby(sorted(cells_of(scores), key=measure), key=measure):
        cells = {raw.cell.key["condition"]: raw.under(settings.policy) for raw in group}
        reference = cells.pop(settings.reference, None)
        if reference is not None:
            for cell in cells.values():
                rows.extend(_changes(cell, reference, settings))
    table = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))
    for _, members in table.groupby(list(names), sort=False):
        table.loc[members.index, "p_holm"] = holm(members["p"].to_numpy(dtype=np.float64))
    return table


def growth_exponents(runs: pd.DataFrame, size: str = "voxels", quantities: Sequence[str] = COSTS) -> pd.DataFrame:
    """Exponent of the growth of cost with size, cost ~ size^exponent, by method and quantity; GROWTH_COLUMNS.

    `runs` has one row for each run: method, condition, outcome, the size and the quantities. The line is fitted to one point
    for each condition, the means of the logarithms of size and cost over its successful runs (conditions of one size make one
    point), and its interval has t(points - 2): pairs under one condition are not independent sizes. A size at which any run
    hit a limit is left out and counted, because only the costs of the survivors are known; so the exponent holds for sizes
    at which every run succeeded.
    """
    rows = [
        _growth(str(method), group, size, quantity)
        for method, group in runs.groupby("method", sort=True, observed=True)
        for quantity in quantities
        if quantity in group and group[quantity].notna().any()
    ]
    return pd.DataFrame(rows, columns=list(GROWTH_COLUMNS))


def repeat_variance(scores: Scores) -> pd.DataFrame:
    """The spread between a method's repeats on one pair, separate from that between pairs; columns REPEAT_COLUMNS.

    One-way random effects: `sd_repeats` from the mean square within pairs, `sd_pairs` from that between pairs, minus the
    part due to repeats (0 if negative): pairs share subjects, so it is not the spread between subjects.
    Pairs with only one successful run are left out; methods without repeats have no row.
    """
    rows: list[dict[str, object]] = []
    for raw in cells_of(scores):
        for k, method in enumerate(raw.cell.methods):
            values = raw.runs.values[k]
            values = values[np.isfinite(values).sum(axis=1) > 1]
            if len(values):
                rows.append({**raw.cell.key, "method": method, **_repeats(values)})
    return pd.DataFrame(rows, columns=list(REPEAT_COLUMNS))


def _changes(cell: Cell, reference: Cell, settings: ChangeSettings) -> Iterator[dict[str, object]]:
    methods = [m for m in cell.methods if m in reference.methods]
    places = {pair: i for i, pair in enumerate(reference.pairs)}
    before = np.full((len(cell.pairs), len(methods)), np.nan)
    known = [(i, places[pair]) for i, pair in enumerate(cell.pairs) if pair in places]
    for k, method in enumerate(methods):
        for i, j in known:
            before[i, k] = reference.of(method)[j]
    after = np.stack([cell.of(method) for method in methods], axis=1)
    effects = paired_effects(after, before, cell.design, settings.resampling, settings.confidence)
    for k, method in enumerate(methods):
        yield {
            **cell.key,
            "method": method,
            "reference_condition": settings.reference,
            "policy": settings.policy,
            "design": cell.design.kind.value,
            "n_pairs": int(effects.n_pairs[k]),
            "n_subjects": cell.design.n_subjects,
            "dropped": len(cell.pairs) - int(effects.n_pairs[k]),
            "failed": int(cell.failed[cell.methods.index(method)].sum()),
            "failed_reference": int(reference.failed[reference.methods.index(method)].sum()),
            "filled": int(cell.filled[cell.methods.index(method)].sum()),
            "filled_reference": int(reference.filled[reference.methods.index(method)].sum()),
            "mean": effects.mean_a[k],
            "mean_reference": effects.mean_b[k],
            "change": effects.difference[k],
            "ci_low": effects.ci[0, k],
            "ci_high": effects.ci[1, k],
            "se": effects.se[k],
            "p": effects.p[k],
            "d_z": effects.d_z[k],
            "seed": settings.resampling.seed,
            "note": cell.design.note,
        }


def _growth(method: str, group: pd.DataFrame, size: str, quantity: str) -> dict[str, object]:
    outcome = group["outcome"].astype(str)
    well = group[(outcome == Outcome.OK) & (pd.to_numeric(group[quantity]) > 0)]
    censored = group[outcome.isin([str(o) for o in CENSORING])]
    points = _points(group, size, quantity)
    lost = int(points["censored"].sum())
    fitted = points[~points["censored"] & (points["runs"] > 0)].sort_values("x")
    row: dict[str, object] = {
        "method": method,
        "quantity": quantity,
        "n_sizes": len(fitted),
        "n_runs": int(fitted["runs"].sum()),
        "n_censored": len(censored),
        "n_sizes_censored": lost,
        "largest_ran": well[size].max() if len(well) else np.nan,
        "smallest_censored": censored[size].min() if len(censored) else np.nan,
    }
    notes = [f"{lost} sizes at which {len(censored)} runs were stopped by a limit are not in the fit"] if lost else []
    if len(fitted) < 2:
        return row | {"note": "; ".join(["fewer than two sizes at which every run came through: no exponent", *notes])}
    fit = stats.linregress(fitted["x"], fitted["y"])
    row |= {"exponent": fit.slope, "intercept": fit.intercept}
    row |= {"smallest_fitted": np.exp(fitted["x"].iloc[0]), "largest_fitted": np.exp(fitted["x"].iloc[-1])}
    if len(fitted) < 3:
        return row | {"note": "; ".join(["two sizes: no interval", *notes])}
    half = stats.t.ppf(0.975, len(fitted) - 2) * fit.stderr
    return row | {"ci_low": fit.slope - half, "ci_high": fit.slope + half, "note": "; ".join(notes)}


def _points(group: pd.DataFrame, size: str, quantity: str) -> pd.DataFrame:
    """One row for each size: mean log size `x` and mean log cost `y` of its successful `runs`, and whether any is censored."""
    outcome, cost = group["outcome"].astype(str), pd.to_numeric(group[quantity]).astype("float64")
    logs = pd.DataFrame({"condition": group["condition"].astype(str), "at": np.log(group[size].astype("float64"))})
    logs["censored"] = outcome.isin([str(o) for o in CENSORING])
    well = (outcome == Outcome.OK) & (cost > 0)
    logs["x"], logs["y"] = logs["at"].where(well), np.log(cost.where(well))
    # noise, for example, does not change the size: such conditions are one point, grouped by the size of their runs
    same_size = logs.groupby("condition")["at"].transform("mean").round(6)
    points = logs.groupby(same_size)
    return points.agg(x=("x", "mean"), y=("y", "mean"), runs=("y", "count"), censored=("censored", "any"))


def _repeats(values: FloatArray) -> dict[str, object]:
    counts = np.isfinite(values).sum(axis=1)
    means = np.nanmean(values, axis=1)
    total, n_pairs = counts.sum(), len(values)
    within = float(np.nansum((values - means[:, None]) ** 2) / (total - n_pairs))
    row: dict[str, object] = {
        "n_pairs": n_pairs,
        "n_repeats": int(counts.max()),
        "sd_repeats": np.sqrt(within),
        "largest_range": float((np.nanmax(values, axis=1) - np.nanmin(values, axis=1)).max()),
        "note": "every repeat gave the same" if within == 0 else "",
    }
    if n_pairs < 2:
        return row
    grand = float((counts * means).sum() / total)
    between = float((counts * (means - grand) ** 2).sum() / (n_pairs - 1))
    typical = (total - (counts**2).sum() / total) / (n_pairs - 1)
    pairs = max((between - within) / typical, 0.0)
    share = within / (within + pairs) if within + pairs > 0 else float("nan")
    return row | {"sd_pairs": np.sqrt(pairs), "repeat_share": share}
