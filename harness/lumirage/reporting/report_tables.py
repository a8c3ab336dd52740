"""Makes the tables of the report as HTML rows, TSV and LaTeX, from one description."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lumirage.core.condition_words import condition_words
from lumirage.core.failure_policy import PolicyMean
from lumirage.core.metrics import title
from lumirage.core.model import Outcome
from lumirage.reporting.analysis_tables import against_base, comparisons, main_ranking
from lumirage.reporting.axes import MINUS, NONE, short
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.policy_means import policy_means
from lumirage.reporting.report_inputs import Inputs

MOST_MEASURES = 5
"""Most columns of measures in the leaderboard on the page. The files have all."""

LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", NONE: "--", MINUS: "$-$", "≤": r"$\le$", "±": r"$\pm$",
})  # fmt: skip


@dataclass(frozen=True)
class MethodRow:
    """One line of the leaderboard: the measurements of one method, before any inference."""

    method: str
    version: str
    untrained: bool
    reference: bool
    n: int
    """Number of pairs with an own value in the first measure."""
    dropped: int
    means: tuple[PolicyMean, ...]
    """For each measure the mean under the track's failure policy; the first one orders the methods."""
    counts: tuple[int, ...]
    """For each measure, the number of pairs with a value of the method's own."""
    rank: float
    place: str
    """The rank with ties, such as "2="; empty if there is none."""
    rank_low: float
    rank_high: float
    beyond_gate: bool
    effect: float
    effect_low: float
    effect_high: float
    failed: int
    wall_s: float
    load_s: float
    """Time before a container's first pair began, which is in no pair's time; like the other costs a median over the
    successful runs."""
    peak_memory_bytes: float
    device: str
    """The device of the runs; both if some had a GPU and some had none."""


def method_rows(inputs: Inputs, condition: str) -> list[MethodRow]:
    """Methods by their rank in the first measure, else by their mean with the failures filled; the best first."""
    matrices = [inputs.matrix(measure, condition) for measure in inputs.measures]
    found = _Found(
        main_ranking(inputs, inputs.measures[0], condition),
        against_base(comparisons(inputs, inputs.measures[0], condition)),
        [policy_means(inputs, measure, condition) for measure in inputs.measures],
    )
    lines = [_method_row(inputs, condition, i, [m[i] for m in matrices], found) for i in range(len(inputs.methods))]
    sign = -1 if inputs.measures[0].higher_is_better else 1
    return sorted(lines, key=lambda s: (s.reference, _last(s.rank), not s.n, _last(sign * s.means[0].value), s.method))


def _last(value: float) -> float:
    return value if np.isfinite(value) else float("inf")


@dataclass(frozen=True)
class _Found:
    ranking: pd.DataFrame
    effects: pd.DataFrame
    means: Sequence[Mapping[str, PolicyMean]]
    """By measure."""


def _method_row(inputs: Inputs, condition: str, i: int, values: Sequence[np.ndarray], found: _Found) -> MethodRow:
    method = inputs.methods[i]
    use = inputs.evaluation.methods.get(method)
    runs = inputs.runs[(inputs.runs["method"] == method) & (inputs.runs["condition"] == condition)]
    well = inputs.well(condition)
    well = well[well["method"] == method]
    counts = tuple(int(np.isfinite(v).sum()) for v in values)
    return MethodRow(
        method=method,
        version=use.card.version if use else "",
        untrained=bool(use and use.card.untrained),
        reference=method in inputs.references,
        n=counts[0],
        dropped=len(values[0]) - counts[0],
        means=tuple(of[method] for of in found.means),
        counts=counts,
        rank=_number(found.ranking, method, "rank"),
        place=_place(found.ranking, method),
        rank_low=_number(found.ranking, method, "rank_low"),
        rank_high=_number(found.ranking, method, "rank_high"),
        beyond_gate=_number(found.ranking, method, "beyond_gate", 0.0) > 0,
        effect=_number(found.effects, method, "difference"),
        effect_low=_number(found.effects, method, "ci_low"),
        effect_high=_number(found.effects, method, "ci_high"),
        failed=int((runs["outcome"] != Outcome.OK.value).sum()),
        wall_s=float(well["wall_s"].astype(float).median()),
        load_s=float(well["load_s"].astype(float).median()),
        peak_memory_bytes=float(well["peak_memory_bytes"].astype(float).median()),
        device=", ".join(sorted(set(runs["device"].astype(str)) - {""})),
    )


