"""One phantom for all tellings."""

from pathlib import Path

import pytest

from lumirage.datasets.phantom import PhantomSpec, make_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people at 3 mm."""
    folder = tmp_path_factory.mktemp("data") / "phantom"
    make_phantom(folder, PhantomSpec(subjects=3, spacing_mm=3.0, contrasts=("T1w",), seed=3))
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests measured, also where they ran in processes of their own."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in getattr(report, "user_properties", ()):
            if name == "spread":
                terminalreporter.write_line(str(text))
