"""Whose label maps, masks and landmarks are, and what their sources are called, in the layouts that pipelines leave."""

import json
from pathlib import Path

import pytest

from lumirage.core.errors import DataError
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Select
from lumirage.planning.label_choice import label_counts
from lumirage.planning.landmark_names import landmark_notes
from lumirage.planning.scans import Survey, find_derivatives, survey

MNI = "space-MNI152NLin2009cAsym_res-2"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def made(root: Path, *places: str) -> Survey:
    """A dataset of empty files: the index reads no more than names."""
    for place in ("", *{"/".join(p.split("/")[:2]) for p in places if p.startswith("derivatives/")}):
        (root / place).mkdir(parents=True, exist_ok=True)
        (root / place / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.10.0"}))
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()
    return survey(root, find_derivatives(root, {}))


def names(found: Survey, scan: str) -> dict[str, str]:
    mine = next(s for s in found.scans(Select(suffixes=())) if s.name == scan)
    return {source: path.name for source, path in sorted(mine.labels.items())}


def test_sources_of_fmriprep_are_the_same_for_every_person(tmp_path: Path) -> None:
    places = []
    for s in ("01", "02"):
        f = f"derivatives/fmriprep/sub-{s}/anat/sub-{s}_"
        places += [f"sub-{s}/anat/sub-{s}_T1w.nii.gz", f"{f}dseg.nii.gz", f"{f}desc-preproc_T1w.nii.gz"]
        places += [f"{f}desc-{name}.nii.gz" for name in ("aseg_dseg", "aparcaseg_dseg", "brain_mask", "ribbon_mask")]
        places += [f"{f}{MNI}_{name}.nii.gz" for name in ("dseg", "desc-brain_mask", "label-GM_probseg")]
        places += [f"{f}label-{tissue}_probseg.nii.gz" for tissue in ("CSF", "GM", "WM")]
        places.append(f"derivatives/freesurfer/sub-{s}/anat/sub-{s}_desc-aparcaseg_dseg.mgz")
    found = made(tmp_path, *places)
    scans = found.scans(Select())
    assert label_counts(scans) == {
        "fmriprep": 2, "fmriprep-aparcaseg": 2, "fmriprep-aseg": 2, "fmriprep-probseg": 2, "freesurfer": 2,
    }  # fmt: skip
    assert names(found, "sub-02_T1w")["fmriprep"] == "sub-02_dseg.nii.gz", "not the one in a template's space"
    assert sorted(scans[0].structures["fmriprep-probseg"]) == ["CSF", "GM", "WM"]
    assert scans[0].structures["fmriprep-probseg"]["GM"].name == "sub-01_label-GM_probseg.nii.gz"
    assert scans[1].mask is not None
    assert scans[1].mask.name == "sub-02_desc-brain_mask.nii.gz"
    assert found.found.notes == ()


def test_a_functional_mask_is_no_mask_of_the_anatomical_image(tmp_path: Path) -> None:
    mask = "derivatives/fp/sub-02/func/sub-02_task-rest_space-T1w_desc-brain_mask.nii.gz"
    assert made(tmp_path, "sub-02/anat/sub-02_T1w.nii.gz", mask).scans(Select())[0].mask is None


def test_only_a_mask_of_the_brain_is_the_mask_and_only_a_mask(tmp_path: Path) -> None:
    f = "derivatives/d/sub-1/anat/sub-1_"
    places = [f"{f}{name}.nii.gz" for name in ("label-lesion_mask", "desc-brain_probseg", "label-GM_probseg")]
    found = made(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", *places)
    scan = found.scans(Select())[0]
    assert scan.mask is None
    assert {source: sorted(parts) for source, parts in scan.structures.items()} == {"d": ["GM"]}
    labelled = made(tmp_path, f"{f}label-brain_mask.nii.gz").scans(Select())[0]
    assert labelled.mask is not None
    assert labelled.mask.name == "sub-1_label-brain_mask.nii.gz"
    assert labelled.structures == scan.structures


def test_runs_sessions_and_acquisitions_keep_their_own(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        "sub-1/ses-a/anat/sub-1_ses-a_run-1_T1w.nii.gz", "sub-1/ses-a/anat/sub-1_ses-a_run-2_T1w.nii.gz",
        "sub-1/ses-b/anat/sub-1_ses-b_acq-mprage_T1w.nii.gz",
        "derivatives/d/sub-1/ses-a/anat/sub-1_ses-a_run-01_desc-aseg_dseg.nii.gz",
        "derivatives/d/sub-1/ses-b/anat/sub-1_ses-b_desc-aseg_dseg.nii.gz",
    )  # fmt: skip
    assert names(found, "sub-1_ses-a_run-1_T1w") == {"d": "sub-1_ses-a_run-01_desc-aseg_dseg.nii.gz"}
    assert names(found, "sub-1_ses-a_run-2_T1w") == {}
    assert names(found, "sub-1_ses-b_acq-mprage_T1w") == {"d": "sub-1_ses-b_desc-aseg_dseg.nii.gz"}


def test_what_could_be_of_several_scans_is_nobodys_and_that_is_said(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        "sub-1/ses-a/anat/sub-1_ses-a_T1w.nii.gz", "sub-1/ses-b/anat/sub-1_ses-b_T1w.nii.gz",
        "sub-2/ses-a/anat/sub-2_ses-a_T1w.nii.gz",
        "derivatives/d/sub-1/anat/sub-1_dseg.nii.gz", "derivatives/d/sub-2/anat/sub-2_dseg.nii.gz",
    )  # fmt: skip
    assert names(found, "sub-1_ses-a_T1w") == names(found, "sub-1_ses-b_T1w") == {}
    assert names(found, "sub-2_ses-a_T1w") == {"d": "sub-2_dseg.nii.gz"}, "the only session there is"
    assert len(found.found.notes) == 1
    assert "1 files such as sub-1_dseg.nii.gz" in found.found.notes[0]


def test_fmripreps_average_lies_where_the_first_scan_lies(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        "sub-1/anat/sub-1_run-1_T1w.nii.gz", "sub-1/anat/sub-1_run-2_T1w.nii.gz",
        "derivatives/fmriprep/sub-1/anat/sub-1_desc-aseg_dseg.nii.gz",
        "derivatives/fmriprep/sub-1/anat/sub-1_desc-brain_mask.nii.gz",
    )  # fmt: skip
    first, second = found.scans(Select())
    assert (list(first.labels), list(second.labels)) == (["fmriprep"], [])
    assert (first.mask is None, second.mask is None) == (False, True)
    assert all("assigned to the first scan" in note for note in found.found.notes)


def test_a_freesurfer_subjects_directory_needs_no_import(tmp_path: Path) -> None:
    names_there = ("aseg", "aparc+aseg", "aparc.DKTatlas+aseg.deep", "brainmask", "T1", "aseg.presurf", "wmparc")
    maps = [f"derivatives/freesurfer/{who}/mri/{name}.mgz" for who in ("sub-1", "sub-2_ses-b") for name in names_there]
    found = made(
        tmp_path,
        "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_T2w.nii.gz",
        "sub-2/ses-a/anat/sub-2_ses-a_T1w.nii.gz", "sub-2/ses-b/anat/sub-2_ses-b_T1w.nii.gz",
        *maps, "derivatives/freesurfer/sub-2_ses-b.long.sub-2/mri/aseg.mgz", "derivatives/freesurfer/fsaverage/mri/aseg.mgz",
    )  # fmt: skip
    assert names(found, "sub-1_T1w") == {
        "freesurfer-aparc+aseg": "aparc+aseg.mgz",
        "freesurfer-aparc.DKTatlas+aseg": "aparc.DKTatlas+aseg.deep.mgz",
        "freesurfer-aseg": "aseg.mgz",
    }
    assert list(names(found, "sub-2_ses-b_T1w")) == list(names(found, "sub-1_T1w"))
    assert names(found, "sub-1_T2w") == names(found, "sub-2_ses-a_T1w") == {}
    assert found.scans(Select())[0].mask == (tmp_path / "derivatives/freesurfer/sub-1/mri/brainmask.mgz").resolve()


def test_contrasts_and_reconstructions_of_one_head_share_labels(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        *(f"sub-1/anat/sub-1_{name}.nii.gz" for name in ("T1w", "T2w", "rec-inverted_T1w", "ce-gad_T1w")),
        "derivatives/d/sub-1/anat/sub-1_dseg.nii.gz",
    )
    for scan in ("sub-1_T1w", "sub-1_T2w", "sub-1_rec-inverted_T1w"):
        assert names(found, scan) == {"d": "sub-1_dseg.nii.gz"}
    assert names(found, "sub-1_ce-gad_T1w") == {}, "another acquisition, and the file says nothing of the agent"


def test_one_kind_of_files_bears_the_name_of_its_derivative(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        "sub-1/anat/sub-1_T1w.nii.gz",
        "derivatives/synthseg/sub-1/anat/sub-1_desc-synthseg_dseg.nii.gz",
        "derivatives/atlases/sub-1/anat/sub-1_atlas-AAL_dseg.nii.gz",
        "derivatives/atlases/sub-1/anat/sub-1_atlas-Schaefer_desc-200_dseg.nii.gz",
        "derivatives/atlases/sub-1/anat/sub-1_label-L_mask.nii.gz",
        "derivatives/atlases/sub-1/anat/sub-1_label-lesion_mask.nii.gz",
    )
    scan = found.scans(Select())[0]
    assert sorted(scan.labels) == ["atlases-AAL", "atlases-Schaefer-200", "synthseg"]
    assert {source: sorted(parts) for source, parts in scan.structures.items()} == {"atlases-mask": ["L"]}


def test_halves_resolutions_and_entities_that_bids_has_not_are_sources_of_their_own(tmp_path: Path) -> None:
    places = [f"hemi-{side}_space-T1w_atlas-bigbrain_desc-subfields_dseg" for side in "LR"]
    places += [f"scale-{scale}_res-{res}_dseg" for scale in "12" for res in "12"]
    found = made(
        tmp_path,
        "sub-1/anat/sub-1_foo-a_T1w.nii.gz", "sub-1/anat/sub-1_foo-b_T1w.nii.gz", "sub-2/anat/sub-2_T1w.nii.gz",
        *(f"derivatives/unfold/sub-2/anat/sub-2_{place}.nii.gz" for place in places),
        "derivatives/foo/sub-1/anat/sub-1_foo-b_dseg.nii.gz",
    )  # fmt: skip
    assert sorted(names(found, "sub-2_T1w")) == [
        "unfold-bigbrain-subfields-L", "unfold-bigbrain-subfields-R",
        "unfold-res1-scale1", "unfold-res1-scale2", "unfold-res2-scale1", "unfold-res2-scale2",
    ]  # fmt: skip
    assert names(found, "sub-1_foo-a_T1w") == {}
    assert names(found, "sub-1_foo-b_T1w") == {"foo": "sub-1_foo-b_dseg.nii.gz"}


def test_a_derivative_needs_no_description(tmp_path: Path) -> None:
    found = made(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", "derivatives/lab/sub-1/anat/sub-1_dseg.nii")
    (tmp_path / "derivatives/lab/dataset_description.json").unlink()
    assert names(found, "sub-1_T1w") == {"lab": "sub-1_dseg.nii"}
    assert list(find_derivatives(tmp_path, {})) == ["lab"]


@pytest.mark.parametrize("ending", ["desc-afids_landmarks.tsv", "afids.fcsv", "desc-x_afids.mrk.json", "landmarks.csv"])
def test_landmarks_come_in_the_formats_of_the_field(tmp_path: Path, ending: str) -> None:
    found = made(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", f"derivatives/afids/sub-1/anat/sub-1_{ending}")
    marks = found.scans(Select())[0].landmarks
    assert marks is not None
    assert marks.name == f"sub-1_{ending}"


def test_landmarks_without_counterpart_are_counted_before_anything_runs(tmp_path: Path) -> None:
    scans = []
    for name, marks in (("a", ("AC", "PC")), ("b", ("PC", "x", "y")), ("c", ("z",))):
        path = tmp_path / f"sub-{name}_landmarks.tsv"
        path.write_text("name\tx\ty\tz\n" + "".join(f"{mark}\t1\t2\t3\n" for mark in marks))
        scans.append(Scan(name=f"sub-{name}", subject=name, suffix="T1w", image=tmp_path / "x.nii", landmarks=path))
    notes = landmark_notes([Pair(fixed=scans[0], moving=scans[1]), Pair(fixed=scans[0], moving=scans[2])])
    assert notes == (
        "landmarks: none has the same name in both images of 1 pair (suba-subc)",
        "landmarks: 1 of fixed and 2 of moving images have no counterpart, in 1 pair (suba-subb)",
    )
    assert landmark_notes([Pair(fixed=scans[0], moving=scans[0])]) == ()
    (tmp_path / "sub-b_landmarks.tsv").write_text("name\tx\ty\tz\nPC\t1\t2\t3\nPC\t1\t2\t3\n")
    with pytest.raises(DataError, match="'PC' occurs twice"):
        landmark_notes([Pair(fixed=scans[0], moving=scans[1])])
