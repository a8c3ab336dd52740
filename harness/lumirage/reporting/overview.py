"""Makes the overview page: the content of its sections, and the compact data for its script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lumirage.core.layout import write_text
from lumirage.core.time_spent import TimeSpent, in_words, time_spent
from lumirage.reporting.analysis_tables import MERGED, base_of, comparisons, of_measure, rankings, records
from lumirage.reporting.axes import NONE, Scale, fit, short
from lumirage.reporting.citations import paragraphs, references
from lumirage.reporting.displayed_measures import definitions_of
from lumirage.reporting.failure_tables import Reason, failed_pairs, outcome_counts, reasons
from lumirage.reporting.figures import SECTIONS, ReportFigure, file_name
from lumirage.reporting.headline_figure import halves_of, headline_figure
from lumirage.reporting.label_sources import sources_of
from lumirage.reporting.mosaic import Tile
from lumirage.reporting.page_data import page_data
from lumirage.reporting.page_templates import inlined, render
from lumirage.reporting.pair_page import PairPage
from lumirage.reporting.preparation_effects import change_tables
from lumirage.reporting.published_numbers import published_of
from lumirage.reporting.regularity_figures import curve_tables, rate_words
from lumirage.reporting.repeat_variance import repeat_tables
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.report_tables import MethodRow, cell, leaderboard, shown_columns, to_latex, to_tsv
from lumirage.reporting.resolution_results import costs_of, resolution_ranges, sizes_of
from lumirage.reporting.scene import Dot, Line, Mark, Scene, numbers_of, to_svg
from lumirage.reporting.true_error_figures import truth_of

POWER_SHOWN = (
    "method", "reference", "target", "smallest_seen", "subjects_chain", "pairs_chain", "subjects_all_pairs",
    "pairs_all_pairs", "pairs_separate",
)  # fmt: skip
"""Columns of power.tsv on the page."""


@dataclass(frozen=True)
class Overview:
    """The context of the template."""

    inputs: Inputs
    pages: tuple[PairPage, ...]
    drawn_figures: Sequence[ReportFigure]
    lines: Sequence[MethodRow]
    problems: ReportProblems
    mosaic: tuple[Tile, ...] = ()


@dataclass(frozen=True)
class FigureHtml:
    """A figure on the page: wide and narrow, and the name of its files."""

    title: str
    file: str
    wide: Markup
    narrow: Markup
    pick: str
    numbers: Sequence[Sequence[str]]
    """What is drawn as a table, the names of its columns first."""


def render_overview(overview: Overview, *, one_file: bool = False) -> str:
    """The page as HTML; with `one_file` it includes all styles, scripts and pages of pairs.

    Each part that cannot be made is left out and named; where not even the rest can be put together, the page says so and
    leads to the files.
    """
    inputs, problems = overview.inputs, overview.problems
    parts = {
        name: problems.attempt(f"part '{name}' of the overview", make, lambda _, empty=empty: empty)  # type: ignore[misc]
        for name, (make, empty) in _parts(overview, one_file).items()
    }
    given = {
        **parts,
        "overview": overview,
        "inputs": inputs,
        "evaluation": inputs.evaluation,
        "lines": overview.lines,
        **_findings(inputs),
        "warnings_first": _warnings_first(overview),
        "tables": inputs.tables,
        "harmed": {page.choice.condition: page.choice for page in overview.pages},
        "problems": list(dict.fromkeys(problems.told)),
        "assets": "assets/",
        "inline": inlined() if one_file else None,
    }
    return problems.attempt(
        "overview",
        lambda: render("overview.html.j2", **given),
        lambda why: render("not_made.html.j2", **given | {"why": why}),
    )


def _findings(inputs: Inputs) -> dict[str, list[str]]:
    """The sentences: the largest loss under a condition and the headline first, those of other measures last."""
    news = [f for f in inputs.verdicts[:1] if f.kind == "condition"]
    top = [*news, *(f for f in inputs.verdicts if f.kind == "headline")]
    rest = [f for f in inputs.verdicts if f not in top]
    here = {"", inputs.measures[0].metric}
    return {
        "headline": [f.sentence for f in top],
        "findings": [f.sentence for f in rest if f.metric in here],
        "further": [f.sentence for f in rest if f.metric not in here],
    }


def _warnings_first(overview: Overview) -> list[tuple[str, str]]:
    """What must be seen on the first screen, as a link's address and its text."""
    inputs = overview.inputs
    found = []
    if inputs.evaluation.caution:
        found.append(("#caution", "what these numbers cannot say"))
    if inputs.study_changes:
        found.append(("#study-changed", "the study's claims were changed after its first run"))
    if doubts := len(inputs.pair_warnings):
        found.append(("#doubts", f"{doubts} of {len(inputs.pairs)} pairs are doubtful"))
    if lost := len(inputs.evaluation.left_out):
        found.append(("#left-out", f"{lost} pairs were left out"))
    if overview.problems.told:
        found.append(("#problems", "parts of this report could not be made"))
    return found


