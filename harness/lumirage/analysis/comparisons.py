"""Compares methods from scores alone: the rows of comparisons.tsv."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis.designs import Design, DesignKind
from lumirage.analysis.paired_effects import Effects, paired_effects
from lumirage.analysis.ranking_schemes import SAME
from lumirage.analysis.resampling import Resampling, unit_contributions
from lumirage.analysis.score_matrices import KEY, Cell, RawCell, Scores, cells_of
from lumirage.analysis.significance import (
    INTERPOLATION_EFFECT,
    as_in_the_literature,
    check_margin,
    holm,
    sign_flip_p,
    tost_p,
    wilcoxon_p,
)
from lumirage.analysis.skewed_intervals import skewness_words
from lumirage.core.failure_policy import POLICIES, Policy
from lumirage.core.metrics import nothing_is_perfect, possible_range
from lumirage.core.model import SENTINELS

COMPARISON_COLUMNS = (
    *KEY, "method", "reference", "policy", "literature", "design", "n_pairs", "n_subjects", "n_units", "dropped",
    "failed_method", "failed_reference", "filled_method", "filled_reference",
    "mean_method", "mean_reference", "difference", "ci_low", "ci_high", "se",
    "p", "p_holm", "better", "interval", "jackknife_low", "jackknife_high", "d_z", "d_z_low", "d_z_high", "d_av",
    "d_av_low", "d_av_high", "p_wilcoxon", "p_sign_flip", "margin", "p_equivalence", "se_draws", "confidence",
    "draws", "seed", "note", "skewness",
)  # fmt: skip
"""Columns of comparisons.tsv; undefined values are NaN."""

NODE_BOOTSTRAP = "node bootstrap over subjects, SE and t, longer on the side of skewed effects"
LITERATURE = "as in the literature: pairs taken as independent"


@dataclass(frozen=True)
class CompareSettings:
    """Settings of the comparisons."""

    resampling: Resampling = field(default_factory=Resampling)
    confidence: float = 0.95
    reference: str = "affine"
    """The reference for every method, besides every other method."""
    policies: tuple[Policy, ...] = POLICIES
    margins: Mapping[str, float] = field(default_factory=dict)
    """Prefix of a metric's name -> equivalence margin, fixed in advance; in the metric's unit."""
    interpolation_effect: float = INTERPOLATION_EFFECT
    """Measured effect of label interpolation on mean Dice; a smaller margin is refused."""

    def margin(self, metric: str) -> float | None:
        """The margin for a metric, from the longest matching prefix. Raises UsageError if it is too small."""
        fitting = [start for start in self.margins if metric.startswith(start)]
        if not fitting:
            return None
        margin = self.margins[max(fitting, key=len)]
        check_margin(metric, margin, self.interpolation_effect)
        return margin


def compare(scores: Scores, settings: CompareSettings = CompareSettings(), metric: str = "") -> pd.DataFrame:
    """All comparisons of a table of scores (SCORE_COLUMNS), or those of one metric, columns COMPARISON_COLUMNS.

    Every method against the reference sentinel and against every other method, under every failure policy, and one
    flagged row each as in the literature (failures dropped, pairs treated as independent). Holm's correction runs
    over methods and tracks, within metric, preset, label source, condition and policy.
    Raises DataError for a table without the needed columns, UsageError for an equivalence margin that is too small to measure.
    """
    rows: list[dict[str, object]] = []
    for raw in cells_of(scores, metric):
        rows.extend(_compare_cell(raw, settings))
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    family = ["condition", "metric", "preset", "settings", "source", "policy"]
    honest = table[~table["literature"]]
    for _, members in honest.groupby(family, sort=False):
        table.loc[members.index, "p_holm"] = holm(members["p"].to_numpy(dtype=np.float64))
    return table


def compare_two(raw: RawCell, couple: tuple[str, str], settings: CompareSettings, policy: Policy) -> pd.DataFrame:
    """One comparison that `compare` need not have: (method, reference), without Holm's correction."""
    rows = _rows(raw.under(policy), [couple], settings, settings.margin(raw.cell.metric))
    return pd.DataFrame([{**row, "policy": policy} for row in rows], columns=list(COMPARISON_COLUMNS))


