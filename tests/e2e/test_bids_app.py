"""The BIDS App form on the phantom, by the runtime that needs no engine."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.e2e.conftest import HARNESS, Command

from lumirage.core.checksums import checksum
from lumirage.scoring.score_store import SUMMED

OPTIONS = ("--method", "zero-displacement", "--runtime", "local", "--track", "phantom")


@pytest.fixture(scope="module")
def whole(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All participants by one command, and the group level after the dataset is gone."""
    folder = tmp_path_factory.mktemp("whole")
    data, out = folder / "bids", folder / "out"
    shutil.copytree(phantom, data)
    subprocess.run([*HARNESS, data, out, "participant", *OPTIONS], check=True, timeout=600)
    shutil.rmtree(data)
    subprocess.run([*HARNESS, data, out, "group"], check=True, timeout=600)
    return out


def test_the_group_level_needs_no_dataset(whole: Path) -> None:
    assert len(list(whole.rglob("*_run.json"))) == 2
    assert (whole / "report" / "index.html").is_file()


@pytest.mark.long
def test_participants_side_by_side_then_the_group(phantom: Path, whole: Path, tmp_path: Path, harness: Command) -> None:
    out = tmp_path / "out"
    words = [*HARNESS, str(phantom), str(out), "participant", *OPTIONS, "-w", str(tmp_path / "disk")]
    both = [
        subprocess.Popen([*words, "--participant_label", label], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for label in ("01", "sub-02")
    ]
    for process in both:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said.decode()
    assert not (out / "scores.tsv").exists()
    assert (out / "work").resolve().is_relative_to(tmp_path / "disk")
    grouped = harness(phantom, out, "group", "--method", "ignored")
    assert grouped.returncode == 0, grouped.stderr
    assert "not used at the level group: --method ignored" in grouped.stderr
    assert (out / "report" / "index.html").is_file()
    tables = [pd.read_csv(folder / "scores.tsv", sep="\t") for folder in (out, whole)]
    pd.testing.assert_frame_equal(*tables)
    again = harness(phantom, out, "participant", *OPTIONS, "--participant-label", "01", "02")
    assert again.returncode == 0, again.stderr
    assert "2 runs are complete and are kept" in again.stderr
    assert harness("clean", out).returncode == 0
    assert not (out / "work").is_symlink()
    assert [path for path in (tmp_path / "disk").rglob("*") if path.is_file()] == []


@pytest.mark.long
def test_both_directions_by_separate_commands_then_the_group_without_the_dataset(
    phantom: Path, tmp_path: Path, harness: Command
) -> None:
    """The first participant is scored before its reversed pair is run; the second one's command mends that."""
    data, out, track = tmp_path / "bids", tmp_path / "out", tmp_path / "all.yaml"
    shutil.copytree(phantom, data)
    track.write_text("name: both\npairing: {scheme: all}\nprepare: {affine: none, intensity: none}\n")
    words = ("--method", "zero-displacement", "--runtime", "local", "--track", track, "--limit", "6")
    for label in ("01", "02"):
        answer = harness(data, out, "participant", *words, "--participant-label", label)
        assert answer.returncode == 0, answer.stderr
    shutil.move(data, tmp_path / "elsewhere")
    grouped = harness(data, out, "group")
    assert grouped.returncode == 0, grouped.stderr
    assert inverses(out).to_dict() == {"sub01T1w-sub02T1w": 0.0, "sub02T1w-sub01T1w": 0.0}
    # as a task of a cluster leaves it that was scored while the reversed pair was being registered
    for part in out.glob("scores/*/zero-displacement/*.parquet"):
        pq.write_table(pq.read_table(part).filter(pc.field("metric") != "inverse_consistency_mm"), part)
        part.rename(part.with_name(f"{SUMMED}{checksum(part.read_bytes())}.parquet"))
    grouped = harness(data, out, "group")
    assert grouped.returncode == 0, grouped.stderr
    assert inverses(out).isna().tolist() == [True, True]


def inverses(out: Path) -> pd.Series:
    """Pair -> inverse consistency of the method in mm; a reason stands where there is none."""
    table = pd.read_csv(out / "scores.tsv", sep="\t")
    rows = table[(table["metric"] == "inverse_consistency_mm") & (table["method"] == "zero-displacement")]
    assert (rows["value"].notna() | rows["undefined"].notna()).all()
    return rows.set_index("pair")["value"]


def test_odd_names_are_refused_unless_told_otherwise(phantom: Path, tmp_path: Path, harness: Command) -> None:
    data = tmp_path / "bids"
    shutil.copytree(phantom, data)
    (data / "sub-01" / "notes.docx").touch()
    words = (data, tmp_path / "out", "participant", *OPTIONS, "--participant-label", "01", "--limit", "1")
    refused = harness(*words)
    assert refused.returncode == 65
    assert "/sub-01/notes.docx" in refused.stderr
    assert not (tmp_path / "out").exists()
    assert harness(*words, "--skip-bids-validation").returncode == 0


def test_an_unknown_participant_is_a_usage_error(phantom: Path, tmp_path: Path, harness: Command) -> None:
    answer = harness(phantom, tmp_path / "out", "participant", *OPTIONS, "--participant-label", "77")
    assert answer.returncode == 2
    assert "no participant ['77']" in answer.stderr
    assert not (tmp_path / "out").exists()
