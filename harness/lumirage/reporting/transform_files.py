"""Writes a method's transform for other tools: the complete map x -> A (x + u(x)) in one file, or its two parts.

x is a point of the fixed image's world, the result one of the moving image's, so all are transforms for resampling the
moving image. Other tools' own libraries write their files where they are right: SimpleITK those of ITK, ANTs and Slicer,
nitransforms those of X5. FSL's are written here: its warps depend on both images' native lattices.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from scipy.ndimage import map_coordinates

from lumirage.core.layout import written_aside
from lumirage.core.model import Grid, Shape
from lumirage.core.space import (
    Displacement,
    Float,
    Single,
    make_grid,
    points,
    spacing_of,
    write_displacement,
    write_volume,
)

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""RAS+ to LPS+ and back."""


@dataclass(frozen=True)
class FoundMap:
    """x -> affine @ (x + u(x)), RAS+ mm; u on the working grid, `fixed` and `moving` the native lattices of the images."""

    affine: Float
    field: Displacement
    fixed: Grid
    moving: Grid

    def moved(self, world: Float, u: Float | Single) -> Float:
        """Points (..., 3) of the fixed world with their displacements (..., 3) -> points of the moving world."""
        return points(self.affine, world + u)

    @property
    def whole(self) -> Displacement:
        """The complete map as one displacement field on the working grid."""
        world = _places(make_grid(cast(Shape, self.field.u.shape[:3]), self.field.affine))
        return Displacement((self.moved(world, self.field.u) - world).astype(np.float32), self.field.affine)


Writer = Callable[[FoundMap, Path, bool], list[Path]]
"""(map, path without ending, apart?) -> the files written: one, or the affine and the deformation."""


def _itk(found: FoundMap, stem: Path, apart: bool) -> list[Path]:
    if not apart:
        return [_written(_itk_field(found.whole), _ending(stem, ".h5"))]
    affine = _written(_itk_affine(found.affine), _ending(stem, "_affine.tfm"))
    return [affine, _written(_itk_field(found.field), _ending(stem, "_deformation.h5"))]


def _ants(found: FoundMap, stem: Path, apart: bool) -> list[Path]:
    """Names and order as ANTs gives them: `-t X_1Warp.nii.gz -t X_0GenericAffine.mat` takes a point through the warp first."""
    field, name = (found.field, "_1Warp.nii.gz") if apart else (found.whole, "_Warp.nii.gz")
    warp = _ending(stem, name)
    write_displacement(warp, Displacement(field.u * np.array([-1, -1, 1], np.float32), field.affine))
    return [*([_written(_itk_affine(found.affine), _ending(stem, "_0GenericAffine.mat"))] if apart else []), warp]


def _fsl(found: FoundMap, stem: Path, apart: bool) -> list[Path]:
    """A relative warp on the fixed image's native lattice, in FSL's millimetres of both images; and FLIRT's matrix."""
    world = _places(found.fixed)
    u = _sampled(found.field, world)
    to_fixed, to_moving = fsl_millimetres(found.fixed), fsl_millimetres(found.moving)
    moved = points(to_fixed, world + u) if apart else points(to_moving, found.moved(world, u))
    warp = _ending(stem, "_warp.nii.gz")
    write_volume(warp, (moved - points(to_fixed, world)).astype(np.float32), np.array(found.fixed.affine))
    return [*([_flirt(found, _ending(stem, "_affine.mat"))] if apart else []), warp]


def _x5(found: FoundMap, stem: Path, apart: bool) -> list[Path]:
    from nitransforms.base import ImageGrid
    from nitransforms.io.x5 import to_filename
    from nitransforms.linear import Affine

    if not apart:
        paths = {_ending(stem, ".x5"): _x5_field(found.whole)}
    else:
        lattice = SimpleNamespace(shape=found.field.u.shape[:3], affine=found.field.affine)
        affine = Affine(found.affine, reference=ImageGrid(lattice)).to_x5()
        paths = {_ending(stem, "_affine.x5"): affine, _ending(stem, "_deformation.x5"): _x5_field(found.field)}
    for path, node in paths.items():
        with written_aside(path) as aside:
            to_filename(aside, [node])
    return list(paths)