def _number(table: pd.DataFrame, method: str, column: str, otherwise: float = float("nan")) -> float:
    if method not in table.index or column not in table.columns:
        return otherwise
    value = pd.to_numeric(table[column], errors="coerce").loc[method]
    return otherwise if pd.isna(value) else float(value)


def _place(ranking: pd.DataFrame, method: str) -> str:
    """The place from the analysis, as "2="; empty where there is none."""
    if method not in ranking.index:
        return ""
    return str(ranking["place"].astype("string").fillna("").loc[method])


def shown_columns(measures: Sequence[Measure], lines: Sequence[MethodRow]) -> list[int]:
    """Which measures get a column on the page: those of the first preset with a value, as many as fit."""
    same = [i for i, m in enumerate(measures) if m.preset == measures[0].preset]
    return [i for i in same if any(line.means[i].n_pairs for line in lines)][:MOST_MEASURES]


def leaderboard(inputs: Inputs, lines: Sequence[MethodRow]) -> pd.DataFrame:
    """The leaderboard as a table of numbers, every measure with its n."""
    rows = []
    for s in lines:
        row: dict[str, object] = {
            "method": s.method,
            "version": s.version,
            "rank": s.rank,
            "place": s.place,
            "rank_low": s.rank_low,
            "rank_high": s.rank_high,
            "n": s.n,
            "dropped": s.dropped,
        }
        row |= {"mean_after_policy": s.means[0].value, "filled": s.means[0].filled, "effect": s.effect}
        row |= {"effect_low": s.effect_low, "effect_high": s.effect_high}
        for measure, mean in zip(inputs.measures, s.means, strict=True):
            row |= {f"mean {measure.name}": mean.value, f"n {measure.name}": mean.n_pairs}
            row |= {f"filled {measure.name}": mean.filled}
        row |= {"failed_runs": s.failed, "median_wall_s": s.wall_s, "median_load_s": s.load_s}
        row |= {"median_peak_memory_bytes": s.peak_memory_bytes, "device": s.device}
        rows.append(row)
    return pd.DataFrame(rows)


def to_tsv(table: pd.DataFrame) -> str:
    """Tab-separated text, full precision, n/a if there is no value."""
    return table.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n")


IN_WORDS: Mapping[str, Callable[[str], str]] = {"condition": condition_words, "metric": title}
"""Columns whose identifiers are for files, and what people read instead."""


def to_latex(table: pd.DataFrame, caption: str) -> str:
    """A booktabs table; numbers with three significant digits, conditions and metrics in words, text escaped."""
    table = table.assign(**{name: table[name].map(say) for name, say in IN_WORDS.items() if name in table})
    align = "".join("r" if pd.api.types.is_numeric_dtype(table[c]) else "l" for c in table.columns)
    head = " & ".join(escape_latex(str(c)) for c in table.columns)
    body = "\n".join(" & ".join(_cell(v) for v in row) + r" \\" for row in table.itertuples(index=False))
    return (
        "\\begin{table}\n\\centering\n\\caption{" + escape_latex(caption) + "}\n\\begin{tabular}{" + align + "}\n"
        "\\toprule\n" + head + " \\\\\n\\midrule\n" + body + "\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def escape_latex(text: str) -> str:
    """Text escaped for LaTeX."""
    return text.translate(LATEX)


def cell(value: object) -> str:
    """A value of a table as text."""
    if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return NONE
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return short(float(value)) if isinstance(value, float | np.floating) else str(value)


def _cell(value: object) -> str:
    return escape_latex(cell(value))
