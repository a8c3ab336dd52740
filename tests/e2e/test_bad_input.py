"""Bad input: a message that says what to change, an exit code, and nothing half-written."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.e2e.conftest import HARNESS, Command

EVALUATE = ("evaluate", "-m", "zero-displacement", "--runtime", "local")


@pytest.fixture
def dataset(phantom: Path, tmp_path: Path) -> Path:
    """A copy that may be spoiled; true fields are not needed."""
    return Path(shutil.copytree(phantom, tmp_path / "bids", ignore=shutil.ignore_patterns("truth")))


def refused(answer: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert answer.returncode == code, answer.stderr
    for word in words:
        assert word in answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_such_folder(harness: Command, tmp_path: Path) -> None:
    refused(harness(*EVALUATE, tmp_path / "none", tmp_path / "out"), 65, "no such folder")
    assert not (tmp_path / "out").exists()


def test_not_bids(harness: Command, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    refused(harness(*EVALUATE, tmp_path / "x", tmp_path / "out"), 65, "not a BIDS dataset", "dataset import")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: raw[: len(raw) // 2], ["damaged or cut off"]),
        (lambda raw: b"not an image at all", ["not a readable NIfTI"]),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:400]), ["damaged or cut off"]),
    ],
    ids=["truncated", "garbage", "header only"],
)
def test_a_damaged_image(harness: Command, dataset: Path, tmp_path: Path, spoil, words) -> None:
    image = dataset / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    image.write_bytes(spoil(image.read_bytes()))
    refused(harness(*EVALUATE, dataset, tmp_path / "out"), 65, "sub-02_T1w.nii.gz", *words)
    assert not list((tmp_path / "out").rglob("*_run.json"))
    assert not (tmp_path / "out" / "scores.tsv").exists()


def test_a_four_dimensional_image(harness: Command, dataset: Path, tmp_path: Path) -> None:
    image = dataset / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    nib.Nifti1Image(np.zeros((8, 8, 8, 2), np.float32), np.eye(4)).to_filename(image)
    refused(harness(*EVALUATE, dataset, tmp_path / "out"), 65, "sub-01_T1w.nii.gz", "4-D image")
    assert not (tmp_path / "out").exists()


def test_labels_on_another_grid(harness: Command, dataset: Path, tmp_path: Path) -> None:
    labels = next(dataset.rglob("sub-01_seg-phantom_dseg.nii.gz"))
    nib.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4)).to_filename(labels)
    refused(
        harness(*EVALUATE, dataset, tmp_path / "out"),
        65,
        "dseg.nii.gz",
        "is not where",
        "correct its voxel-to-world matrix",
    )


def test_a_subject_without_labels_has_rows_with_the_reason(harness: Command, dataset: Path, tmp_path: Path) -> None:
    next(dataset.rglob("sub-01_seg-phantom_dseg.nii.gz")).unlink()
    for words in (
        ("run", *EVALUATE[1:], dataset, tmp_path / "out", "--pair", "sub-01,sub-02"),
        ("score", tmp_path / "out"),
    ):
        answer = harness(*words)
        assert answer.returncode == 0, answer.stderr
    rows = (tmp_path / "out" / "scores.tsv").read_text().splitlines()
    dice = [row for row in rows if "\tdice_nearest_fg\t" in row and "\tzero-displacement\t" in row]
    assert len(dice) == 1
    assert dice[0].split("\t")[17] == "n/a"
    assert dice[0].split("\t")[19]


def test_zero_pairs(harness: Command, dataset: Path, tmp_path: Path) -> None:
    track = tmp_path / "one.yaml"
    track.write_text("name: one\nselect: {subjects: ['01']}\n")
    refused(harness(*EVALUATE, "--track", track, dataset, tmp_path / "out"), 65, "no pair", "select and pairing")
    track.write_text("name: one\nselect: {suffixes: [T2w]}\n")
    refused(harness(*EVALUATE, "--track", track, dataset, tmp_path / "out"), 65, "no scan is left", "suffixes T1w")


def test_unknown_names_come_with_the_nearest(harness: Command, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(
        harness("evaluate", "-m", "gredy", "--runtime", "local", dataset, out), 2, "'gredy'", "did you mean 'greedy'"
    )
    refused(harness(*EVALUATE, "--track", "fantom", dataset, out), 2, "unknown track 'fantom'", "phantom")
    refused(harness("evaluate", "-m", "greedy", "--runtime", "dokcer", dataset, out), 2, "'dokcer'", "docker")
    refused(harness(*EVALUATE, "--pair", "sub-01,sub-9", dataset, out), 2, "no scan", "sub-01_T1w")
    assert not out.exists()


def test_a_track_with_a_wrong_field_names_file_and_field(harness: Command, dataset: Path, tmp_path: Path) -> None:
    track = tmp_path / "bad.yaml"
    track.write_text("name: bad\nprepare: {spacing_mm: -1}\npairing: {scheme: chian}\n")
    answer = harness(*EVALUATE, "--track", track, dataset, tmp_path / "out")
    refused(answer, 2, "bad.yaml: prepare.spacing_mm", "bad.yaml: pairing.scheme")


def test_an_engine_that_is_down(harness: Command, dataset: Path, tmp_path: Path) -> None:
    words = ("evaluate", "-m", "greedy", "--runtime", "docker", dataset, tmp_path / "out")
    refused(harness(*words, DOCKER_HOST=f"unix://{tmp_path}/no.sock"), 69)
    assert not (tmp_path / "out").exists()


def test_out_inside_the_dataset(harness: Command, dataset: Path) -> None:
    refused(harness(*EVALUATE, dataset, dataset / "out"), 2, "is inside BIDS_DIR")
    refused(harness(*EVALUATE, dataset, dataset), 2, "is inside BIDS_DIR")


def test_an_out_that_is_somebody_elses(harness: Command, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    refused(harness(*EVALUATE, dataset, tmp_path / "mine"), 2, "has no evaluation in it")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_stages_on_a_folder_without_an_evaluation(harness: Command, tmp_path: Path) -> None:
    for stage in ("score", "compare", "report"):
        refused(harness(stage, tmp_path / "none"), 65, "no evaluation there")
        assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_says_so_and_the_same_command_goes_on(harness: Command, dataset: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], check=True)
    try:
        answer = harness(*EVALUATE, dataset, small / "out")
        assert answer.returncode == 75, answer.stderr
        assert "No space left" in answer.stderr or "is full" in answer.stderr
        assert "Traceback" not in answer.stderr
        for record in (small / "out").rglob("*_run.json"):
            json.loads(record.read_text())
        subprocess.run(["mount", "-o", "remount,size=400m", small], check=True)
        again = harness(*EVALUATE, dataset, small / "out")
        assert again.returncode == 0, again.stderr
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("words", [(), ("evaluate",), ("challenge",), ("dataset", "phantom")], ids=" ".join)
def test_help_is_quick_because_nothing_heavy_is_imported(words: tuple[str, ...]) -> None:
    heavy = ("numpy", "pandas", "pydantic", "docker", "nibabel", "numba", "scipy", "matplotlib", "bids", "rich", "yaml")
    probe = (
        "import sys\nfrom lumirage.cli import app\n"
        f"app({[*words, '--help']!r}, standalone_mode=False)\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    found = subprocess.run([HARNESS[0], "-c", probe], capture_output=True, text=True, check=True)
    assert "--help" in found.stdout
    assert found.stdout.splitlines()[-1] == "[]"
