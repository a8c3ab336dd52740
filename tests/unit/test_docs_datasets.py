"""The commands of docs/datasets.md "I have ...", on folders of these layouts: imports as they stand, evaluations as plans."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from tests.unit.datasets.test_datasets_import_processed import image

from lumirage.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
SECTION = PAGE.read_text().split("## I have ...")[1].split("\n## ")[0]
BLOCKS = [block.splitlines() for block in re.findall(r"```\n(.*?)```", SECTION, re.DOTALL)]


def fmriprep(here: Path) -> None:
    for root, kind in ((here / "bids", "raw"), (here / "fmriprep", "derivative")):
        root.mkdir()
        (root / "dataset_description.json").write_text(json.dumps({"Name": kind, "DatasetType": kind}))
    for n, subject in enumerate(("01", "02")):
        name = f"sub-{subject}/anat/sub-{subject}"
        image(here / "bids" / f"{name}_T1w.nii.gz", low=3, shift=n)
        image(here / "fmriprep" / f"{name}_dseg.nii.gz", shift=n)
        image(here / "fmriprep" / f"{name}_desc-aseg_dseg.nii.gz", shift=2 - 4 * n)


def freesurfer(here: Path) -> None:
    for subject in ("a", "b"):
        for file in ("orig.mgz", "aseg.mgz", "brainmask.mgz"):
            image(here / "subjects" / subject / "mri" / file)


def synthseg(here: Path) -> None:
    for subject in ("a", "b"):
        image(here / "images" / f"{subject}.nii.gz")
        image(here / "segmentations" / f"{subject}_synthseg.nii.gz", affine=np.diag([2.0, 2.0, 2.0, 1.0]))


def challenge(here: Path, folder: str) -> None:
    for case in ("0001", "0002"):
        image(here / folder / "imagesVal" / f"BRAIN_{case}_0000.nii.gz")
        image(here / folder / "labelsVal" / f"BRAIN_{case}_0000.nii.gz")


def plain(here: Path) -> None:
    for subject in ("a", "b"):
        image(here / "folder" / subject / "T1.nii.gz")
        image(here / "folder" / subject / "seg.nii.gz")


MAKERS = {
    "fmriprep": fmriprep,
    "freesurfer": freesurfer,
    "synthseg": synthseg,
    "lumir": lambda here: challenge(here, "lumir"),
    "learn2reg": lambda here: challenge(here, "challenge"),
    "nifti-folder": plain,
}


def test_each_kind_of_folder_is_three_lines() -> None:
    assert [len(block) for block in BLOCKS] == [3] * len(MAKERS)


@pytest.mark.parametrize(("kind", "block"), list(zip(MAKERS, BLOCKS, strict=True)), ids=MAKERS)
def test_the_commands_lead_to_pairs_with_labels(
    kind: str, block: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    MAKERS[kind](tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second, third = (shlex.split(line.replace("$PWD", str(tmp_path)))[1:] for line in block)
    assert run(first) == 0
    capsys.readouterr()
    at = second.index("--method")
    words = [*second[:at], "--method", "zero-displacement", *second[at + 4 :], "--runtime", "local"]
    assert run([*words, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert len(plan["pairs"]) == 1
    assert plan["label_sources"], "something measures accuracy"
    assert all(source["pairs"] == 1 and source["labels"] for source in plan["label_sources"])
    assert third == ["report", "out"]


def run(words: list[str]) -> int:
    try:
        app(args=words, standalone_mode=True)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