FORMATS: dict[str, Writer] = {"itk": _itk, "ants": _ants, "fsl": _fsl, "x5": _x5, "slicer": _itk}
"""Slicer reads ITK's files: as transforms from the parent, which is what a transform for resampling is there."""

HOW = {
    "itk": "ITK, SimpleITK: resample the moving image with the .h5 file. Apart: x -> affine(deformation(x)).",
    "ants": "antsApplyTransforms -r FIXED -i MOVING -t X_Warp.nii.gz; apart: -t X_1Warp.nii.gz -t X_0GenericAffine.mat.",
    "fsl": "applywarp --rel --ref=FIXED --in=MOVING --warp=X_warp.nii.gz; apart: also --premat=X_affine.mat. FIXED and "
    "MOVING are the native images.",
    "x5": "nitransforms: map points of the fixed world with the .x5 file. Apart: the deformation first, then the affine.",
    "slicer": "Slicer: load the .h5 file and put the moving volume under it. Apart: the moving volume under the affine, the "
    "affine under the deformation.",
}
"""The command of each tool to resample the moving image."""


def fsl_millimetres(grid: Grid) -> Float:
    """World RAS+ mm -> FSL's coordinates of an image, 4x4: voxels times their size, the first axis from the other end where
    the voxel-to-world matrix has a positive determinant (FSL's radiological storage)."""
    affine = np.array(grid.affine)
    scale = np.diag([*spacing_of(affine), 1.0])
    if np.linalg.det(affine[:3, :3]) > 0:
        scale = scale @ np.array([[-1.0, 0, 0, grid.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return scale @ np.linalg.inv(affine)


def _flirt(found: FoundMap, path: Path) -> Path:
    """FLIRT's matrix takes the moving image's millimetres to the fixed one's."""
    matrix = fsl_millimetres(found.fixed) @ np.linalg.inv(fsl_millimetres(found.moving) @ found.affine)
    with written_aside(path) as aside:
        np.savetxt(aside, matrix, fmt="%.10f")
    return path


def _ending(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def _places(grid: Grid) -> Float:
    """World coordinates (X, Y, Z, 3) of a lattice, mm."""
    return points(grid.affine, np.moveaxis(np.indices(grid.shape, dtype=np.float64), 0, -1))


def _sampled(field: Displacement, world: Float) -> Float:
    """u at points (..., 3): linear interpolation, with border values outside the lattice."""
    at = np.moveaxis(points(np.linalg.inv(field.affine), world), -1, 0)
    parts = [map_coordinates(field.u[..., k], at, order=1, mode="nearest", output=np.float64) for k in range(3)]
    return np.stack(parts, axis=-1)


def _written(transform: Any, path: Path) -> Path:
    import SimpleITK as sitk

    with written_aside(path) as aside:
        sitk.WriteTransform(transform, str(aside))
    return path


def _itk_affine(affine: Float) -> Any:
    import SimpleITK as sitk

    matrix = LPS @ affine @ LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def _itk_field(field: Displacement) -> Any:
    import SimpleITK as sitk

    lps = LPS @ field.affine
    vectors = np.ascontiguousarray((field.u * np.array([-1.0, -1.0, 1.0])).transpose(2, 1, 0, 3))
    image = sitk.GetImageFromArray(vectors.astype(np.float64), isVector=True)
    spacing = spacing_of(lps)
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return sitk.DisplacementFieldTransform(image)


def _x5_field(field: Displacement) -> Any:
    from nitransforms.io.x5 import X5Domain, X5Transform

    domain = X5Domain(grid=True, size=field.u.shape[:3], mapping=field.affine, coordinates="cartesian")
    kinds = ("space", "space", "space", "vector")
    return X5Transform(
        type="nonlinear",
        subtype="densefield",
        representation="displacements",
        transform=field.u,
        dimension_kinds=kinds,
        domain=domain,
    )
