"""Imports: each known layout made small in the test, and what must be refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from bids_validator import BIDSValidator

from lumirage.core.errors import DataError, UsageError
from lumirage.core.space import read_volume, write_volume
from lumirage.core.track import Select
from lumirage.datasets.importers import ImportOptions, import_dataset
from lumirage.planning.pairing import located, make_pairs
from lumirage.planning.scans import find_derivatives, find_scans
from lumirage.planning.track_files import load_track

AFFINE = np.array([[2.0, 0, 0, -8], [0, 2.0, 0, -6], [0, 0, 2.0, -4], [0, 0, 0, 1]])


def image(path: Path, value: int = 7) -> Path:
    write_volume(path, np.full((4, 5, 6), value, np.int16), AFFINE)
    return path


def label_map(path: Path, *labels: int) -> Path:
    data = np.zeros((4, 5, 6), np.int16)
    data.reshape(-1)[: len(labels)] = labels
    write_volume(path, data, AFFINE)
    return path


def raw_names(root: Path) -> list[str]:
    return sorted(p.name for p in root.glob("sub-*/**/*.nii*"))


def table(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def pairs_of(track_name: str, root: Path) -> list[tuple[str, str]]:
    """What a shipped track makes of an imported dataset: (fixed, moving)."""
    track = load_track(track_name)
    scans = find_scans(root, track.select, find_derivatives(root, {}))
    return [(pair.fixed.name, pair.moving.name) for pair in make_pairs(scans, located(track.pairing, root))]


def assert_bids(root: Path) -> None:
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        if path.is_file() and not {"derivatives", "sourcedata"} & set(inside.parts):
            assert BIDSValidator().is_bids(f"/{inside.as_posix()}"), inside
    for folder in root.glob("derivatives/*"):
        assert json.loads((folder / "dataset_description.json").read_text())["DatasetType"] == "derivative"


@pytest.fixture
def lumir(tmp_path: Path) -> Path:
    source = tmp_path / "LUMIR"
    image(source / "imagesTr/LUMIRMRI_0000_0000.nii.gz")
    for case in ("3454", "3455", "3456"):
        image(source / f"imagesVal/LUMIRMRI_{case}_0000.nii.gz")
        label_map(source / f"labelsVal/LUMIRMRI_{case}_0000.nii.gz", 0, 4, 4, 11, 207)
    label_map(source / "synthsegVal/LUMIRMRI_3454_0000_synthseg.nii.gz", 2, 3)
    marks = np.zeros((4, 5, 6), np.int16)
    marks[1, 2, 3] = 1
    marks[2, 2, 2:5] = 5
    write_volume(source / "landmarksVal/LUMIRMRI_3454_0000.nii.gz", marks, AFFINE)
    val = [
        {"fixed": "./imagesVal/LUMIRMRI_3455_0000.nii.gz", "moving": "./imagesVal/LUMIRMRI_3454_0000.nii.gz"},
        {"fixed": "./imagesVal/LUMIRMRI_3456_0000.nii.gz", "moving": "./imagesVal/LUMIRMRI_3455_0000.nii.gz"},
        {"fixed": "./imagesVal/LUMIRMRI_9999_0000.nii.gz", "moving": "./imagesVal/LUMIRMRI_3455_0000.nii.gz"},
    ]
    training = [{"image": "./imagesTr/LUMIRMRI_0000_0000.nii.gz"}]
    content = {"name": "LUMIR", "modality": {"0": "T1"}, "training": training, "validation": val}
    (source / "LUMIR_dataset.json").write_text(json.dumps(content))
    return source


def test_lumir(lumir: Path, tmp_path: Path) -> None:
    out = tmp_path / "bids"
    incoming = import_dataset("lumir", lumir, out)
    assert raw_names(out) == [f"sub-{case}_T1w.nii.gz" for case in ("0000", "3454", "3455", "3456")]
    linked = out / "sub-3454/anat/sub-3454_T1w.nii.gz"
    assert linked.is_symlink()
    assert read_volume(linked).data.max() == 7
    assert (out / "derivatives/labels/sub-3455/anat/sub-3455_seg-labels_dseg.nii.gz").is_file()
    assert (out / "derivatives/synthseg/sub-3454/anat/sub-3454_seg-synthseg_dseg.nii.gz").is_file()
    assert [row[0] for row in table(out / "derivatives/labels/dseg.tsv")] == ["index", "4", "11", "207"]
    pairs = table(out / "sourcedata/pairs-validation.tsv")
    assert pairs == [["fixed", "moving"], ["sub-3455_T1w", "sub-3454_T1w"], ["sub-3456_T1w", "sub-3455_T1w"]]
    assert pairs_of("lumir25-validation", out) == [tuple(pair) for pair in pairs[1:]], "no training scan among them"
    assert incoming.notes == ("1 pairs of the dataset JSON name images that are not here.",)
    marks = table(out / "derivatives/landmarks/sub-3454/anat/sub-3454_desc-imported_landmarks.tsv")
    assert [row[0] for row in marks] == ["index", "1", "5"]
    # voxel (1, 2, 3) and the middle of three voxels (2, 2, 3)
    assert [[float(v) for v in row[2:]] for row in marks[1:]] == [[-6.0, -2.0, 2.0], [-4.0, -2.0, 2.0]]
    scan = next(s for s in find_scans(out, Select(), find_derivatives(out, {})) if s.subject == "3454")
    assert set(scan.labels) == {"labels", "synthseg"}, "the map of landmarks is no segmentation"
    assert scan.landmark_map == out / "derivatives/landmarks/sub-3454/anat/sub-3454_desc-landmarks_dseg.nii.gz"
    assert_bids(out)


def test_copies_are_files(lumir: Path, tmp_path: Path) -> None:
    import_dataset("lumir", lumir, tmp_path / "bids", ImportOptions(copy=True))
    assert not any(path.is_symlink() for path in (tmp_path / "bids").rglob("*"))


def test_learn2reg(tmp_path: Path) -> None:
    source = tmp_path / "OASIS"
    for case in ("0001", "0002"):
        for modality in ("0000", "0001"):
            name = f"OASIS_{case}_{modality}"
            image(source / f"imagesTr/{name}.nii.gz")
            label_map(source / f"labelsTr/{name}.nii.gz", 1, 2)
            label_map(source / f"masksTr/{name}.nii.gz", 1)
            (source / "keypointsTr").mkdir(exist_ok=True)
            (source / f"keypointsTr/{name}.csv").write_text("1,2,3\n0.5,0,1\n")
    labels = {"0": {"0": "background", "1": "Left-Cortex", "2": "Right-Cortex"}}
    pair = {"fixed": "./imagesTr/OASIS_0002_0000.nii.gz", "moving": "./imagesTr/OASIS_0001_0000.nii.gz"}
    content = {"name": "OASIS", "modality": {"0": "MR", "1": "T2w MR"}, "labels": labels, "registration_val": [pair]}
    (source / "OASIS_dataset.json").write_text(json.dumps(content))
    out = tmp_path / "bids"
    import_dataset("learn2reg", source, out)
    assert raw_names(out) == [f"sub-{c}_{s}.nii.gz" for c in ("0001", "0002") for s in ("T1w", "T2w")]
    assert table(out / "derivatives/labels/dseg.tsv")[1:] == [["1", "Left-Cortex"], ["2", "Right-Cortex"]]
    assert (out / "derivatives/masks/sub-0001/anat/sub-0001_space-T2w_desc-brain_mask.nii.gz").is_file()
    first, second = (
        table(out / f"derivatives/landmarks/sub-{c}/anat/sub-{c}_space-T1w_desc-imported_landmarks.tsv")
        for c in ("0001", "0002")
    )
    assert [float(v) for v in first[1][2:]] == [-6.0, -2.0, 2.0]
    assert not {row[0] for row in first[1:]} & {row[0] for row in second[1:]}
    assert table(out / "sourcedata/pairs-registrationval.tsv")[1] == ["sub-0002_T1w", "sub-0001_T1w"]
    assert pairs_of("learn2reg-oasis", out) == [("sub-0002_T1w", "sub-0001_T1w")]
    assert_bids(out)


def test_modalities_of_one_contrast_are_kept_apart(tmp_path: Path) -> None:
    for modality in ("0000", "0001"):
        image(tmp_path / f"in/imagesVal/LUMIRMRI_4014_{modality}.nii.gz")
        label_map(tmp_path / f"in/labelsVal/LUMIRMRI_4014_{modality}.nii.gz", 1)
    import_dataset("lumir", tmp_path / "in", tmp_path / "bids")
    assert raw_names(tmp_path / "bids") == ["sub-4014_T1w.nii.gz", "sub-4014_acq-0001_T1w.nii.gz"]
    maps = sorted(p.name for p in (tmp_path / "bids/derivatives/labels").rglob("*.nii.gz"))
    assert maps == ["sub-4014_acq-0001_seg-labels_dseg.nii.gz", "sub-4014_seg-labels_dseg.nii.gz"]


def test_oasis_neurite(tmp_path: Path) -> None:
    source = tmp_path / "neurite"
    for name in ("OASIS_OAS1_0001_MR1", "OASIS_OAS1_0001_MR2", "OASIS_OAS1_0002_MR1"):
        image(source / name / "aligned_norm.nii.gz")
        image(source / name / "norm.nii.gz")
        label_map(source / name / "aligned_seg35.nii.gz", 1, 35)
        label_map(source / name / "aligned_seg4.nii.gz", 1, 4)
    (source / "OASIS_OAS1_0003_MR1").mkdir()
    (source / "seg35_labels.txt").write_text(
        "0 Unknown 0 0 0 0\n1  Left-Cerebral-White-Matter 0 0 0 0\n35 Last 1 1 1 0\n"
    )
    (source / "subjects.txt").write_text("OASIS_OAS1_0001_MR1\n")
    incoming = import_dataset("oasis-neurite", source, tmp_path / "bids")
    assert raw_names(tmp_path / "bids") == [
        f"sub-{s}_T1w.nii.gz" for s in ("0001_ses-MR1", "0001_ses-MR2", "0002_ses-MR1")
    ]
    seg35 = table(tmp_path / "bids/derivatives/seg35/dseg.tsv")
    assert seg35 == [["index", "name"], ["1", "Left-Cerebral-White-Matter"], ["35", "Last"]]
    assert table(tmp_path / "bids/derivatives/seg4/dseg.tsv")[1] == ["1", "label 1"]
    assert incoming.notes == ("1 folders have no aligned_norm.nii.gz.",)
    assert_bids(tmp_path / "bids")


def test_ultracortex(tmp_path: Path) -> None:
    source = tmp_path / "ds005216"
    for subject in ("3", "37"):
        image(source / f"sub-{subject}/ses-1/anat/sub-{subject}_ses-1_T1w.nii", value=1)
        label_map(source / f"derivatives/manual_segmentation/sub-{subject}_ses-1_seg.nii", 1, 2)
    image(source / "sub-5/ses-1/anat/sub-5_ses-1_T1w.nii")
    image(source / "derivatives/skullstrips/sub-3_ses-1_skullstrip.nii", value=2)
    incoming = import_dataset("ultracortex", source, tmp_path / "bids")
    assert raw_names(tmp_path / "bids") == ["sub-37_ses-1_T1w.nii", "sub-3_ses-1_T1w.nii"]
    assert read_volume(tmp_path / "bids/sub-3/ses-1/anat/sub-3_ses-1_T1w.nii").data.max() == 2
    assert incoming.notes == ("1 of 2 images are skull-stripped, the others as acquired.",)
    assert_bids(tmp_path / "bids")


def test_primede_after_nbest(tmp_path: Path) -> None:
    source = tmp_path / "primede"
    for name in ("sub-032125_ses-001_T1w", "monkey_7"):
        for folder in ("brain_cerebrum", "brain_tissue", "brain_subcortical", "brain_mask"):
            label_map(source / folder / f"{name}.nii.gz", 1, 2, 3)
    import_dataset("primede", source, tmp_path / "bids")
    assert raw_names(tmp_path / "bids") == ["sub-032125_ses-001_T1w.nii.gz", "sub-monkey7_T1w.nii.gz"]
    assert table(tmp_path / "bids/derivatives/tissue/dseg.tsv")[1] == ["1", "CSF"]
    assert (
        tmp_path / "bids/derivatives/subcortical/sub-monkey7/anat/sub-monkey7_seg-subcortical_dseg.nii.gz"
    ).is_file()
    assert_bids(tmp_path / "bids")


def test_primede_sites_keep_their_numbers_apart(tmp_path: Path) -> None:
    for site in ("site-ucdavis", "site-oxford"):
        image(tmp_path / f"in/{site}/sub-01/ses-001/anat/sub-01_ses-001_run-1_T1w.nii.gz")
    import_dataset("primede", tmp_path / "in", tmp_path / "bids")
    expected = [f"sub-{site}01_ses-001_run-1_T1w.nii.gz" for site in ("oxford", "ucdavis")]
    assert raw_names(tmp_path / "bids") == expected
    assert_bids(tmp_path / "bids")


def test_a_folder_by_pattern(tmp_path: Path) -> None:
    for person in ("anna b", "carl"):
        for contrast in ("T1w", "FLAIR"):
            image(tmp_path / f"in/{person}/v1/{person}_{contrast}.nii.gz")
        label_map(tmp_path / f"in/{person}/v1/segmentation_final.nii.gz", 3)
    pattern = "{subject}/{session}/{subject}_{suffix}.nii.gz"
    options = ImportOptions(pattern=pattern, labels="{subject}/{session}/seg*.nii.gz")
    import_dataset("nifti-folder", tmp_path / "in", tmp_path / "bids", options)
    expected = [f"sub-{p}_ses-v1_{c}.nii.gz" for p in ("annab", "carl") for c in ("FLAIR", "T1w")]
    assert raw_names(tmp_path / "bids") == expected
    assert (tmp_path / "bids/derivatives/labels/sub-carl/ses-v1/anat/sub-carl_ses-v1_seg-labels_dseg.nii.gz").is_file()
    assert_bids(tmp_path / "bids")


def test_names_that_fall_together_are_refused(tmp_path: Path) -> None:
    image(tmp_path / "in/a_b.nii.gz")
    image(tmp_path / "in/ab.nii.gz")
    with pytest.raises(DataError, match="several images would be sub-ab_T1w"):
        import_dataset("nifti-folder", tmp_path / "in", tmp_path / "out", ImportOptions(pattern="{subject}.nii.gz"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("lumirr", ImportOptions(), "did you mean 'lumir'"),
        ("nifti-folder", ImportOptions(), "needs --pattern"),
        ("nifti-folder", ImportOptions(pattern="x.nii"), "must contain {subject}"),
        ("nifti-folder", ImportOptions(pattern="{subject}{colour}.nii"), "unknown {colour}"),
        ("nifti-folder", ImportOptions(pattern="{subject}.nii.gz", labels="{session}.nii"), "lacks"),
        ("lumir", ImportOptions(pattern="{subject}.nii"), "for nifti-folder"),
    ],
)
def test_bad_usage(kind: str, options: ImportOptions, message: str, tmp_path: Path) -> None:
    image(tmp_path / "in/a.nii.gz")
    with pytest.raises(UsageError, match=message):
        import_dataset(kind, tmp_path / "in", tmp_path / "out", options)


@pytest.mark.parametrize("kind", ["lumir", "learn2reg", "oasis-neurite", "ultracortex", "primede"])
def test_nothing_to_import(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no image"):
        import_dataset(kind, tmp_path / "in", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_other_refusals(lumir: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        import_dataset("lumir", tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UsageError, match="is inside"):
        import_dataset("lumir", lumir, lumir / "out")
    (lumir / "LUMIR_dataset.json").write_text('{"modality": {"0": "CT"}}')
    with pytest.raises(DataError, match="only brain MR"):
        import_dataset("lumir", lumir, tmp_path / "out")
    (lumir / "LUMIR_dataset.json").write_text("{")
    with pytest.raises(DataError, match="not readable as JSON"):
        import_dataset("lumir", lumir, tmp_path / "out")
    (lumir / "keypointsVal").mkdir()
    (lumir / "keypointsVal/LUMIRMRI_3456_0000.csv").write_text("1,2\n")
    (lumir / "LUMIR_dataset.json").unlink()
    with pytest.raises(DataError, match="three numbers on each line"):
        import_dataset("lumir", lumir, tmp_path / "out")