def turned(rows: pd.DataFrame) -> pd.DataFrame:
    """The same comparisons read from the other side: reference minus method."""
    other = rows.copy()
    for a, b in (
        ("method", "reference"), ("failed_method", "failed_reference"), ("filled_method", "filled_reference"),
        ("mean_method", "mean_reference"),
    ):  # fmt: skip
        other[[a, b]] = rows[[b, a]].to_numpy()
    for name in ("difference", "d_z", "d_av"):
        other[name] = -rows[name]
    for low, high in (("ci_low", "ci_high"), ("jackknife_low", "jackknife_high"), ("d_z_low", "d_z_high"),
                      ("d_av_low", "d_av_high")):  # fmt: skip
        other[low], other[high] = -rows[high], -rows[low]
    other["better"] = rows["better"].replace({"method": "reference", "reference": "method"})
    return other


def mean_intervals(
    raw: RawCell, policy: Policy, settings: CompareSettings = CompareSettings()
) -> dict[str, tuple[float, float]]:
    """Method -> the interval of its mean, failures filled by the policy, by resampling subjects; NaN where there is none.

    It is cut at the values that the metric can have: of few people, a t interval of overlaps can go below 0.
    """
    cell = raw.under(policy)
    values = cell.values.T
    found = paired_effects(values, np.zeros_like(values), cell.design, settings.resampling, settings.confidence)
    low, high = np.clip(found.ci, *possible_range(raw.cell.metric))
    return {method: (float(low[k]), float(high[k])) for k, method in enumerate(cell.methods)}


def comparisons_of(methods: tuple[str, ...], reference: str) -> list[tuple[str, str]]:
    """Which methods are compared with which: (method, reference); the sentinels with one another come last."""
    real = [m for m in methods if m not in SENTINELS]
    base = next((s for s in (reference, *SENTINELS[::-1]) if s in methods), None)
    chosen = [(m, base) for m in real if base and m != base]
    chosen += [(a, b) for i, a in enumerate(real) for b in real[i + 1 :] if base not in (a, b)]
    return chosen + ([("affine", "identity")] if set(SENTINELS) <= set(methods) else [])


def _compare_cell(raw: RawCell, settings: CompareSettings) -> Iterator[dict[str, object]]:
    chosen = comparisons_of(raw.cell.methods, settings.reference)
    if not chosen:
        return
    margin = settings.margin(raw.cell.metric)
    first: list[dict[str, object]] = []
    for policy in settings.policies:
        # Without failures the policies agree, and one computation is enough.
        if not first or raw.runs.failed.any():
            first = _rows(raw.under(policy), chosen, settings, margin)
        yield from ({**row, "policy": policy} for row in first)
    cell = raw.under("drop")
    yield from (_literature_row(cell, pair, settings) for pair in chosen)


def _rows(
    cell: Cell, chosen: list[tuple[str, str]], settings: CompareSettings, margin: float | None
) -> list[dict[str, object]]:
    a = np.stack([cell.of(method) for method, _ in chosen], axis=1)
    b = np.stack([cell.of(reference) for _, reference in chosen], axis=1)
    effects = paired_effects(a, b, cell.design, settings.resampling, settings.confidence)
    subjects = unit_contributions(a - b, cell.design)
    flips = sign_flip_p(subjects, settings.resampling.seed)
    rows = []
    for k, pair in enumerate(chosen):
        row = _common(cell, pair, settings) | _effect_columns(effects, k)
        row |= {
            "n_subjects": _n_subjects(cell.design, np.isfinite(a[:, k] - b[:, k])),
            "dropped": len(cell.pairs) - int(effects.n_pairs[k]),
            "better": _better(cell.direction, effects, k),
            "interval": NODE_BOOTSTRAP if np.isfinite(effects.se[k]) else "",
            "p_wilcoxon": wilcoxon_p(subjects[:, k]) if np.isfinite(effects.se[k]) else np.nan,
            "p_sign_flip": flips[k],
            "note": _note(cell, pair, effects, k),
            "skewness": effects.skew[k] * np.sqrt(effects.n_units[k]),
        }
        if margin is not None:
            p = tost_p(effects.difference[k], effects.se[k], max(effects.n_units[k] - 1, 1), margin)
            row |= {"margin": margin, "p_equivalence": p}
        rows.append(row)
    return rows


