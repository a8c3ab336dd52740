"""One evaluation under Docker and under Apptainer: the same images by digest, the same scores to the last digit."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.containers.conftest import BASE, remove_images, working

from lumirage.core.layout import shipped
from lumirage.datasets.phantom import PhantomSpec, make_phantom

pytestmark = pytest.mark.long


@pytest.fixture
def greedy(tmp_path: Path) -> Iterator[Path]:
    """The method's folder under a name of its own: nobody else builds that image meanwhile."""
    folder = tmp_path / f"greedy-{uuid.uuid4().hex[:8]}"
    shutil.copytree(shipped("method_containers") / "greedy", folder)
    yield folder
    remove_images(f"lumirage/{folder.name}")


def test_the_same_numbers(greedy: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("docker", "apptainer"):
        working(name, tmp_path_factory)
    data = tmp_path / "bids"
    make_phantom(data, PhantomSpec(subjects=3, spacing_mm=4.0, contrasts=("T1w",), seed=1))
    environment = {**os.environ, "LUMIRAGE_BASE_IMAGE": BASE, "LUMIRAGE_SIF_DIR": str(tmp_path / "sif")}
    scores, runs = {}, {}
    for name in ("docker", "apptainer"):
        out = tmp_path / name
        order = ["run", "-m", greedy, "--track", "phantom", "--runtime", name, data, out]
        for words in (order, ["score", out]):
            argv = [sys.executable, "-m", "lumirage.cli", *words]
            subprocess.run(argv, check=True, timeout=900, env=environment, stdout=subprocess.DEVNULL)
        scores[name] = pd.read_csv(out / "scores.tsv", sep="\t")
        found = [json.loads(path.read_text()) for path in out.rglob("*_run.json")]
        assert {run["runtime"] for run in found} == {name}
        runs[name] = {run["pair"]: (run["outcome"], run["image"], run["answer_sha256"]) for run in found}
    assert len(runs["docker"]) == 2
    assert runs["docker"] == runs["apptainer"]
    pd.testing.assert_frame_equal(scores["docker"], scores["apptainer"])
