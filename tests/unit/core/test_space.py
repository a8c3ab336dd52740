"""Files in and out, and the conventions in which methods store their fields."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lumirage.core import space
from lumirage.core.errors import DataError, InvalidAnswerError
from lumirage.core.model import Convention
from lumirage.core.space import Displacement

AFFINE = np.array([[1.5, 0, 0.2, -20], [0, 2.0, 0, 5], [-0.1, 0, 1.0, 7], [0, 0, 0, 1]])
SHAPE = (6, 7, 8)


def field(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (*SHAPE, 3))


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.Nifti1Image(data.astype(np.float32), affine).to_filename(path)
    return path


GRID = space.make_grid(SHAPE, AFFINE)


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    u = field().astype(np.float32)
    for name in ("u.nii", "u.nii.gz"):
        space.write_displacement(tmp_path / name, Displacement(u, AFFINE))
        np.testing.assert_array_equal(space.read_displacement(tmp_path / name, Convention(), GRID).u, u)
    assert not list(tmp_path.glob(".*")), "nothing is left beside"


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        space.write_volume(tmp_path / f"{name}.nii.gz", np.ones(SHAPE, np.float32), AFFINE)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def written_as(u: np.ndarray, convention: Convention) -> np.ndarray:
    """The definition of each convention, forwards: from mm RAS+ to what a method would store."""
    index = np.moveaxis(np.indices(SHAPE), 0, -1).astype(float)
    if convention.unit == "mm":
        value = u + (space.points(AFFINE, index) if convention.kind == "deformation" else 0)
    else:
        value = u @ np.linalg.inv(AFFINE[:3, :3]).T + (index if convention.kind == "deformation" else 0)
        if convention.unit == "normalized":
            value = 2 * value / (np.array(SHAPE) - 1) - (1 if convention.kind == "deformation" else 0)
    return np.stack(
        [
            value[..., "xyz".index(axis)] * (-1 if sign == "-" else 1)
            for axis, sign in zip(convention.order, convention.signs, strict=True)
        ],
        axis=-1,
    )


@pytest.mark.parametrize(
    ("unit", "kind", "order", "signs"),
    list(
        itertools.product(
            ("mm", "voxel", "normalized"), ("displacement", "deformation"), ("xyz", "zyx", "yzx"), ("+++", "--+")
        )
    ),
)
@pytest.mark.parametrize("channels", ["last", "first"])
def test_every_convention_comes_to_the_same_field(tmp_path: Path, unit, kind, order, signs, channels) -> None:
    convention = Convention(unit=unit, kind=kind, order=order, signs=signs, channels=channels)
    stored = written_as(field(), convention)
    path = save(tmp_path / "u.nii", stored if channels == "last" else np.moveaxis(stored, -1, 0))
    np.testing.assert_allclose(space.read_displacement(path, convention, GRID).u, field(), atol=1e-4)


def test_a_constant_velocity_flows_by_itself(tmp_path: Path) -> None:
    path = save(tmp_path / "v.nii", np.full((*SHAPE, 3), 0.7))
    np.testing.assert_allclose(space.read_displacement(path, Convention(kind="velocity"), GRID).u, 0.7, atol=1e-5)


def test_a_linear_velocity_flows_exponentially(tmp_path: Path) -> None:
    """dx/dt = a (x - c) gives x(1) = c + e^a (x - c), so u = (e^a - 1)(x - c), away from the border."""
    shape, a = (21, 21, 21), 0.2
    index = np.moveaxis(np.indices(shape), 0, -1) - 10.0
    path = save(tmp_path / "v.nii", a * index, np.eye(4))
    u = space.read_displacement(path, Convention(kind="velocity"), space.make_grid(shape, np.eye(4))).u
    inner = (slice(6, 15),) * 3
    np.testing.assert_allclose(u[inner], (np.exp(a) - 1) * index[inner], atol=5e-3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda u: np.where(np.arange(u.size).reshape(u.shape) == 40, np.nan, u),
            r"1 NaN and 0 infinite .* \(0, 1, 5\)",
        ),
        (lambda u: np.where(np.arange(u.size).reshape(u.shape) < 2, np.inf, u), "0 NaN and 2 infinite"),
        (lambda u: u[1:], r"shape is \(5, 7, 8, 3\).*must be \(6, 7, 8, 3\)"),
        (lambda u: np.moveaxis(u, -1, 0), "must be"),
    ],
)
def test_a_bad_field_is_an_invalid_answer_that_says_where(tmp_path: Path, spoil, message) -> None:
    path = save(tmp_path / "u.nii", spoil(field()))
    with pytest.raises(InvalidAnswerError, match=message):
        space.read_displacement(path, Convention(), GRID)


def test_a_wrong_matrix_is_an_invalid_answer(tmp_path: Path) -> None:
    path = save(tmp_path / "u.nii", field(), np.eye(4))
    with pytest.raises(InvalidAnswerError, match=r"not that of fixed\.nii"):
        space.read_displacement(path, Convention(), GRID)
    assert space.read_displacement(path, Convention(affine="ignored"), GRID).u.shape == (*SHAPE, 3)


def test_damaged_images_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        space.read_volume(tmp_path / "none.nii")
    (tmp_path / "text.nii.gz").write_text("not an image")
    with pytest.raises(DataError, match="not a readable NIfTI"):
        space.read_volume(tmp_path / "text.nii.gz")
    whole = save(tmp_path / "whole.nii.gz", np.random.default_rng(0).normal(size=(30, 30, 30)))
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DataError, match="damaged or cut off"):
        space.read_volume(tmp_path / "cut.nii.gz")
    with pytest.raises(DataError, match="4-D image"):
        space.read_volume(save(tmp_path / "four.nii", np.zeros((4, 4, 4, 2))))
    with pytest.raises(DataError, match="1 voxels are NaN"):
        space.read_volume(save(tmp_path / "nan.nii", np.where(np.arange(64).reshape(4, 4, 4) == 3, np.nan, 0)))
    with pytest.raises(DataError, match="whole numbers"):
        space.read_labels(save(tmp_path / "half.nii", np.full((4, 4, 4), 0.5)))
