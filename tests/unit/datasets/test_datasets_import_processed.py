"""Folders of FreeSurfer, FastSurfer, SynthSeg, IXI and HCP: what comes in, what is left and told, and a plan on the result."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lumirage.core.errors import DataError, UsageError
from lumirage.core.track import Track
from lumirage.datasets.importers import ImportOptions, import_dataset
from lumirage.planning.evaluation_plan import Plan, PlanInputs, make_plan

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def image(path: Path, low: int = 0, affine: np.ndarray = AFFINE, shift: int = 0) -> None:
    """Eight blocks of labels (or greys) that FreeSurfer and SynthSeg have in common, or their neighbours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.zeros((16, 16, 16), np.float32)
    data[3:8, 3:13, 3:13], data[8:13, 3:13, 3:13] = 2 + low, 41 + low
    data[5:7, 5:8, 5:8], data[9:11, 5:8, 5:8] = 17 + low, 53 + low
    kind = nib.MGHImage if path.name.endswith(".mgz") else nib.Nifti1Image
    kind(np.roll(data, shift, axis=2), affine).to_filename(path)


def planned(bids: Path, out: Path) -> Plan:
    return make_plan(
        PlanInputs(bids=bids, out=out, track=Track(name="t"), methods=(), runtime="docker"), lambda _: None
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_freesurfer_and_fastsurfer(tmp_path: Path) -> None:
    subjects = tmp_path / "subjects"
    for name in ("sub-01", "sub-02_ses-1", "p_3", "fsaverage", "base", "p_3.long.base"):
        for file in ("orig.mgz", "aseg.mgz", "brainmask.mgz"):
            image(subjects / name / "mri" / file)
    image(subjects / "p_3/mri/aparc.DKTatlas+aseg.mapped.mgz")
    for name in ("aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz"):
        (subjects / "p_3/mri" / name).symlink_to("aparc.DKTatlas+aseg.mapped.mgz")
    (subjects / "broken/mri").mkdir(parents=True)
    incoming = import_dataset("freesurfer", subjects, tmp_path / "bids")
    assert [(s.subject, s.session, sorted(s.labels)) for s in incoming.scans] == [
        ("p3", None, ["aparcaseg", "aseg"]),
        ("01", None, ["aseg"]),
        ("02", "1", ["aseg"]),
    ]
    told = " ".join(incoming.notes)
    assert "left: 3 (base, fsaverage, p_3.long.base)" in told
    assert "left: 1 (broken)" in told
    assert "labels aparcaseg: 1 of 3 scans" in told
    assert (tmp_path / "bids/sub-01/anat/sub-01_T1w.mgz").resolve() == subjects / "sub-01/mri/orig.mgz"
    plan = planned(tmp_path / "bids", tmp_path / "out")
    assert len(plan.pairs) == 2
    assert all(pair.fixed.mask and pair.moving.mask for pair in plan.pairs)
    (names,) = [names for source, names in plan.evaluation.label_names.items() if "aseg" in source and 17 in names][:1]
    assert names[17] == "Left-Hippocampus"


def test_synthseg_in_two_folders_or_in_one(tmp_path: Path) -> None:
    finer = np.diag([2.0, 2.0, 2.0, 1.0])
    for name in ("sub-01_T1w", "sub-02_T1w", "x"):
        image(tmp_path / "images" / f"{name}.nii.gz", low=3)
    for name in ("sub-01_T1w", "sub-02_T1w", "gone"):
        image(tmp_path / "segmentations" / f"{name}_synthseg.nii.gz", affine=finer)
    options = ImportOptions(labels=str(tmp_path / "segmentations"))
    incoming = import_dataset("synthseg", tmp_path / "images", tmp_path / "bids", options)
    assert [(s.subject, s.suffix, list(s.labels)) for s in incoming.scans] == [
        ("01", "T1w", ["synthseg"]),
        ("02", "T1w", ["synthseg"]),
    ]
    assert (
        " ".join(incoming.notes) == "left: 1 (x.nii.gz): images without a map. left: 1 (gone): maps without an image."
    )
    (pair,) = planned(tmp_path / "bids", tmp_path / "out").pairs
    assert len(pair.fixed.labels) == 1, "on a lattice of its own"
    for path in [*(tmp_path / "images").iterdir(), *(tmp_path / "segmentations").iterdir()]:
        path.rename(tmp_path / "images" / path.name)
    again = import_dataset("synthseg", tmp_path / "images", tmp_path / "second")
    assert [scan.name for scan in again.scans] == [scan.name for scan in incoming.scans]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="give their folder with --labels"):
        import_dataset("synthseg", tmp_path / "empty", tmp_path / "third")


def test_ixi(tmp_path: Path) -> None:
    for folder, name in (
        ("IXI-T1", "IXI002-Guys-0828-T1"),
        ("IXI-T1", "IXI012-HH-1211-T1"),
        ("IXI-T2", "IXI002-Guys-0828-T2"),
        ("IXI-MRA", "IXI002-Guys-0828-MRA"),
    ):
        image(tmp_path / "ixi" / folder / f"{name}.nii.gz")
    incoming = import_dataset("ixi", tmp_path / "ixi", tmp_path / "bids")
    assert [scan.name for scan in incoming.scans] == ["sub-002_T1w", "sub-012_T1w", "sub-002_T2w"]
    told = " ".join(incoming.notes)
    assert "Guys 1, HH 1" in told
    assert "left: 1 images" in told
    assert len(planned(tmp_path / "bids", tmp_path / "out").pairs) == 1


def test_hcp(tmp_path: Path) -> None:
    for subject in ("100307", "100408"):
        for file in ("T1w_acpc_dc_restore", "T2w_acpc_dc_restore", "aparc+aseg", "wmparc", "brainmask_fs"):
            image(tmp_path / "hcp" / subject / "T1w" / f"{file}.nii.gz")
    (tmp_path / "hcp/100500").mkdir()
    incoming = import_dataset("hcp", tmp_path / "hcp", tmp_path / "bids")
    assert sorted(scan.name for scan in incoming.scans) == [
        f"sub-{s}_{c}" for s in ("100307", "100408") for c in ("T1w", "T2w")
    ]
    assert "left: 1 (100500)" in " ".join(incoming.notes)
    (pair,) = planned(tmp_path / "bids", tmp_path / "out").pairs
    assert len(pair.fixed.labels) == 2
    assert pair.fixed.mask


def test_patterns_belong_to_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for kind in ("freesurfer", "hcp", "ixi", "synthseg"):
        with pytest.raises(UsageError, match="patterns are for nifti-folder"):
            import_dataset(kind, tmp_path / "in", tmp_path / "out", ImportOptions(mask="x"))
