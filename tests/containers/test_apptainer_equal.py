"""One evaluation under Docker and under Apptainer: the same images by digest, the same scores to the last digit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.containers.conftest import BASE, working

from lumirage.datasets.phantom import PhantomSpec, make_phantom


def test_the_same_numbers(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("docker", "apptainer"):
        working(name, tmp_path_factory)
    data = tmp_path / "bids"
    make_phantom(data, PhantomSpec(subjects=3, spacing_mm=4.0, contrasts=("T1w",), seed=1))
    environment = {**os.environ, "LUMIRAGE_BASE_IMAGE": BASE, "LUMIRAGE_SIF_DIR": str(tmp_path / "sif")}
    for name in ("docker", "apptainer"):
        words = [sys.executable, "-m", "lumirage.cli", "run", "-m", "greedy"]
        words += ["--track", "phantom", "--runtime", name, str(data), str(tmp_path / name)]
        subprocess.run(words, check=True, timeout=900, env=environment, stdout=subprocess.DEVNULL)
    scores, images, answers = ({}, {}, {})
    for name in ("docker", "apptainer"):
        subprocess.run(
            [sys.executable, "-m", "lumirage.cli", "score", str(tmp_path / name)], check=True, stdout=subprocess.DEVNULL
        )
        scores[name] = pd.read_csv(tmp_path / name / "scores.tsv", sep="\t")
        runs = [json.loads(path.read_text()) for path in sorted((tmp_path / name).rglob("*_run.json"))]
        images[name] = {(run["method"], run["image"]) for run in runs}
        answers[name] = [(run["method"], run["pair"], run["answer_sha256"]) for run in runs]
        assert {run["runtime"] for run in runs} == {name}
    assert images["docker"] == images["apptainer"]
    assert sorted(answers["docker"]) == sorted(answers["apptainer"])
    pd.testing.assert_frame_equal(scores["docker"], scores["apptainer"])
