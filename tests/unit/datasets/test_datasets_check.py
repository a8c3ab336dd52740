"""The dataset check: each defect is made and must be found; a sound dataset has none."""

import base64
import gzip
import io
import shutil
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread

from lumirage.core.errors import DataError
from lumirage.core.space import read_labels, read_volume, write_volume
from lumirage.datasets.dataset_check import DatasetCheck
from lumirage.datasets.dataset_check_page import check_page, write_check_page
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.datasets.raw_headers import read_header
from lumirage.flow.look_over import look_over

IMAGE = "sub-01/anat/sub-01_T1w.nii.gz"
LABELS = "derivatives/phantom/sub-01/anat/sub-01_seg-phantom_dseg.nii.gz"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "phantom"
    make_phantom(out, PhantomSpec(subjects=3, spacing_mm=6.0, contrasts=("T1w", "T2w")))
    return out


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def kinds(check: DatasetCheck, severity: str, path: str) -> set[str]:
    return {f.kind for f in check.findings if f.severity == severity and f.path == path}


def patch_header(path: Path, offset: int, code: str, *values: float) -> None:
    raw = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(f"<{len(values)}{code}", raw, offset, *values)
    path.write_bytes(gzip.compress(bytes(raw)))


def test_a_sound_dataset(dataset: Path) -> None:
    check = look_over(dataset)
    assert (check.count("error"), len(check.scans)) == (0, 6)
    assert {f.kind for f in check.findings} <= {"label set", "empty labels"}  # thin structures vanish at 6 mm
    scan = check.scans[0]
    assert (scan.path, scan.orientation, scan.unit, scan.spacing_mm) == (IMAGE, "RAS", "mm", (6.0, 6.0, 6.0))
    assert scan.labels["phantom"] == tuple(int(v) for v in np.unique(read_labels(dataset / LABELS).data)[1:])


def test_wrong_units_forms_and_spacing(dataset: Path) -> None:
    patch_header(dataset / IMAGE, 123, "B", 1)
    patch_header(dataset / "sub-02/anat/sub-02_T1w.nii.gz", 123, "B", 0)
    patch_header(dataset / "sub-02/anat/sub-02_T2w.nii.gz", 292, "f", 99.0)  # the sform's x offset
    patch_header(dataset / "sub-03/anat/sub-03_T1w.nii.gz", 252, "h", 0, 0)
    check = look_over(dataset)
    assert kinds(check, "error", IMAGE) == {"unit"}
    assert kinds(check, "warning", "sub-02/anat/sub-02_T1w.nii.gz") == {"unit"}
    assert kinds(check, "warning", "sub-02/anat/sub-02_T2w.nii.gz") == {"qform and sform"}
    assert "no frame" in kinds(check, "warning", "sub-03/anat/sub-03_T1w.nii.gz")


def test_identity_affine_and_spacing(dataset: Path) -> None:
    data = read_volume(dataset / IMAGE).data
    write_volume(dataset / IMAGE, data, np.eye(4))
    write_volume(dataset / "sub-02/anat/sub-02_T1w.nii.gz", data + 1, np.diag([0.001, 0.001, 0.001, 1]))
    write_volume(dataset / "sub-03/anat/sub-03_T1w.nii.gz", data + 2, np.diag([1.0, 1.0, 5.0, 1]))
    check = look_over(dataset)
    assert "identity affine" in kinds(check, "warning", IMAGE)
    assert "spacing" in kinds(check, "error", "sub-02/anat/sub-02_T1w.nii.gz")
    assert "spacing" in kinds(check, "note", "sub-03/anat/sub-03_T1w.nii.gz")
    assert "other grid" in kinds(check, "error", LABELS)


