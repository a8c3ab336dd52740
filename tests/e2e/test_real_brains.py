"""The main job on real brains: right numbers in docker, and the same numbers in local."""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from tests.e2e.conftest import HARNESS, SHARED

OASIS = Path(__file__).parents[1] / "data" / "oasis.yaml"
LANDMARKS = Path(__file__).parents[1] / "data" / "landmarks.yaml"
WEIGHTS = SHARED / "weights" / "voxelmorph"
DOSE, GREEDY = "greedy:iterations=100x50x0", "greedy-iterations100x50x0"  # without the level of full resolution


def need(path: Path) -> Path:
    """Data that may not be shipped: a user's machine without them skips, CI fails."""
    if not path.exists():
        if os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
            raise FileNotFoundError(path)
        pytest.skip(f"{path} is not there (set LUMIRAGE_SHARED)")
    return path


def run(*words: str | Path) -> None:
    subprocess.run([*HARNESS, *map(str, words)], check=True, timeout=1500)


def means(out: Path, metric: str) -> pd.Series:
    table = pd.read_parquet(out / "scores.parquet")
    rows = table[(table["metric"] == metric) & table["label"].isna() & (table["name"] == "")]
    return rows.groupby("method")["value"].mean()


@pytest.fixture(scope="module")
def oasis(tmp_path_factory: pytest.TempPathFactory, engine: None) -> Path:
    out = tmp_path_factory.mktemp("oasis") / "out"
    run("methods", "fetch", "voxelmorph", *(w for f in sorted(need(WEIGHTS).glob("*.h5")) for w in ("--from-file", f)))
    data = need(SHARED / "data" / "oasis")
    run("run", "-m", DOSE, "-t", OASIS, "--runtime", "docker", "--limit", "1", data, out)
    run("evaluate", "-m", "voxelmorph", "-t", OASIS, "--runtime", "docker", "--limit", "2", "-j", "2", data, out)
    return out


@pytest.mark.long
def test_the_affine_alone_overlaps_as_far_as_it_should(oasis: Path) -> None:
    assert 0.40 <= means(oasis, "dice_nearest_fg")["affine"] <= 0.47


@pytest.mark.long
def test_greedy_and_voxelmorph_are_well_above_the_affine(oasis: Path) -> None:
    overlap = means(oasis, "dice_nearest_fg")
    assert overlap[GREEDY] > 0.55
    assert overlap["voxelmorph"] > overlap["affine"] + 0.08


@pytest.mark.long
def test_every_run_is_ok_and_has_its_cost(oasis: Path) -> None:
    from lumirage.core.model import Outcome, Run
    from lumirage.core.records import read_json

    runs = [read_json(p, Run) for p in oasis.rglob("*_run.json")]
    assert len(runs) == 3
    for each in runs:
        assert each.outcome is Outcome.OK
        assert each.isolated
        assert each.usage.cpu_s
        assert each.usage.peak_memory_bytes
        assert all(state.startswith("held") for state in each.isolation.values())


@pytest.mark.long
def test_the_report_has_a_picture_of_a_pair(oasis: Path) -> None:
    page = next((oasis / "report" / "pairs").glob("*.html")).read_text()
    assert "<img" in page or "<canvas" in page
    assert "greedy" in page


@pytest.mark.long
def test_local_gives_the_numbers_of_docker(oasis: Path, tmp_path: Path) -> None:
    words = ("run", "-m", DOSE, "-t", OASIS, "--runtime", "local", "--limit", "1")
    run(*words, SHARED / "data" / "oasis", tmp_path / "local")
    run("score", tmp_path / "local")
    here = pd.read_parquet(tmp_path / "local" / "scores.parquet")
    there = pd.read_parquet(oasis / "scores.parquet")
    there = there[there["pair"].isin(here["pair"].unique()) & there["method"].isin(here["method"].unique())]
    pd.testing.assert_frame_equal(here, there.reset_index(drop=True), check_exact=True)


def test_landmarks_are_scored_in_mm_and_dice_says_why_it_is_not_there(tmp_path: Path, engine: None) -> None:
    data = need(SHARED / "data" / "landmarks")
    run("run", "-m", "greedy", "-t", LANDMARKS, "--runtime", "docker", data, tmp_path / "out")
    run("score", tmp_path / "out")
    error = means(tmp_path / "out", "tre_mm_linear")
    assert error["greedy"] < error["affine"] < error["identity"] < 10
    table = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    points = table[(table["metric"] == "tre_mm_linear") & (table["method"] == "greedy") & (table["name"] != "")]
    assert len(points) == 32
    dice = table[(table["metric"] == "dice_nearest_fg") & (table["method"] == "greedy")]
    assert dice["value"].isna().all()
    assert (dice["undefined"] != "").all()
