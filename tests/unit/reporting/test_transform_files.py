"""Files for other tools: applied by a tool of its own world each, they move the labels to where our own map does."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from nitransforms.io.x5 import from_filename
from nitransforms.linear import Affine
from nitransforms.nonlinear import DenseFieldTransform
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from lumirage.core.space import Displacement, make_grid, points
from lumirage.reporting.transform_files import FORMATS, HOW, FoundMap

SHAPE, MOVING_SHAPE = (18, 20, 16), (17, 15, 19)


def lattice(orientation: str, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> np.ndarray:
    """Voxel to world, centred near the origin."""
    signs = {"RAS": (1, 1, 1), "LAS": (-1, 1, 1), "LPS": (-1, -1, 1), "oblique": (1, 1, 1)}[orientation]
    affine = np.diag([*(np.array(signs) * spacing), 1.0])
    if orientation == "oblique":
        affine[:3, :3] = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = np.array([3.0, -5.0, 2.0]) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


CASES = [(f, m) for f in ("RAS", "LAS", "LPS", "oblique") for m in ("RAS", "LAS", "oblique")]


def found_map(fixed: str, moving: str) -> FoundMap:
    """Fixed and moving anisotropic, an affine that turns, shears and scales, a smooth field of some millimetres."""
    rng = np.random.default_rng(3)
    u = np.stack([gaussian_filter(rng.normal(0, 30, SHAPE), 3, mode="nearest") for _ in range(3)], -1)
    grid = lattice(fixed, SHAPE, (2.0, 1.5, 3.0))
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("zyx", [8, -5, 6], degrees=True).as_matrix() @ np.diag([1.05, 0.95, 1.02])
    affine[0, 1] += 0.04
    affine[:3, 3] = (1.5, -2.0, 2.5)
    other = lattice(moving, MOVING_SHAPE, (2.5, 3.0, 1.8))
    field = Displacement(u.astype(np.float32), grid)
    return FoundMap(affine, field, make_grid(SHAPE, grid), make_grid(MOVING_SHAPE, other))


@pytest.fixture(params=CASES)
def found(request: pytest.FixtureRequest) -> FoundMap:
    return found_map(*request.param)


def labels(found: FoundMap) -> np.ndarray:
    return np.random.default_rng(5).integers(1, 30, found.moving.shape).astype(np.int16)


def world_of(found: FoundMap) -> np.ndarray:
    return points(found.fixed.affine, np.indices(found.fixed.shape, dtype=float).reshape(3, -1).T)


def taken(found: FoundMap, world: np.ndarray) -> np.ndarray:
    """The moving labels nearest to points of the moving world; 0 outside."""
    at = points(np.linalg.inv(found.moving.affine), world)
    return map_coordinates(labels(found), at.T, order=0, mode="grid-constant")


def ours(found: FoundMap) -> np.ndarray:
    x = world_of(found)
    return taken(found, points(found.affine, x + found.field.u.reshape(-1, 3)))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """But for points that lie half-way between two voxels or on the border, to rounding."""
    return bool(np.mean(a == b) > 0.999) and bool((b > 0).mean() > 0.3)


def sitk_image(data: np.ndarray, affine: np.ndarray) -> sitk.Image:
    lps = np.diag([-1, -1, 1, 1]) @ np.array(affine)
    spacing = np.sqrt((lps[:3, :3] ** 2).sum(0))
    image = sitk.GetImageFromArray(data.transpose(2, 1, 0))
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def resampled(found: FoundMap, transform: sitk.Transform) -> np.ndarray:
    moving = sitk_image(labels(found), found.moving.affine)
    fixed = sitk_image(np.zeros(found.fixed.shape, np.int16), found.fixed.affine)
    return (
        sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkNearestNeighbor))
        .transpose(2, 1, 0)
        .ravel()
    )


@pytest.mark.parametrize("fmt", ["itk", "slicer"])
def test_itk_and_slicer_by_simpleitk(found: FoundMap, tmp_path: Path, fmt: str) -> None:
    (whole,) = FORMATS[fmt](found, tmp_path / "x", False)
    assert same(resampled(found, sitk.ReadTransform(str(whole))), ours(found))
    affine, deformation = (sitk.ReadTransform(str(path)) for path in FORMATS[fmt](found, tmp_path / "x", True))
    assert same(resampled(found, sitk.CompositeTransform([affine, deformation])), ours(found))


def test_ants_by_simpleitk_which_reads_the_same_files(found: FoundMap, tmp_path: Path) -> None:
    def warp(path: Path) -> sitk.Transform:
        return sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))

    (whole,) = FORMATS["ants"](found, tmp_path / "x", False)
    assert same(resampled(found, warp(whole)), ours(found))
    affine, deformation = FORMATS["ants"](found, tmp_path / "x", True)
    both = sitk.CompositeTransform([sitk.ReadTransform(str(affine)), warp(deformation)])
    assert same(resampled(found, both), ours(found))


def test_x5_by_nitransforms(found: FoundMap, tmp_path: Path) -> None:
    def dense(path: Path) -> DenseFieldTransform:
        (node,) = from_filename(path)
        reference = nib.Nifti1Image(np.zeros(node.domain.size, np.int8), node.domain.mapping)
        return DenseFieldTransform(node.transform, is_deltas=True, reference=reference)

    x = world_of(found)
    (whole,) = FORMATS["x5"](found, tmp_path / "x", False)
    assert same(taken(found, dense(whole).map(x)), ours(found))
    affine, deformation = FORMATS["x5"](found, tmp_path / "x", True)
    linear = Affine.from_filename(affine, fmt="X5")
    assert same(taken(found, linear.map(dense(deformation).map(x))), ours(found))


def fsl_voxels(flip: bool, shape: tuple[int, ...], spacing: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """FSL's millimetres -> voxels: divided by the voxel size, the first axis counted from the other end if stored so."""
    voxels = xyz / spacing
    if flip:
        voxels[:, 0] = shape[0] - 1 - voxels[:, 0]
    return voxels