def test_missing_truncated_and_four_dimensional_files(dataset: Path) -> None:
    for name in (LABELS, "sub-02/anat/sub-02_T2w.nii.gz"):
        (dataset / name).unlink()
    (dataset / "sub-02/anat/sub-02_T2w.nii.gz").symlink_to(dataset / "gone.nii.gz")
    whole = (dataset / "sub-03/anat/sub-03_T1w.nii.gz").read_bytes()
    (dataset / "sub-03/anat/sub-03_T1w.nii.gz").write_bytes(whole[: len(whole) // 2])
    write_volume(dataset / "sub-03/anat/sub-03_T2w.nii.gz", np.ones((3, 3, 3, 2), np.int16), np.eye(4))
    (dataset / "participants.tsv").write_text("participant_id\nsub-01\nsub-02\nsub-03\nsub-99\n")
    check = look_over(dataset)
    assert "missing file" in kinds(check, "warning", IMAGE)
    assert kinds(check, "error", "sub-02/anat/sub-02_T2w.nii.gz") == {"missing file"}
    assert kinds(check, "error", "sub-03/anat/sub-03_T1w.nii.gz") == {"unreadable"}
    assert kinds(check, "error", "sub-03/anat/sub-03_T2w.nii.gz") == {"unreadable"}
    assert kinds(check, "error", "participants.tsv") == {"missing file"}


def test_empty_labels_label_sets_and_names(dataset: Path) -> None:
    volume = read_labels(dataset / LABELS)
    write_volume(dataset / LABELS, np.zeros_like(volume.data), volume.affine)
    second = LABELS.replace("01", "02")
    other = read_labels(dataset / second).data.astype(np.int16)
    write_volume(dataset / second, np.where(other == 5, 500, other).astype(np.int16), volume.affine)
    check = look_over(dataset)
    assert kinds(check, "error", LABELS) == {"empty labels"}
    lacking = [f.message for f in check.findings if f.kind == "label set" and f.path == second]
    assert len(lacking) == 1
    assert "5" in lacking[0].split(": ")[1].split(", ")
    assert any(f.kind == "label names" and f.message == "not in dseg.tsv: 500" for f in check.findings)


def test_duplicates_are_found_under_another_header(dataset: Path) -> None:
    volume = read_volume(dataset / IMAGE)
    moved = volume.affine + np.array([[0, 0, 0, 3.0]] + [[0.0] * 4] * 3)
    write_volume(dataset / "sub-02/anat/sub-02_T1w.nii.gz", volume.data, moved)
    found = [f for f in look_over(dataset).findings if f.kind == "duplicate"]
    assert [(f.path, f.severity) for f in found] == [("sub-02/anat/sub-02_T1w.nii.gz", "error")]


def test_a_constant_image_and_no_description(dataset: Path) -> None:
    volume = read_volume(dataset / IMAGE)
    write_volume(dataset / IMAGE, np.full(volume.data.shape, 4, np.int16), volume.affine)
    (dataset / "dataset_description.json").unlink()
    check = look_over(dataset)
    assert "empty image" in kinds(check, "error", IMAGE)
    assert kinds(check, "error", "dataset_description.json") == {"not BIDS"}
    assert check.findings[0].severity == "error"


def test_the_page_stands_alone(dataset: Path, tmp_path: Path) -> None:
    (dataset / "sub-02/anat/sub-02_T2w.nii.gz").write_bytes(b"no image")
    check = look_over(dataset)
    write_check_page(check, tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "http" not in page
    assert "<script" not in page
    assert "not a NIfTI file" in page
    named = check.model_copy(update={"root": "<b>&"})
    assert "&lt;b&gt;&amp;" in check_page(named)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR"])
def test_the_thumbnail_does_not_depend_on_storage(dataset: Path, orientation: str) -> None:
    """A block in the right front shows up in the same pixels, however the array is stored."""
    data = np.zeros((20, 24, 16), np.int16)
    data[1:19, 1:23, 1:15] = 10
    data[12:17, 15:21, 5:13] = 100
    world = {"RAS": (0, 1, 2), "LPS": (0, 1, 2), "PIR": (1, 2, 0)}[orientation]
    signs = {"RAS": (1, 1, 1), "LPS": (-1, -1, 1), "PIR": (-1, -1, 1)}[orientation]
    stored = np.transpose(data, world)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (target, sign) in enumerate(zip(world, signs, strict=True)):
        affine[target, axis] = sign * 2.0
        stored = np.flip(stored, axis) if sign < 0 else stored
    write_volume(dataset / IMAGE, np.ascontiguousarray(stored), affine)
    (dataset / LABELS).unlink()
    scan = look_over(dataset).scans[0]
    assert scan.orientation == orientation
    pixels = imread(io.BytesIO(base64.b64decode(scan.thumbnail.split(",")[1])), format="png")[..., 0]
    axial = pixels[:, :107]  # 128 * 20 / 24 wide
    rows, columns = np.nonzero(axial > 0.9)
    assert columns.mean() > 60  # right
    assert rows.mean() < 60  # front is up


def test_qform_is_read_as_nibabel_reads_it(dataset: Path) -> None:
    turned = np.array([[0.0, 0, 3, -5], [-2, 0, 0, 4], [0, 1.5, 0, 7], [0, 0, 0, 1]])
    write_volume(dataset / IMAGE, np.ones((3, 4, 5), np.int16), turned)
    header = read_header(dataset / IMAGE)
    assert header.qform is not None
    assert header.sform is not None
    np.testing.assert_allclose(header.qform, turned, atol=1e-5)
    np.testing.assert_allclose(header.sform, turned, atol=1e-6)
    assert header.spacing == (2.0, 1.5, 3.0)


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        look_over(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no NIfTI image"):
        look_over(tmp_path)


def test_one_map_of_a_person_under_two_sources_is_no_mistake(dataset: Path) -> None:
    for source, target in (("01", "01"), ("01", "02")):
        copy = dataset / f"derivatives/other/sub-{target}/anat/sub-{target}_dseg.nii.gz"
        copy.parent.mkdir(parents=True)
        shutil.copy(dataset / LABELS.replace("01", source), copy)
    found = {f.path: f.severity for f in look_over(dataset).findings if f.kind == "duplicate"}
    assert sorted(found.values()) == ["error", "note"]
    assert found.get(LABELS, found.get("derivatives/other/sub-01/anat/sub-01_dseg.nii.gz")) == "note"


def test_freesurfers_format_is_looked_at_too(dataset: Path) -> None:
    image = nib.load(dataset / IMAGE)
    nib.save(nib.MGHImage(np.asarray(image.dataobj), image.affine), dataset / IMAGE.replace(".nii.gz", ".mgz"))
    (dataset / IMAGE).unlink()
    check = look_over(dataset)
    scan = next(s for s in check.scans if s.path.endswith(".mgz"))
    assert (scan.name, scan.spacing_mm, scan.orientation, scan.unit) == ("sub-01_T1w", (6.0, 6.0, 6.0), "RAS", "mm")
    assert scan.labels["phantom"]
    assert check.count("error") == 0


def test_what_an_evaluation_takes_is_no_error(dataset: Path) -> None:
    """NaN outside the head, a label map with the noise of floats and one on a lattice of its own."""
    volume, labels = read_volume(dataset / IMAGE), read_labels(dataset / LABELS)
    write_volume(dataset / IMAGE, np.where(volume.data == 0, np.float32(np.nan), volume.data), volume.affine)
    write_volume(dataset / LABELS, labels.data.astype(np.float32) + np.float32(1e-4), labels.affine)
    second = LABELS.replace("01", "02")
    other = read_labels(dataset / second)
    fine = other.affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    write_volume(dataset / second, other.data.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.int16), fine)
    check = look_over(dataset)
    assert [f.message for f in check.findings if f.severity == "error"] == []
    assert check.scans[0].labels["phantom"] == tuple(int(v) for v in np.unique(labels.data)[1:])
