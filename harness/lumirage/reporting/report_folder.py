"""Writes the report of an evaluation: a folder that opens offline, and optionally one file."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import Layout, write_text
from lumirage.reporting.chosen_pairs import Chosen, choose
from lumirage.reporting.figures import draw_figures, save_figures
from lumirage.reporting.mosaic import FOLDER, Effort, Tile, make_mosaic
from lumirage.reporting.overview import Overview, render_overview, save_tables
from lumirage.reporting.page_templates import ASSETS, VIEWER
from lumirage.reporting.pair_files import Progress, write_pairs
from lumirage.reporting.report_inputs import Inputs, read_inputs
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.report_tables import MethodRow, method_rows


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
    workers: int = 1
    """Processes that make pages of pairs; each holds the images of a pair, and a field."""


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
    pages = write_pairs(inputs, chosen, (folder, options.workers), (on_progress, problems))
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
