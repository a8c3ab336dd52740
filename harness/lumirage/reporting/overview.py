"""The overview page: what its sections hold, and the compact data that its script works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lumirage.layout import write_text
from lumirage.reporting.failures import Reason, failed_pairs, outcome_counts, reasons
from lumirage.reporting.figures import file_name, plates
from lumirage.reporting.inputs import Inputs
from lumirage.reporting.page import inlined, render
from lumirage.reporting.pair_page import PairPage
from lumirage.reporting.rows import NARROW, WIDE, colors_of
from lumirage.reporting.scene import to_svg
from lumirage.reporting.tables import leaderboard, shown, standings, to_latex, to_tsv


@dataclass(frozen=True)
class Overview:
    """What the template is given."""

    inputs: Inputs
    pages: tuple[PairPage, ...]


@dataclass(frozen=True)
class FigureHtml:
    """A figure on the page: wide and narrow, and the name of its files."""

    title: str
    file: str
    wide: Markup
    narrow: Markup


def render_overview(overview: Overview, *, one_file: bool = False) -> str:
    """The page as HTML; with `one_file` all styles, scripts and pages of pairs are in it."""
    inputs = overview.inputs
    lines = standings(inputs, inputs.conditions[0])
    return render(
        "overview.html.j2",
        overview=overview,
        inputs=inputs,
        evaluation=inputs.evaluation,
        lines=lines,
        shown=shown(inputs.measures),
        colors=colors_of(inputs.methods),
        figures=_figures(inputs),
        outcomes=outcome_counts(inputs),
        reasons=reasons(inputs),
        failed=len(failed_pairs(inputs)),
        warned=_warned(inputs.runs),
        facts=_facts(inputs),
        tables=inputs.tables,
        data=_data(overview, one_file),
        assets="assets/",
        inline=inlined() if one_file else None,
    )


def save_tables(inputs: Inputs, folder: Path) -> None:
    """The leaderboard, the failures and every table of the analysis, as TSV and LaTeX."""
    found = {"leaderboard": leaderboard(inputs, standings(inputs, inputs.conditions[0]))}
    found |= {"failures": failure_table(reasons(inputs))} | inputs.tables
    for name, table in found.items():
        write_text(folder / f"{name}.tsv", to_tsv(table))
        write_text(folder / f"{name}.tex", to_latex(table, f"{inputs.evaluation.track.name}: {name}"))


def failure_table(found: Sequence[Reason]) -> pd.DataFrame:
    """The reasons as a table."""
    rows = [(r.method, r.outcome, r.count, r.message, ", ".join(r.pairs)) for r in found]
    return pd.DataFrame(rows, columns=["method", "outcome", "runs", "message", "first_pairs"])


def _figures(inputs: Inputs) -> dict[str, list[FigureHtml]]:
    found: dict[str, list[FigureHtml]] = {}
    for plate in plates(inputs):
        wide, narrow = plate.draw(WIDE), plate.draw(NARROW)
        figure = FigureHtml(wide.title, file_name(wide), to_svg(wide), to_svg(narrow))
        found.setdefault(plate.section, []).append(figure)
    return found


def _warned(runs: pd.DataFrame) -> list[tuple[str, int]]:
    counts = runs.loc[runs["warnings"] != "", "warnings"].value_counts()
    return [(str(text), int(count)) for text, count in counts.head(12).items()]


def _facts(inputs: Inputs) -> dict[str, int]:
    pairs = inputs.pairs.values()
    subjects = {p.fixed.subject for p in pairs} | {p.moving.subject for p in pairs}
    return {
        "pairs": len(pairs),
        "subjects": len(subjects),
        "runs": len(inputs.runs),
        "planned": len(inputs.evaluation.pairs),
    }


def _data(overview: Overview, one_file: bool) -> dict[str, Any]:
    """Compact arrays: pairs by index, and per measure the values (methods x pairs) with four digits."""
    inputs = overview.inputs
    condition = inputs.conditions[0]
    where = "#pair-" if one_file else "pairs/"
    ending = "" if one_file else ".html"
    return {
        "pairs": [
            [id_, p.fixed.name, p.moving.name, p.fixed.subject, p.moving.subject] for id_, p in inputs.pairs.items()
        ],
        "pages": {page.choice.pair: f"{where}{page.choice.name}{ending}" for page in overview.pages},
        "methods": inputs.methods,
        "measures": [[m.title, m.unit] for m in inputs.measures],
        "values": {f"{i}/0": _compact(inputs.matrix(m, condition)) for i, m in enumerate(inputs.measures)},
    }


def _compact(values: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{v:.4g}") if np.isfinite(v) else None for v in row] for row in values]
