"""The stage `report`: tables, records and images of OUT -> pages that open offline."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.core.manifest import list_files
from lumirage.core.screen import Screen
from lumirage.reporting.mosaic import Effort
from lumirage.reporting.report_folder import ReportOptions, write_report

MOST_WORKERS = 8
"""Processes: each holds two images, their labels and a field, some 300 MB at 1 mm."""


def report(
    layout: Layout,
    screen: Screen,
    pairs: Sequence[str] = (),
    *,
    workers: int = 1,
    one_file: bool = False,
    mosaic: bool = False,
) -> Path:
    """The report; gives its page. `workers` processes make the pages of pairs.

    With `mosaic` it makes the small pictures of all pairs, however long that takes.
    """
    effort = Effort(math.inf, min(len(os.sched_getaffinity(0)), MOST_WORKERS)) if mosaic else Effort()
    options = ReportOptions(pairs=tuple(pairs), one_file=one_file, mosaic=effort, workers=min(workers, MOST_WORKERS))

    def progress(what: str, done: int, total: int) -> None:
        screen.progress(f"report: {what}", done, total)

    page = write_report(layout, options, progress, lambda problem: screen.say(f"report: not made: {problem}"))
    list_files(layout, "report", (path for path in layout.report.rglob("*") if path.is_file()))
    return page
