"""Writes the report of an evaluation: a folder that opens offline, and on wish one file."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import Layout, write_text
from lumirage.reporting.chosen_pairs import Chosen, choose
from lumirage.reporting.figures import draw_figures, save_figures
from lumirage.reporting.overview import Overview, render_overview, save_tables
from lumirage.reporting.page_templates import ASSETS, VIEWER, render_pair, volumes_script
from lumirage.reporting.pair_page import PairPage, make_pair_page
from lumirage.reporting.report_inputs import Inputs, read_inputs, read_label_values
from lumirage.reporting.report_tables import method_rows

Progress = Callable[[str, int, int], None]
"""Called with a phase, how much of it is done and how much there is."""


@dataclass(frozen=True)
class ReportOptions:
    """What to make."""

    pairs: tuple[str, ...] = ()
    """Ids of pairs that get a page whatever their values."""
    most_pages: int = 12
    """Pages of pairs beyond those asked for."""
    one_file: bool = False
    """Also write report.html, which holds everything."""


def silent(phase: str, done: int, total: int) -> None:
    """No progress."""


def write_report(layout: Layout, options: ReportOptions, on_progress: Progress = silent) -> Path:
    """Write the report and give the path of its index.html.

    Raises DataError when there is nothing to report, UsageError for a pair that is not in the evaluation.
    """
    on_progress("read", 0, 1)
    inputs = read_inputs(layout)
    _check_asked(inputs, options.pairs)
    folder = layout.report
    _clear(folder)
    chosen = choose(inputs, options.pairs, options.most_pages)
    pages = _write_pairs(inputs, chosen, folder, on_progress)
    on_progress("overview", 0, 1)
    overview = Overview(inputs, tuple(pages), draw_figures(inputs), method_rows(inputs, inputs.conditions[0]))
    save_tables(overview, folder / "tables")
    save_figures(overview.drawn_figures, folder / "figures")
    write_text(folder / "index.html", render_overview(overview))
    if options.one_file:
        write_text(folder / "report.html", render_overview(overview, one_file=True))
    on_progress("overview", 1, 1)
    return folder / "index.html"


def _check_asked(inputs: Inputs, asked: tuple[str, ...]) -> None:
    for pair in asked:
        if pair not in inputs.pairs:
            raise UsageError(f"there is no scored pair '{pair}'{nearest(pair, inputs.pairs)}")


def _clear(folder: Path) -> None:
    # Pages of an earlier report must not stay behind; nothing else lies in these folders.
    for name in ("pairs", "figures", "tables", "assets"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "assets").mkdir(parents=True)
    for source in (*ASSETS, VIEWER, VIEWER.with_name("LICENSE.txt")):
        shutil.copyfile(source, folder / "assets" / source.name)


def _write_pairs(inputs: Inputs, chosen: list[Chosen], folder: Path, on_progress: Progress) -> list[PairPage]:
    pages = []
    label_values = read_label_values(inputs.layout.score_table, [choice.pair for choice in chosen])
    for done, choice in enumerate(chosen):
        on_progress("pairs", done, len(chosen))
        page = make_pair_page(inputs, choice, label_values)
        write_text(folder / "pairs" / f"{choice.name}.html", render_pair(page))
        if page.volumes:
            write_text(folder / "pairs" / f"{choice.name}.volumes.js", volumes_script(page))
        pages.append(page)
    on_progress("pairs", len(chosen), len(chosen))
    return pages
