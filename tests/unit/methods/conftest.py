from pathlib import Path

import pytest

from lumirage.core.model import GridNeeds
from lumirage.methods.known_warps import CheckPair, known_pairs


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[CheckPair, ...]:
    """Three known pairs on a small lattice."""
    return known_pairs(tmp_path_factory.mktemp("known"), GridNeeds(shape=(28, 36, 30)))


@pytest.fixture
def method_folder(tmp_path: Path) -> Path:
    """A method's folder with the least that one can hold."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "ARG BASE_IMAGE=python:3.11-slim-bookworm\nFROM ${BASE_IMAGE}\nARG PIP_FIND_LINKS\n"
    )
    (folder / "run.py").write_text("print('hello')\n")
    (folder / "requirements.txt").write_text("numpy==2.4.6\n")
    (folder / "method.yaml").write_text("name: mine\nversion: '1'\nsummary: Mine.\nkind: iterative\n")
    return folder