def test_fsl_by_its_formula(found: FoundMap, tmp_path: Path) -> None:
    """As applywarp does: reference voxel -> mm -> + warp -> (inverse of the premat) -> mm of the moving image -> voxel."""

    def facts(affine: np.ndarray) -> tuple[bool, np.ndarray]:
        return np.linalg.det(affine[:3, :3]) > 0, np.sqrt((affine[:3, :3] ** 2).sum(0))

    flip_f, spacing_f = facts(np.array(found.fixed.affine))
    flip_m, spacing_m = facts(np.array(found.moving.affine))
    index = np.indices(found.fixed.shape, dtype=float).reshape(3, -1).T
    start = index.copy()
    if flip_f:
        start[:, 0] = found.fixed.shape[0] - 1 - start[:, 0]
    start *= spacing_f

    def applied(warp: Path, premat: np.ndarray) -> np.ndarray:
        image = nib.load(warp)
        assert image.shape == (*found.fixed.shape, 3)
        assert np.allclose(image.affine, found.fixed.affine, atol=1e-5)
        there = points(np.linalg.inv(premat), start + np.asarray(image.dataobj).reshape(-1, 3))
        at = fsl_voxels(flip_m, found.moving.shape, spacing_m, there)
        return map_coordinates(labels(found), at.T, order=0, mode="grid-constant")

    (whole,) = FORMATS["fsl"](found, tmp_path / "x", False)
    assert same(applied(whole, np.eye(4)), ours(found))
    matrix, warp = FORMATS["fsl"](found, tmp_path / "x", True)
    assert same(applied(warp, np.loadtxt(matrix)), ours(found))


def test_flirt_matrix_is_that_of_nitransforms(found: FoundMap, tmp_path: Path) -> None:
    fixed = nib.Nifti1Image(np.zeros(found.fixed.shape, np.int8), np.array(found.fixed.affine))
    moving = nib.Nifti1Image(np.zeros(found.moving.shape, np.int8), np.array(found.moving.affine))
    matrix, _ = FORMATS["fsl"](found, tmp_path / "x", True)
    theirs = Affine.from_filename(matrix, fmt="fsl", reference=fixed, moving=moving)
    assert np.allclose(theirs.matrix, found.affine, atol=1e-5)


def test_every_format_says_how_it_is_applied() -> None:
    assert FORMATS.keys() == HOW.keys()
    assert "-t X_1Warp.nii.gz -t X_0GenericAffine.mat" in HOW["ants"], "the order that ANTs' own program confirmed"
