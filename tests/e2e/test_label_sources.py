"""The same answers scored with two segmentations: every source has its rows, also of failed runs, and its place."""

import json
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tests.e2e.conftest import HARNESS

METHOD = """schema_version: 1
name: {}
version: "1"
summary: {}
kind: iterative
"""
ZEROS = Path(__file__).parents[2] / "method_containers" / "zero-displacement" / "run.py"


@pytest.fixture(scope="module")
def done(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    merged(phantom / "derivatives" / "phantom", folder / "merged")
    broken = method(folder / "breaks", "Ends without an answer.", "raise SystemExit('no')\n")
    still = method(folder / "still", "Moves nothing.", ZEROS.read_text())
    words = ("evaluate", "-m", "oracle", "-m", str(still), "-m", str(broken), "--runtime", "local")
    words = (*words, "--limit", "1", "--derivatives", f"merged={folder / 'merged'}")
    ended = subprocess.run([*HARNESS, *words, str(phantom), str(folder / "out")], check=False, timeout=600)
    assert ended.returncode == 1, "finished, and one method failed"
    return folder / "out"


def method(folder: Path, summary: str, code: str) -> Path:
    """No reference: those have no place in the lists that are compared."""
    folder.mkdir()
    (folder / "method.yaml").write_text(METHOD.format(folder.name, summary))
    (folder / "run.py").write_text(code)
    (folder / "requirements.txt").write_text("")
    return folder


def merged(source: Path, target: Path) -> None:
    """A second segmentation: every four labels in one."""
    target.mkdir()
    description = json.loads((source / "dataset_description.json").read_text())
    (target / "dataset_description.json").write_text(json.dumps(description | {"Name": "merged"}))
    for path in source.rglob("*_dseg.nii.gz"):
        image = nib.load(path)
        labels = np.asarray(image.dataobj)
        coarse = np.where(labels > 0, (labels - 1) // 4 + 1, 0).astype(labels.dtype)
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(coarse, image.affine), place)


def dice(done: Path) -> pd.DataFrame:
    table = pd.read_parquet(done / "scores.parquet")
    return table[(table["metric"] == "dice_nearest_fg") & table["label"].isna()]


def test_every_method_has_a_row_for_each_source_failed_or_not(done: Path) -> None:
    counts = dice(done).groupby(["method", "source"]).size()
    assert set(counts.index.get_level_values("source")) == {"phantom", "merged"}
    assert set(counts.index.get_level_values("method")) == {
        "identity", "affine", "oracle", "still", "breaks",
    }  # fmt: skip
    assert (counts == 1).all()
    assert dice(done).query("method == 'breaks'")["value"].isna().all()


def test_coarser_labels_overlap_more_and_are_scored_as_their_own(done: Path) -> None:
    values = dice(done).pivot(index="method", columns="source", values="value")
    assert values.loc["affine", "merged"] > values.loc["affine", "phantom"]
    labels = pd.read_parquet(done / "scores.parquet").query("method == 'affine' and metric == 'dice_nearest_fg'")
    per_source = labels[labels["label"].notna()].groupby("source")["label"].nunique()
    assert per_source["phantom"] > 3 * per_source["merged"]


def test_the_agreement_is_in_its_table_and_in_the_report(done: Path) -> None:
    agreement = pd.read_csv(done / "agreement.tsv", sep="\t")
    between = agreement[agreement["varies"] == "source"]
    assert len(between)
    page = (done / "report" / "index.html").read_text(encoding="utf-8")
    assert "Whether the segmentation decides" in page
    assert (done / "report" / "figures" / "sources-dice-nearest-fg.svg").is_file()
