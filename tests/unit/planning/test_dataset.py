"""BIDS enumeration: scans kept apart, side files found, a saved index that notices change."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lumirage.core.errors import DataError, UsageError
from lumirage.core.label_words import Labels
from lumirage.core.space import write_volume
from lumirage.core.track import Pairing, Select
from lumirage.planning import bids_index as index
from lumirage.planning import scans as dataset
from lumirage.planning.label_choice import choose_labels
from lumirage.planning.pairing import make_pairs


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def described(folder: Path, name: str, kind: str = "raw") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"Name": name, "BIDSVersion": "1.10.0", "DatasetType": kind}
    (folder / "dataset_description.json").write_text(json.dumps(content))
    return folder


def image(path: Path) -> Path:
    write_volume(path, np.zeros((2, 2, 2), np.int16), np.eye(4))
    return path


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Two people; the first has two sessions, two acquisitions and a hostile folder name above it all."""
    root = described(tmp_path / "my data; rm -rf 'x'", "tiny")
    image(root / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_T1w.nii.gz")
    image(root / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_acq-hi_T1w.nii.gz")
    image(root / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_acq-lo_T1w.nii.gz")
    image(root / "sub-02" / "anat" / "sub-02_T1w.nii")
    image(root / "sub-02" / "anat" / "sub-02_T2w.nii")
    labels = described(root / "derivatives" / "aseg", "aseg", "derivative")
    image(labels / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_seg-aseg_dseg.nii.gz")
    image(labels / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_acq-hi_seg-aseg_dseg.nii.gz")
    image(labels / "sub-02" / "anat" / "sub-02_seg-aseg_dseg.nii.gz")
    image(labels / "sub-02" / "anat" / "sub-02_space-MNI152_seg-aseg_dseg.nii.gz")
    image(labels / "sub-02" / "anat" / "sub-02_desc-brain_mask.nii.gz")
    image(labels / "sub-02" / "anat" / "sub-02_label-lesion_mask.nii.gz")
    (labels / "dseg.tsv").write_text("index\tname\n2\tleft white matter\n")
    return root


def scans_of(root: Path, **select: object) -> dict[str, object]:
    found = dataset.find_scans(root, Select.model_validate(select), dataset.find_derivatives(root, {}))
    return {scan.name: scan for scan in found}


def test_sessions_and_acquisitions_are_scans_of_their_own(bids: Path) -> None:
    assert list(scans_of(bids)) == [
        "sub-01_ses-1_T1w",
        "sub-01_ses-2_acq-hi_T1w",
        "sub-01_ses-2_acq-lo_T1w",
        "sub-02_T1w",
    ]


def test_labels_go_to_the_scan_they_were_made_from(bids: Path) -> None:
    scans = scans_of(bids)
    assert scans["sub-01_ses-1_T1w"].labels["aseg"].name == "sub-01_ses-1_seg-aseg_dseg.nii.gz"
    assert scans["sub-01_ses-2_acq-hi_T1w"].labels["aseg"].name == "sub-01_ses-2_acq-hi_seg-aseg_dseg.nii.gz"
    assert scans["sub-01_ses-2_acq-lo_T1w"].labels == {}
    assert scans["sub-02_T1w"].labels["aseg"].name == "sub-02_seg-aseg_dseg.nii.gz", "not the one in a template's space"


def test_a_brain_mask_is_taken_and_a_lesion_mask_is_not(bids: Path) -> None:
    assert scans_of(bids)["sub-02_T1w"].mask.name == "sub-02_desc-brain_mask.nii.gz"


def test_label_names_come_from_the_derivative(bids: Path) -> None:
    derivatives = dataset.find_derivatives(bids, {})
    scans = dataset.find_scans(bids, Select(), derivatives)
    assert choose_labels(scans, Labels(), derivatives, bids).names == {"aseg": {2: "left white matter"}}
    (derivatives["aseg"] / "dseg.tsv").write_text("id\tlabel\n1\tx\n")
    with pytest.raises(DataError, match="columns 'index'"):
        choose_labels(scans, Labels(), derivatives, bids)


def test_derivatives_that_lie_elsewhere(bids: Path, tmp_path: Path) -> None:
    other = described(tmp_path / "elsewhere", "synthseg", "derivative")
    image(other / "sub-02" / "anat" / "sub-02_seg-synth_dseg.nii.gz")
    found = dataset.find_scans(bids, Select(), dataset.find_derivatives(bids, {"synthseg": other}))
    assert set(found[-1].labels) == {"aseg", "synthseg"}
    with pytest.raises(DataError, match=r"no dataset_description\.json"):
        dataset.find_derivatives(bids, {"x": tmp_path})


def settle(root: Path) -> None:
    """As if the folders had been made a while ago."""
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        os.utime(folder, (1e9, 1e9))


def test_only_folders_that_changed_are_listed_again(bids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(bids)
    scans_of(bids)
    listed: list[str] = []
    real = index._list
    monkeypatch.setattr(index, "_list", lambda full, *a, **k: listed.append(Path(full).name) or real(full, *a, **k))
    scans_of(bids)
    assert listed == [], "the saved index is used"
    image(bids / "sub-03" / "anat" / "sub-03_T1w.nii.gz")
    assert "sub-03_T1w" in scans_of(bids)
    assert sorted(listed) == sorted([bids.name, "sub-03", "anat"]), "of the raw dataset, and no other folder"
    (bids / "sub-02" / "anat" / "sub-02_T1w.nii").rename(bids / "sub-02" / "anat" / "sub-02_acq-new_T1w.nii")
    assert "sub-02_acq-new_T1w" in scans_of(bids)


def test_a_folder_that_changed_while_it_was_listed_is_listed_again(bids: Path) -> None:
    scans_of(bids)
    anat = bids / "sub-02" / "anat"
    stamp = anat.stat().st_mtime_ns
    image(anat / "sub-02_acq-late_T1w.nii.gz")
    os.utime(anat, ns=(stamp, stamp))  # a disk whose clock is coarse
    assert "sub-02_acq-late_T1w" in scans_of(bids)


def test_a_damaged_index_is_made_again(bids: Path, tmp_path: Path) -> None:
    before = list(scans_of(bids))
    for saved in (tmp_path / "cache").rglob("*.json"):
        saved.write_text("{")
    assert list(scans_of(bids)) == before


def test_select_by_entity_subject_and_exclusion(bids: Path) -> None:
    assert list(scans_of(bids, entities={"acquisition": "hi"})) == ["sub-01_ses-2_acq-hi_T1w"]
    assert list(scans_of(bids, sessions=["ses-1"])) == ["sub-01_ses-1_T1w"]
    assert list(scans_of(bids, exclude_subjects=["01"])) == ["sub-02_T1w"]
    assert "sub-02_T1w" not in scans_of(bids, exclude=["sub-02_T1w"])
    with pytest.raises(UsageError, match="no subject '03'"):
        scans_of(bids, subjects=["03"])
    with pytest.raises(DataError, match="suffixes T1w, T2w"):
        scans_of(bids, suffixes=["FLAIR"])


def test_true_fields_are_found_by_scan_or_by_visit(bids: Path) -> None:
    truth = described(bids / "derivatives" / "truth", "truth", "derivative")
    image(truth / "sub-01" / "anat" / "sub-01_from-sub02_to-sub01ses1_mode-image_xfm.nii")
    image(truth / "sub-02" / "anat" / "sub-02_from-sub01ses1T1w_to-sub02T1w_mode-image_xfm.nii")
    derivatives = dataset.find_derivatives(bids, {})
    scans = dataset.find_scans(bids, Select(), derivatives)
    pairs = {p.id: p for p in dataset.with_truth(make_pairs(scans, Pairing(scheme="all")), derivatives)}
    assert pairs["sub02T1w-sub01ses1T1w"].truth is not None
    assert pairs["sub01ses1T1w-sub02T1w"].truth is not None
    assert pairs["sub02T1w-sub01ses2acqhiT1w"].truth is None
