"""Writes the pages of pairs, by several processes if there is enough to do; imports no more than they need."""

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd

from lumirage.core.layout import write_text
from lumirage.core.model import SCORE_COLUMNS
from lumirage.reporting.chosen_pairs import Chosen
from lumirage.reporting.page_templates import render_pair, volumes_script
from lumirage.reporting.pair_page import PageValues, PairPage, make_pair_page, page_values, page_without
from lumirage.reporting.report_inputs import Inputs, read_label_values
from lumirage.reporting.report_problems import ReportProblems

FEWEST = 3
"""Pages for which a process is worth its start, which costs as much as making two or three."""

Progress = Callable[[str, int, int], None]
"""Called with a phase, the steps done and the total."""

_Task = tuple[Chosen, tuple[str, str]]
"""A pair, and the names of the pages before and after its own."""
_Made = tuple[PairPage, list[str]]
"""A page, and what could not be made of it."""


def write_pairs(
    inputs: Inputs, chosen: list[Chosen], place: tuple[Path, int], reporter: tuple[Progress, ReportProblems]
) -> list[PairPage]:
    """Write the page of each chosen pair below a folder, by so many processes; gives them in the order they were chosen."""
    pages = []
    (folder, workers), (on_progress, problems) = place, reporter
    values = problems.attempt(
        "scores of single labels",
        lambda: page_values(inputs, read_label_values(inputs.layout.score_table, [choice.pair for choice in chosen])),
        lambda _: PageValues(pd.DataFrame(columns=list(SCORE_COLUMNS)), (math.nan,) * len(inputs.measures)),
    )
    names = ["", *(choice.name for choice in chosen), ""]
    tasks = list(zip(chosen, zip(names[:-2], names[2:], strict=True), strict=True))
    on_progress("pairs", 0, len(tasks))
    made = _mapped(partial(_page_or_reason, inputs, values, folder), tasks, workers)
    for done, (page, told) in enumerate(made, start=1):
        pages.append(page)
        problems.told += told
        on_progress("pairs", done, len(tasks))
    return pages


def _mapped(make: Callable[[_Task], _Made], tasks: Sequence[_Task], workers: int) -> Iterator[_Made]:
    """What is made of each task, in their order, by several processes if that is asked for and there is enough to do."""
    workers = min(workers, len(tasks) // FEWEST)
    if workers < 2:
        yield from map(make, tasks)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(make, tasks)
        finally:
            pool.shutdown(cancel_futures=True)


def _page_or_reason(inputs: Inputs, values: PageValues, folder: Path, task: _Task) -> _Made:
    choice, around = task
    problems = ReportProblems()
    page = problems.attempt(
        f"page of {choice.name}",
        partial(_write_pair, inputs, choice, (values, problems), (folder, around)),
        partial(_write_reason, inputs, choice, (folder, around)),
    )
    return page, problems.told


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
