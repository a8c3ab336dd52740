"""One small synthetic evaluation and its report, made once for all tests here."""

from pathlib import Path

import pytest
from synthetic_out import Recipe, make_out, write_analysis

from lumirage.core.layout import Layout
from lumirage.reporting.report_folder import ReportOptions, write_report
from lumirage.reporting.report_inputs import Inputs, read_inputs


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = make_out(tmp_path_factory.mktemp("blank 'quote' ; &"), Recipe(subjects=4, conditions=False))
    write_analysis(made)
    return made


@pytest.fixture(scope="session")
def report(layout: Layout) -> Path:
    problems: list[str] = []
    page = write_report(layout, ReportOptions(most_pages=3, one_file=True), on_problem=problems.append)
    assert problems == []
    return page.parent


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Conditions, no pictures, and no tables of the analysis."""
    return read_inputs(make_out(tmp_path_factory.mktemp("bare"), Recipe(subjects=4, images=False)))


@pytest.fixture(scope="session")
def factors(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Conditions, resolutions, two label sources, a known truth and repeats, compared; no pictures."""
    made = make_out(tmp_path_factory.mktemp("factors"), Recipe(subjects=4, images=False, factors=True))
    write_analysis(made)
    return read_inputs(made)
