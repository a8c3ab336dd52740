"""Images of a dataset: however stored they are one array, and what cannot be used or had to be assumed is said."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lumirage.core.errors import DataError
from lumirage.core.native_images import (
    NO_FRAME,
    centred,
    has_frame,
    notes_of_image,
    notes_of_labels,
    read_image,
    read_label_map,
    to_ras,
)
from lumirage.core.space import Volume, points

SHAPE = (6, 7, 8)
DATA = np.random.default_rng(0).uniform(1, 9, SHAPE).astype(np.float32)


def saved(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]) if affine is None else affine).to_filename(path)
    return path


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 60.0])
@pytest.mark.parametrize("shear", [0.0, 0.3])
def test_all_ways_to_store_a_volume_are_one_even_where_two_axes_are_as_near(degrees: float, shear: float) -> None:
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0, 0, 1.0])).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[2.0, shear, 0], [0, 3, 0], [0, 0, 4]])
    affine[:3, 3] = 1.5, -2.5, 4.0
    first = to_ras(Volume(DATA, affine))
    where = points(first.affine, np.array([[1.0, 2, 3]]))
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            image = nib.Nifti1Image(DATA, affine).as_reoriented(np.array(list(zip(axes, flips, strict=True))))
            again = to_ras(Volume(np.asarray(image.dataobj), image.affine))
            np.testing.assert_array_equal(again.data, first.data)
            np.testing.assert_allclose(points(again.affine, np.array([[1.0, 2, 3]])), where, atol=1e-9)


def test_a_centred_volume_knows_nothing_of_where_it_lies() -> None:
    near, far = np.diag([2.0, 2, 2, 1]), np.diag([2.0, 2, 2, 1])
    far[:3, 3] = 317.3, -812.7, 50.1
    one, two = centred(Volume(DATA, near)), centred(Volume(DATA, far))
    np.testing.assert_array_equal(one[0].affine, two[0].affine)
    np.testing.assert_allclose(two[1] @ two[0].affine, far, atol=1e-9)


def test_nan_around_the_head_is_background_and_told(tmp_path: Path) -> None:
    data = DATA.copy()
    data[:2] = np.nan
    path = saved(tmp_path / "a.nii", data)
    assert (read_image(path).data[:2] == 0).all()
    assert [note.kind for note in notes_of_image(path)] == ["NaN is taken as background, 0"]
    data[4, 2:5, 2:6] = np.nan
    with pytest.raises(DataError, match="12 voxels inside the head are NaN"):
        read_image(saved(tmp_path / "b.nii", data))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (np.zeros(SHAPE, np.float32), "every voxel is 0"),
        (np.full(SHAPE, 7, np.int16), "every voxel is 7"),
        (DATA.astype(np.complex64), "complex numbers"),
        (np.where(DATA > 8, np.inf, DATA), "voxels are infinite"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_its_name(tmp_path: Path, data: np.ndarray, why: str) -> None:
    with pytest.raises(DataError, match=rf"sub-x\.nii: .*{why}"):
        notes_of_image(saved(tmp_path / "sub-x.nii", data))


def test_an_image_without_a_frame_is_told(tmp_path: Path) -> None:
    image = nib.Nifti1Image(DATA, None)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    image.to_filename(tmp_path / "a.nii")
    assert not has_frame(tmp_path / "a.nii")
    assert [note.kind for note in notes_of_image(tmp_path / "a.nii")] == [NO_FRAME]
    assert has_frame(saved(tmp_path / "b.nii", DATA))


def test_labels_are_rounded_only_where_storage_explains_it(tmp_path: Path) -> None:
    labels = np.rint(DATA)
    near = saved(tmp_path / "near.nii", (labels + 5e-3 * np.sin(DATA)).astype(np.float32))
    np.testing.assert_array_equal(read_label_map(near).data, labels)
    assert [note.kind for note in notes_of_labels(near)] == ["labels within 0.01 of whole numbers were rounded"]
    assert notes_of_labels(saved(tmp_path / "whole.nii", labels.astype(np.float64))) == ()
    with pytest.raises(DataError, match="whole numbers"):
        read_label_map(saved(tmp_path / "far.nii", labels + np.float32(0.02)))


def test_content_that_git_annex_or_lfs_holds_says_how_to_get_it(tmp_path: Path) -> None:
    link = tmp_path / "a.nii.gz"
    link.symlink_to("../.git/annex/objects/xx/yy/MD5E-s1--aa.nii.gz/MD5E-s1--aa.nii.gz")
    (tmp_path / "b.nii.gz").write_text("/annex/objects/MD5E-s1--aa.nii.gz\n")
    (tmp_path / "c.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    for name, words in (("a", "datalad get"), ("b", "datalad get"), ("c", "git lfs pull")):
        with pytest.raises(DataError, match=f"content not here .*{words}"):
            notes_of_image(tmp_path / f"{name}.nii.gz")