def _parts(overview: Overview, one_file: bool) -> dict[str, tuple[Callable[[], Any], Any]]:
    """Name in the template -> how to make it, and its substitute if that fails."""
    inputs, lines = overview.inputs, overview.lines
    return {
        "shown": (lambda: shown_columns(inputs.measures, lines), [0]),
        "halves": (lambda: [halves_of(inputs, m) for m in inputs.measures], [{}] * len(inputs.measures)),
        "sparks": (lambda: _sparks(lines), {}),
        "first_figure": (lambda: headline_figure(inputs, lines), None),
        "looks": (lambda: inputs.looks, {}),
        "base": (lambda: base_of(comparisons(inputs, inputs.measures[0], inputs.conditions[0])), ""),
        "duels": (lambda: _duels(inputs), []),
        "ranks": (lambda: _ranks(inputs), {}),
        "rank_columns": (lambda: rank_columns(inputs), []),
        "definitions": (lambda: definitions_of(inputs.measures), []),
        "paragraphs": (lambda: paragraphs(inputs), []),
        "references": (lambda: references(inputs), []),
        "figures": (lambda: _figures(overview.drawn_figures), {section: [] for section in SECTIONS}),
        "outcomes": (lambda: outcome_counts(inputs), pd.DataFrame()),
        "reasons": (lambda: reasons(inputs), []),
        "failed": (lambda: len(failed_pairs(inputs)), 0),
        "warned": (lambda: _warned(inputs.runs), []),
        "facts": (lambda: _facts(inputs), {"pairs": 0, "subjects": 0, "runs": 0, "planned": 0}),
        "changes": (lambda: change_tables(inputs), []),
        "doses": (lambda: curve_tables(inputs), []),
        "rate_words": (lambda: rate_words, str),
        "reaches": (lambda: resolution_ranges(inputs) if sizes_of(inputs) else [], []),
        "run_costs": (lambda: costs_of(inputs), []),
        "time_spent": (lambda: in_words(time_spent(inputs.layout) or TimeSpent()), ""),
        "truth": (lambda: truth_of(inputs), None),
        "sources": (lambda: sources_of(inputs), []),
        "published": (lambda: published_of(inputs), None),
        "repeats": (lambda: repeat_tables(inputs), []),
        "power": (lambda: _power(inputs), pd.DataFrame()),
        "hrefs": (lambda: _hrefs(overview, one_file), {}),
        "data": (lambda: page_data(inputs, _pages(overview, one_file), overview.mosaic), {}),
    }


