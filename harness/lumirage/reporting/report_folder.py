"""Writes the report of an evaluation: a folder that opens offline, and optionally one file."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import Layout, write_text
from lumirage.core.model import SCORE_COLUMNS
from lumirage.reporting.chosen_pairs import Chosen, choose
from lumirage.reporting.figures import draw_figures, save_figures
from lumirage.reporting.mosaic import FOLDER, Effort, Tile, make_mosaic
from lumirage.reporting.overview import Overview, render_overview, save_tables
from lumirage.reporting.page_templates import ASSETS, VIEWER, render_pair, volumes_script
from lumirage.reporting.pair_page import PageValues, PairPage, make_pair_page, page_values, page_without
from lumirage.reporting.report_inputs import Inputs, read_inputs, read_label_values
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.report_tables import MethodRow, method_rows

Progress = Callable[[str, int, int], None]
"""Called with a phase, the steps done and the total."""


@dataclass(frozen=True)
class ReportOptions:
    """Settings of the report."""

    pairs: tuple[str, ...] = ()
    """Ids of pairs that always get a page."""
    most_pages: int = 12
    """Number of pages of pairs besides the requested ones."""
    mosaic: Effort = field(default_factory=Effort)
    """For small pictures of all pairs that are not there from an earlier report."""
    one_file: bool = False
    """Also write report.html, which contains everything."""


def silent(phase: str, done: int, total: int) -> None:
    """No progress."""


def unheard(problem: str) -> None:
    """Ignores problems."""


def write_report(
    layout: Layout,
    options: ReportOptions,
    on_progress: Progress = silent,
    on_problem: Callable[[str], None] = unheard,
) -> Path:
    """Write the report; gives the path of its index.html.

    A part that cannot be made is replaced by the reason, and `on_problem` is called with it; the rest is still written.
    Raises DataError if there is nothing to report, UsageError for a pair that is not in the evaluation.
    """
    problems = ReportProblems()
    on_progress("read", 0, 1)
    inputs = read_inputs(layout)
    _check_asked(inputs, options.pairs)
    folder = layout.report
    _clear(folder)
    chosen: list[Chosen] = problems.attempt(
        "choice of pairs with pictures", lambda: choose(inputs, options.pairs, options.most_pages), lambda _: []
    )
    pages = _write_pairs(inputs, chosen, folder, (on_progress, problems))
    on_progress("overview", 0, 1)
    lines: list[MethodRow] = problems.attempt(
        "leaderboard", lambda: method_rows(inputs, inputs.conditions[0]), lambda _: []
    )
    on_progress("small pictures", 0, 1)
    mosaic: list[Tile] = problems.attempt(
        "mosaic",
        lambda: make_mosaic(inputs, folder / FOLDER, options.mosaic, problems, partial(on_progress, "small pictures")),
        lambda _: [],
    )
    overview = Overview(inputs, tuple(pages), draw_figures(inputs, problems), lines, problems, tuple(mosaic))
    save_tables(overview, folder / "tables")
    save_figures(overview.drawn_figures, folder / "figures", problems)
    write_text(folder / "index.html", render_overview(overview))
    if options.one_file:
        write_text(folder / "report.html", render_overview(overview, one_file=True))
    on_progress("overview", 1, 1)
    for problem in dict.fromkeys(problems.told):
        on_problem(problem)
    return folder / "index.html"


def _check_asked(inputs: Inputs, asked: tuple[str, ...]) -> None:
    for pair in asked:
        if pair not in inputs.pairs:
            raise UsageError(f"there is no scored pair '{pair}'{nearest(pair, inputs.pairs)}")


def _clear(folder: Path) -> None:
    # Remove pages of an earlier report; these folders contain nothing else.
    for name in ("pairs", "figures", "tables", "assets"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "assets").mkdir(parents=True)
    for source in (*ASSETS, VIEWER, VIEWER.with_name("LICENSE.txt")):
        shutil.copyfile(source, folder / "assets" / source.name)


def _write_pairs(
    inputs: Inputs, chosen: list[Chosen], folder: Path, reporter: tuple[Progress, ReportProblems]
) -> list[PairPage]:
    pages = []
    on_progress, problems = reporter
    values = problems.attempt(
        "scores of single labels",
        lambda: page_values(inputs, read_label_values(inputs.layout.score_table, [choice.pair for choice in chosen])),
        lambda _: PageValues(pd.DataFrame(columns=list(SCORE_COLUMNS)), (math.nan,) * len(inputs.measures)),
    )
    names = ["", *(choice.name for choice in chosen), ""]
    around = list(zip(names[:-2], names[2:], strict=True))
    for done, choice in enumerate(chosen):
        on_progress("pairs", done, len(chosen))
        page = problems.attempt(
            f"page of {choice.name}",
            partial(_write_pair, inputs, choice, (values, problems), (folder, around[done])),
            partial(_write_reason, inputs, choice, (folder, around[done])),
        )
        pages.append(page)
    on_progress("pairs", len(chosen), len(chosen))
    return pages


def _write_pair(
    inputs: Inputs,
    choice: Chosen,
    kept: tuple[PageValues, ReportProblems],
    place: tuple[Path, tuple[str, str]],
) -> PairPage:
    page, (folder, around) = make_pair_page(inputs, choice, *kept), place
    write_text(folder / "pairs" / f"{choice.name}.html", render_pair(page, around))
    if page.volumes:
        write_text(folder / "pairs" / f"{choice.name}.volumes.js", volumes_script(page))
    return page


def _write_reason(inputs: Inputs, choice: Chosen, place: tuple[Path, tuple[str, str]], why: str) -> PairPage:
    page, (folder, around) = page_without(inputs, choice, why), place
    write_text(folder / "pairs" / f"{choice.name}.html", render_pair(page, around))
    return page
