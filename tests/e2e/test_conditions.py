"""Conditions and repeats: prepared apart, scored in the native frame, compared with their own reference."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest
from tests.e2e.conftest import HARNESS, Command

from lumirage.datasets.phantom import Body, PhantomSpec, make_phantom

TRACK = """name: spoiled
prepare: {affine: affine, intensity: percentile}
conditions:
  design: one_at_a_time
  axes:
    orientation: [LPS]
    affine_error: [{rotation_deg: 10}]
"""


@pytest.fixture(scope="module")
def done(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditions")
    (folder / "track.yaml").write_text(TRACK)
    words = ("evaluate", "-m", "oracle", "-m", "zero-displacement", "--runtime", "local", "--repeats", "2")
    words = (*words, "--limit", "1", "-t", str(folder / "track.yaml"), str(phantom), str(folder / "out"))
    subprocess.run([*HARNESS, *words], check=True, timeout=600)
    return folder / "out"


def test_every_cell_and_repeat_has_its_run(done: Path) -> None:
    records = [p.name for p in done.rglob("*_run.json")]
    assert len(records) == 2 * 3 * 2
    table = pd.read_parquet(done / "scores.parquet")
    assert set(table["condition"]) == {"reference", "orientation-LPS", "affine_error-rotation_deg10"}


def values(done: Path, metric: str) -> pd.DataFrame:
    table = pd.read_parquet(done / "scores.parquet")
    rows = table[(table["metric"] == metric) & table["label"].isna() & (table["repeat"] == 0)]
    return rows.pivot_table(index="method", columns="condition", values="value")


def test_native_scores_do_not_move_with_the_orientation_of_the_working_grid(done: Path) -> None:
    dice = values(done, "dice_nearest_fg")
    assert dice.loc["oracle", "orientation-LPS"] == pytest.approx(dice.loc["oracle", "reference"], abs=0.01)
    assert dice.loc["affine", "orientation-LPS"] == pytest.approx(dice.loc["affine", "reference"], abs=1e-3)


def test_a_planted_affine_error_is_the_affine_sentinels_alone_to_bear(done: Path) -> None:
    """The oracle's field undoes the planted error, because affine and field are one map."""
    dice = values(done, "dice_nearest_fg")
    assert dice.loc["affine", "affine_error-rotation_deg10"] < dice.loc["affine", "reference"] - 0.05
    assert dice.loc["oracle", "affine_error-rotation_deg10"] == pytest.approx(dice.loc["oracle", "reference"], abs=0.01)
    assert dice.loc["identity"].nunique() == 1, "nothing done knows of no preparation"


def test_changes_are_told_against_the_own_reference(done: Path) -> None:
    changes = pd.read_csv(done / "conditions.tsv", sep="\t")
    rows = changes[(changes["metric"] == "dice_nearest_fg") & (changes["method"] == "zero-displacement")]
    assert len(rows) == 2
    figures = {path.stem for path in (done / "report" / "figures").glob("changes-*.svg")}
    assert "changes-dice-nearest-fg" in figures
    assert not list((done / "report" / "figures").glob("dose-*")), "names are not doses"


def test_repeats_of_a_deterministic_method_do_not_differ(done: Path) -> None:
    repeats = pd.read_csv(done / "repeats.tsv", sep="\t")
    assert (repeats["sd_repeats"] == 0).all()
    assert set(repeats["method"]) == {"oracle", "zero-displacement"}


SCANS = """name: scans
select: {suffixes: [T1w], sessions: [amp3smooth20]}
prepare: {affine: none, intensity: percentile}
conditions: {axes: {contrast: [T2w], session: [amp6smooth20]}}
"""


@pytest.mark.long
def test_other_scans_of_the_same_people_are_conditions(harness: Command, tmp_path: Path) -> None:
    bodies = (Body(3.0, 20.0), Body(6.0, 20.0))
    make_phantom(tmp_path / "bids", PhantomSpec(2, 6.0, ("T1w", "T2w"), seed=2, bodies=bodies))
    (tmp_path / "track.yaml").write_text(SCANS)
    words = ("evaluate", "-m", "oracle", "--runtime", "local", "-t", tmp_path / "track.yaml", tmp_path / "bids")
    done = harness(*words, tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_parquet(tmp_path / "out/scores.parquet")
    rows = table[(table["metric"] == "displacement_error_mm") & table["label"].isna()].set_index(
        ["method", "condition"]
    )
    assert rows["pair"].nunique() == 1, "conditions are paired by the id of the reference's pair"
    assert dict(zip(rows.loc["oracle"].index, rows.loc["oracle", "fixed"], strict=True)) == {
        "reference": "sub-01_ses-amp3smooth20_T1w",
        "contrast-T2w": "sub-01_ses-amp3smooth20_T2w",
        "session-amp6smooth20": "sub-01_ses-amp6smooth20_T1w",
    }
    assert rows.loc["oracle", "value"].max() < 1e-3, "every condition has the true field of its own scans"
    identity = rows.loc["identity", "value"]
    assert identity["contrast-T2w"] == identity["reference"]
    assert identity["session-amp6smooth20"] == pytest.approx(2 * identity["reference"], rel=0.2)
    again = harness(*words, tmp_path / "out")
    assert "3 runs are complete" in again.stdout + again.stderr