def save_tables(overview: Overview, folder: Path) -> None:
    """The leaderboard, the failures and every table of the analysis, as TSV and LaTeX."""
    inputs = overview.inputs
    made: dict[str, Callable[[], pd.DataFrame]] = {
        "leaderboard": lambda: leaderboard(inputs, overview.lines),
        "failures": lambda: failure_table(reasons(inputs)),
    }
    if inputs.evaluation.left_out:
        rows = list(inputs.evaluation.left_out.items())
        made["left_out"] = lambda: pd.DataFrame(rows, columns=["pair", "why"])
    made |= {name: partial(pd.DataFrame, table) for name, table in inputs.tables.items()}

    def save(name: str) -> None:
        table = made[name]()
        write_text(folder / f"{name}.tsv", to_tsv(table))
        write_text(folder / f"{name}.tex", to_latex(table, f"{inputs.evaluation.track.name}: {name}"))

    for name in made:
        overview.problems.attempt(f"table {name}", partial(save, name), lambda _: None)
    if (structures := inputs.layout.table("structures")).is_file():
        text = structures.read_text(encoding="utf-8")  # too long for LaTeX
        overview.problems.attempt(
            "table structures", lambda: write_text(folder / structures.name, text), lambda _: None
        )


def failure_table(found: Sequence[Reason]) -> pd.DataFrame:
    """The reasons as a table."""
    rows = [(r.method, r.condition, r.outcome, r.count, r.message, r.last_words, ", ".join(r.pairs)) for r in found]
    columns = ["method", "condition", "outcome", "runs", "message", "last_words", "first_pairs"]
    return pd.DataFrame(rows, columns=columns)


def _figures(drawn_figures: Sequence[ReportFigure]) -> dict[str, list[FigureHtml]]:
    found: dict[str, list[FigureHtml]] = {section: [] for section in SECTIONS}
    for drawn in drawn_figures:
        figure = FigureHtml(
            drawn.wide.title, file_name(drawn.wide), to_svg(drawn.wide), to_svg(drawn.narrow), drawn.pick,
            numbers_of(drawn.wide),
        )  # fmt: skip
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
    """The combinations of scheme and policy that have a ranking."""
    rows = rankings(inputs, None, inputs.conditions[0])
    return list(dict.fromkeys(zip(rows["scheme"].astype(str), rows["policy"].astype(str), strict=True)))


def _ranks(inputs: Inputs) -> dict[str, list[str]]:
    """Method -> its rank by the first measure (or by all, if a scheme merges them) in every column."""
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
    """Numbers of subjects and pairs needed: for the first measure, only the relevant columns."""
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
    """Kinds of warning with their number of runs: warnings that differ only in numbers are one kind, shown by the first."""
    told = runs.loc[runs["warnings"] != "", "warnings"].astype(str)
    kinds = told.groupby(told.str.replace(r"\d+(\.\d+)?", "#", regex=True)).agg(["first", "size"])
    kinds = kinds.sort_values("size", ascending=False, kind="stable").head(12)
    return [(str(text), int(count)) for text, count in zip(kinds["first"], kinds["size"], strict=True)]


def _facts(inputs: Inputs) -> dict[str, int]:
    pairs = inputs.pairs.values()
    subjects = {scan.subject for pair in pairs for scan in (pair.fixed, pair.moving)}
    planned = len(inputs.evaluation.pairs)
    return {"pairs": len(pairs), "subjects": len(subjects), "runs": len(inputs.runs), "planned": planned}


def _pages(overview: Overview, one_file: bool) -> dict[str, str]:
    """Pair -> the address of its page under the first condition."""
    hrefs, condition = _hrefs(overview, one_file), overview.inputs.conditions[0]
    return {p.choice.pair: hrefs[p.choice.name] for p in overview.pages if p.choice.condition == condition}


def _hrefs(overview: Overview, one_file: bool) -> dict[str, str]:
    """Name of a pair's page -> its address relative to the overview."""
    names = [page.choice.name for page in overview.pages]
    return {name: f"#pair-{name}" if one_file else f"pairs/{name}.html" for name in names}
