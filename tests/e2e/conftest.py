"""Whole commands, as a user types them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lumirage.datasets.phantom import PhantomSpec, make_phantom

Command = Callable[..., subprocess.CompletedProcess[str]]
HARNESS = [sys.executable, "-m", "lumirage.cli"]
SHARED = Path(os.environ.get("LUMIRAGE_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people at 4 mm: all of the flow in seconds."""
    folder = tmp_path_factory.mktemp("data") / "phantom"
    make_phantom(folder, PhantomSpec(subjects=3, spacing_mm=4.0, contrasts=("T1w",), seed=1))
    return folder


@pytest.fixture
def harness() -> Command:
    """Run a command; gives its exit code and what it printed."""

    def run(*words: str | Path, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*HARNESS, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers; a user's machine without one skips, CI fails."""
    from lumirage.core.errors import UnavailableError
    from lumirage.running.runtimes import choose

    try:
        choose("docker")
    except UnavailableError as error:
        if os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
            raise
        pytest.skip(f"docker: {error}")