def _effect_columns(effects: Effects, k: int) -> dict[str, object]:
    return {
        "n_pairs": int(effects.n_pairs[k]),
        "n_units": int(effects.n_units[k]),
        "mean_method": effects.mean_a[k],
        "mean_reference": effects.mean_b[k],
        "difference": effects.difference[k],
        "ci_low": effects.ci[0, k],
        "ci_high": effects.ci[1, k],
        "se": effects.se[k],
        "p": effects.p[k],
        "jackknife_low": effects.jackknife_ci[0, k],
        "jackknife_high": effects.jackknife_ci[1, k],
        "d_z": effects.d_z[k],
        "d_z_low": effects.d_z_ci[0, k],
        "d_z_high": effects.d_z_ci[1, k],
        "d_av": effects.d_av[k],
        "d_av_low": effects.d_av_ci[0, k],
        "d_av_high": effects.d_av_ci[1, k],
        "se_draws": effects.se_draws[k],
    }


def _common(cell: Cell, pair: tuple[str, str], settings: CompareSettings) -> dict[str, object]:
    method, reference = pair
    return {
        **cell.key,
        "method": method,
        "reference": reference,
        "literature": False,
        "design": cell.design.kind.value,
        "failed_method": int(cell.failed[cell.methods.index(method)].sum()),
        "failed_reference": int(cell.failed[cell.methods.index(reference)].sum()),
        "filled_method": int(cell.filled[cell.methods.index(method)].sum()),
        "filled_reference": int(cell.filled[cell.methods.index(reference)].sum()),
        "confidence": settings.confidence,
        "draws": settings.resampling.draws,
        "seed": settings.resampling.seed,
    }


def _literature_row(cell: Cell, pair: tuple[str, str], settings: CompareSettings) -> dict[str, object]:
    a, b = (cell.of(method) for method in pair)
    both = np.isfinite(a) & np.isfinite(b)
    naive = as_in_the_literature(a, b, settings.confidence)
    return _common(cell, pair, settings) | {
        "policy": "drop",
        "literature": True,
        "n_pairs": naive.n_pairs,
        "n_subjects": _n_subjects(cell.design, both),
        "dropped": len(cell.pairs) - naive.n_pairs,
        "mean_method": a[both].mean() if both.any() else np.nan,
        "mean_reference": b[both].mean() if both.any() else np.nan,
        "difference": naive.difference,
        "ci_low": naive.ci_low,
        "ci_high": naive.ci_high,
        "p": naive.p_t,
        "interval": LITERATURE,
        "d_av": naive.cohen_d,
        "p_wilcoxon": naive.p_wilcoxon,
        "draws": 0,
        "note": "not to be believed where pairs share subjects: shown to compare with published tables",
    }


def _n_subjects(design: Design, used: npt.NDArray[np.bool_]) -> int:
    index = design.units_of_pair[used]
    units = len(np.unique(index[index >= 0]))
    if design.kind is DesignKind.SEPARATE:
        return 2 * units
    return units + 1 if design.centre and units else units


def _better(sign: int, effects: Effects, k: int) -> str:
    low, high = sign * effects.ci[:, k]
    if abs(effects.difference[k]) <= SAME * max(abs(effects.mean_a[k]), abs(effects.mean_b[k])):
        return ""  # rounding errors only
    if sign == 0 or not np.isfinite(low + high) or min(low, high) <= 0 <= max(low, high):
        return ""
    return "method" if min(low, high) > 0 else "reference"


def _note(cell: Cell, pair: tuple[str, str], effects: Effects, k: int) -> str:
    n_units = int(effects.n_units[k])
    left = replace(cell.design, units=cell.design.units[:n_units])
    notes = [left.note, skewness_words(effects.skew[k], n_units)]
    failed = any(cell.failed[cell.methods.index(m)].any() for m in pair)
    if failed and nothing_is_perfect(cell.metric):
        notes.append("failed runs have the worst value of the pair, because doing nothing is perfect here")
    return "; ".join(filter(None, notes))
