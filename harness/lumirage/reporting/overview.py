"""The overview page: what its sections hold, and the compact data that its script works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lumirage.core.layout import write_text
from lumirage.reporting.analysis_tables import MERGED, base_of, comparisons, of_measure, rankings, records
from lumirage.reporting.axes import NONE, Scale, fit, short
from lumirage.reporting.citations import paragraphs, references
from lumirage.reporting.failure_tables import Reason, failed_pairs, outcome_counts, reasons
from lumirage.reporting.figure_rows import colors_of
from lumirage.reporting.figures import SECTIONS, ReportFigure, file_name
from lumirage.reporting.label_sources import sources_of
from lumirage.reporting.page_templates import inlined, render
from lumirage.reporting.pair_page import PairPage
from lumirage.reporting.preparation_effects import change_tables
from lumirage.reporting.published_numbers import published_of
from lumirage.reporting.regularity_figures import curve_tables, rate_words
from lumirage.reporting.repeat_variance import repeat_tables
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.report_tables import MethodRow, cell, leaderboard, shown_columns, to_latex, to_tsv
from lumirage.reporting.resolution_results import costs_of, resolution_ranges, sizes_of
from lumirage.reporting.scene import Dot, Line, Mark, Scene, to_svg
from lumirage.reporting.true_error_figures import truth_of

POWER_SHOWN = (
    "method", "reference", "target", "smallest_seen", "subjects_chain", "pairs_chain", "subjects_all_pairs",
    "pairs_all_pairs", "pairs_separate",
)  # fmt: skip
"""Columns of power.tsv on the page."""


@dataclass(frozen=True)
class Overview:
    """What the template is given."""

    inputs: Inputs
    pages: tuple[PairPage, ...]
    drawn_figures: Sequence[ReportFigure]
    lines: Sequence[MethodRow]


@dataclass(frozen=True)
class FigureHtml:
    """A figure on the page: wide and narrow, and the name of its files."""

    title: str
    file: str
    wide: Markup
    narrow: Markup
    pick: str


def render_overview(overview: Overview, *, one_file: bool = False) -> str:
    """The page as HTML; with `one_file` all styles, scripts and pages of pairs are in it."""
    inputs = overview.inputs
    lines = overview.lines
    return render(
        "overview.html.j2",
        overview=overview,
        inputs=inputs,
        evaluation=inputs.evaluation,
        lines=lines,
        shown=shown_columns(inputs.measures, lines),
        colors=colors_of(inputs.methods),
        sparks=_sparks(lines),
        base=base_of(comparisons(inputs, inputs.measures[0], inputs.conditions[0])),
        duels=_duels(inputs),
        ranks=_ranks(inputs),
        rank_columns=rank_columns(inputs),
        paragraphs=paragraphs(inputs),
        references=references(inputs),
        figures=_figures(overview.drawn_figures),
        outcomes=outcome_counts(inputs),
        reasons=reasons(inputs),
        failed=len(failed_pairs(inputs)),
        warned=_warned(inputs.runs),
        facts=_facts(inputs),
        **_findings(inputs),
        **_factors(inputs),
        power=_power(inputs),
        tables=inputs.tables,
        hrefs=_hrefs(overview, one_file),
        harmed={page.choice.condition: page.choice for page in overview.pages},
        data=_data(overview, one_file),
        assets="assets/",
        inline=inlined() if one_file else None,
    )


def _findings(inputs: Inputs) -> dict[str, list[str]]:
    """The sentences: what a condition breaks most and the headline first, those of other measures last."""
    news = [f for f in inputs.verdicts[:1] if f.kind == "condition"]
    top = [*news, *(f for f in inputs.verdicts if f.kind == "headline")]
    rest = [f for f in inputs.verdicts if f not in top]
    here = {"", inputs.measures[0].metric}
    return {
        "headline": [f.sentence for f in top],
        "findings": [f.sentence for f in rest if f.metric in here],
        "further": [f.sentence for f in rest if f.metric not in here],
    }


def _factors(inputs: Inputs) -> dict[str, Any]:
    """What the sections of what is varied are given."""
    return {
        "changes": change_tables(inputs),
        "doses": curve_tables(inputs),
        "rate_words": rate_words,
        "reaches": resolution_ranges(inputs) if sizes_of(inputs) else [],
        "run_costs": costs_of(inputs),
        "truth": truth_of(inputs),
        "sources": sources_of(inputs),
        "published": published_of(inputs),
        "repeats": repeat_tables(inputs),
    }


def save_tables(overview: Overview, folder: Path) -> None:
    """The leaderboard, the failures and every table of the analysis, as TSV and LaTeX."""
    inputs = overview.inputs
    found = {"leaderboard": leaderboard(inputs, overview.lines)}
    found |= {"failures": failure_table(reasons(inputs))} | inputs.tables
    for name, table in found.items():
        write_text(folder / f"{name}.tsv", to_tsv(table))
        write_text(folder / f"{name}.tex", to_latex(table, f"{inputs.evaluation.track.name}: {name}"))


def failure_table(found: Sequence[Reason]) -> pd.DataFrame:
    """The reasons as a table."""
    rows = [(r.method, r.outcome, r.count, r.message, ", ".join(r.pairs)) for r in found]
    return pd.DataFrame(rows, columns=["method", "outcome", "runs", "message", "first_pairs"])


def _figures(drawn_figures: Sequence[ReportFigure]) -> dict[str, list[FigureHtml]]:
    found: dict[str, list[FigureHtml]] = {section: [] for section in SECTIONS}
    for drawn in drawn_figures:
        figure = FigureHtml(
            drawn.wide.title, file_name(drawn.wide), to_svg(drawn.wide), to_svg(drawn.narrow), drawn.pick
        )
        found[drawn.section].append(figure)
    return found


def _sparks(lines: Sequence[MethodRow]) -> dict[str, Markup]:
    """Method -> a small plot of its effect and interval, all on one scale, for a cell of the leaderboard."""
    known = [s for s in lines if np.isfinite(s.effect)]
    scale = fit([0.0, *(v for s in known for v in (s.effect, s.effect_low, s.effect_high))], 4, 116)
    return {s.method: _spark(s, scale) for s in known}


def _spark(line: MethodRow, scale: Scale) -> Markup:
    marks: list[Mark] = [Line([(scale(0), 1), (scale(0), 17)], color="rule")]
    if np.isfinite(line.effect_low) and np.isfinite(line.effect_high):
        marks.append(Line([(scale(line.effect_low), 9), (scale(line.effect_high), 9)], color="ink", width=1.6))
    marks.append(Dot((scale(line.effect), 9), 3, "ink", "ink"))
    told = f"{short(line.effect)} [{short(line.effect_low)}, {short(line.effect_high)}]"
    return to_svg(Scene(f"spark-{line.method}", told, told, 120, 18, marks))


def _duels(inputs: Inputs) -> list[dict[str, str]]:
    """All comparisons of the first measure, as text."""
    rows = comparisons(inputs, inputs.measures[0], inputs.conditions[0])
    columns = ("method", "reference", "n_pairs", "n_subjects", "dropped", "difference", "ci_low", "ci_high", "d_z", "d_av",
               "p_holm", "note")  # fmt: skip
    return [{c: cell(row[c]) for c in columns} for row in records(rows)]


def rank_columns(inputs: Inputs) -> list[tuple[str, str]]:
    """The couples of scheme and policy for which there is a ranking."""
    rows = rankings(inputs, None, inputs.conditions[0])
    return list(dict.fromkeys(zip(rows["scheme"].astype(str), rows["policy"].astype(str), strict=True)))


def _ranks(inputs: Inputs) -> dict[str, list[str]]:
    """Method -> its rank by the first measure (or all, where a scheme merges them) in every column."""
    every = rankings(inputs, None, inputs.conditions[0])
    first = rankings(inputs, inputs.measures[0], inputs.conditions[0])
    found: dict[str, list[str]] = {}
    for method in inputs.methods:
        for scheme, policy in rank_columns(inputs):
            same = (every["scheme"] == scheme) & (every["policy"] == policy) & (every["method"] == method)
            rows = first.loc[first.index.intersection(every.index[same])]
            rows = rows if len(rows) else every[same & (every["metric"] == MERGED)]
            found.setdefault(method, []).append(cell(float(rows["rank"].iloc[0])) if has_rank(rows) else NONE)
    return found


def _power(inputs: Inputs) -> pd.DataFrame:
    """How many subjects and pairs it would take: the first measure, only the columns that answer that."""
    table = inputs.tables.get("power")
    if table is None:
        return pd.DataFrame()
    rows = of_measure(table, inputs.measures[0])
    rows = rows[rows["condition"] == inputs.conditions[0]]
    return rows[[c for c in POWER_SHOWN if c in rows.columns]]


def has_rank(rows: pd.DataFrame) -> bool:
    """Whether the first row has a rank."""
    return len(rows) > 0 and not pd.isna(rows["rank"].iloc[0])


def _warned(runs: pd.DataFrame) -> list[tuple[str, int]]:
    """Kinds of warning and on how many runs: those that differ in numbers only are one kind, told by its first."""
    told = runs.loc[runs["warnings"] != "", "warnings"].astype(str)
    kinds = told.groupby(told.str.replace(r"\d+(\.\d+)?", "#", regex=True)).agg(["first", "size"])
    kinds = kinds.sort_values("size", ascending=False, kind="stable").head(12)
    return [(str(text), int(count)) for text, count in zip(kinds["first"], kinds["size"], strict=True)]


def _facts(inputs: Inputs) -> dict[str, int]:
    pairs = inputs.pairs.values()
    subjects = {p.fixed.subject for p in pairs} | {p.moving.subject for p in pairs}
    return {
        "pairs": len(pairs),
        "subjects": len(subjects),
        "runs": len(inputs.runs),
        "planned": len(inputs.evaluation.pairs),
    }


def _hrefs(overview: Overview, one_file: bool) -> dict[str, str]:
    """Name of a pair's page -> its address, seen from the overview."""
    names = [page.choice.name for page in overview.pages]
    return {name: f"#pair-{name}" if one_file else f"pairs/{name}.html" for name in names}


def _data(overview: Overview, one_file: bool) -> dict[str, Any]:
    """Compact arrays: pairs by index, and per measure the values (methods x pairs) with four digits."""
    inputs = overview.inputs
    condition = inputs.conditions[0]
    hrefs = _hrefs(overview, one_file)
    return {
        "pairs": [
            [id_, p.fixed.name, p.moving.name, p.fixed.subject, p.moving.subject] for id_, p in inputs.pairs.items()
        ],
        "pages": {
            page.choice.pair: hrefs[page.choice.name] for page in overview.pages if page.choice.condition == condition
        },
        "methods": inputs.methods,
        "measures": [[m.title, m.unit] for m in inputs.measures],
        "values": {f"{i}/0": _compact(inputs.matrix(m, condition)) for i, m in enumerate(inputs.measures)},
    }


def _compact(values: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{v:.4g}") if np.isfinite(v) else None for v in row] for row in values]
