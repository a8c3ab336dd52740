"""The stage `report`: tables, records and images of OUT -> pages that open offline."""

from collections.abc import Sequence
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.core.manifest import list_files
from lumirage.core.screen import Screen
from lumirage.reporting.report_folder import ReportOptions, write_report


def report(layout: Layout, screen: Screen, pairs: Sequence[str] = (), *, one_file: bool = False) -> Path:
    """The report; gives its page."""
    options = ReportOptions(pairs=tuple(pairs), one_file=one_file)

    def progress(what: str, done: int, total: int) -> None:
        screen.progress(f"report: {what}", done, total)

    page = write_report(layout, options, progress, lambda problem: screen.say(f"report: not made: {problem}"))
    list_files(layout, "report", (path for path in layout.report.rglob("*") if path.is_file()))
    return page
