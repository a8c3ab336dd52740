"""The BIDS App form on the phantom, by the runtime that needs no engine."""

import subprocess
from pathlib import Path

import pandas as pd
from tests.e2e.conftest import HARNESS, Command

OPTIONS = ("--method", "zero-displacement", "--runtime", "local", "--track", "phantom")


def test_participants_side_by_side_then_the_group(phantom: Path, tmp_path: Path, harness: Command) -> None:
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
    once = harness("evaluate", *OPTIONS, phantom, tmp_path / "once")
    assert once.returncode == 0, once.stderr
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "scores.tsv", sep="\t"), pd.read_csv(tmp_path / "once" / "scores.tsv", sep="\t")
    )
    again = harness(phantom, out, "participant", *OPTIONS, "--participant-label", "01", "02")
    assert again.returncode == 0, again.stderr
    assert "2 runs are complete and are kept" in again.stderr
    assert harness("clean", out).returncode == 0
    assert not (out / "work").is_symlink()
    assert [path for path in (tmp_path / "disk").rglob("*") if path.is_file()] == []


def test_the_group_level_needs_no_dataset(phantom: Path, tmp_path: Path, harness: Command) -> None:
    import shutil

    data, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(phantom, data)
    assert harness(data, out, "participant", *OPTIONS).returncode == 0
    shutil.rmtree(data)
    answer = harness(tmp_path / "gone", out, "group")
    assert answer.returncode == 0, answer.stderr


def test_odd_names_are_refused_unless_told_otherwise(phantom: Path, tmp_path: Path, harness: Command) -> None:
    import shutil

    data = tmp_path / "bids"
    shutil.copytree(phantom, data)
    (data / "sub-01" / "notes.docx").touch()
    words = (data, tmp_path / "out", "participant", *OPTIONS, "--participant-label", "01")
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
