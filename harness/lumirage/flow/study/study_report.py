"""Computes the results of a study and writes its page with its tables."""

from lumirage.core.errors import DataError
from lumirage.core.records import write_json
from lumirage.core.screen import Screen
from lumirage.core.study_changes import changes_told
from lumirage.core.study_layout import StudyLayout
from lumirage.core.study_results import StudyResults
from lumirage.flow.study.computed_results import study_results
from lumirage.flow.study.study_costs import study_costs
from lumirage.flow.study.study_declaration import read_study_record
from lumirage.reporting.study_page import StudyPage, write_study_page


def report_study(layout: StudyLayout, screen: Screen) -> StudyResults:
    """The results from what lies on disk, written with the page. Raises DataError where nothing was measured yet."""
    record = read_study_record(layout)
    screen.progress("study: claims", 0, 1)
    results = study_results(layout, record)
    screen.progress("study: claims", 1, 1)
    if not results.tracks:
        raise DataError(
            f"{layout.root}: no track of this study has scores yet; carry it out with 'lumirage-harness study run'"
        )
    write_json(layout.results, results)
    page = StudyPage(layout, record, results, study_costs(layout, results), tuple(changes_told(record)))
    for problem in write_study_page(page):
        screen.say(f"page: not made: {problem}")
    return results
