"""Aligns a moving image to a fixed one by an affine: SimpleITK, Mattes mutual information.

It starts from the centres of mass and the rotation at which the images agree best. The result is compared with other
rotations and with no alignment at all; an alignment that looks wrong is reported.
"""

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
import SimpleITK as sitk
from pydantic import Field
from scipy import ndimage

from lumirage.core.model import Matrix, Record
from lumirage.core.space import Float, Volume, matrix, points
from lumirage.planning.rotation_search import ALL_WAYS_ROUND, FAR_DEG, Agreement, CoarseImage, angles_deg

ALIGN_VERSION = "2"
CLEAR = 6.5
"""The least clearness of an alignment that is trusted; docs/datasets.md has measurements of right and wrong ones."""
STARTS = 4
"""How many rotations are tried if the first gives no clear alignment."""
PREFERRED = 1.05
"""An alignment (or first rotation) replaces the default one only if it agrees this many times better."""
NOTHING_DONE = 0.95
"""An alignment must reach this share of the agreement without any: images in one space agree best as they are."""
ORTHOGONAL = 1e-4
"""Largest cosine between two axes that count as orthogonal: float32 headers leave 1e-7."""
_SAMPLED_MM = 2.0
_FINEST_SHARE = 0.2
# Set for the whole process: ITK has no other setting that metrics obey too. Sums over threads depend on the number
# of threads, and several of our own threads prepare pairs at once.
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Alignment(Record):
    """An affine alignment, kept for all conditions of a pair."""

    schema_version: Literal[1] = 1
    affine: Matrix = Field(description="fixed to moving, mm, R, A, S, each from the middle of its image")
    doubt: str = Field(default="", description="why it looks wrong; empty where it does not")


def align(fixed: Volume, moving: Volume, kind: str, unaligned: Float) -> Alignment:
    """Fixed to moving, mm, RAS+; kind is `rigid` or `affine`. `unaligned` is the matrix that stands for no alignment, (4, 4).

    Deterministic: one thread, a regular lattice of samples at 2 mm, none random. Rigid first, then affine from the rigid
    result, each on three levels of resolution. The result depends only on the arrays and the linear part of their
    matrices, if both come from `lumirage.core.native_images.centred`.
    """
    fixed, moving = _without_shear(fixed), _without_shear(moving)
    agreement = Agreement(CoarseImage.of(fixed), CoarseImage.of(moving))
    images = _sitk_image(fixed), _sitk_image(moving)
    starts = _starts(agreement, unaligned)
    centre = agreement.fixed.centre
    found = _estimate(images, starts[0], centre, kind)
    if _doubt(found, agreement, unaligned):
        others = [_estimate(images, start, centre, "coarse") for start in starts[1:]]
        other = _estimate(images, max(others, key=agreement.at), centre, kind)
        found = other if agreement.at(other) > PREFERRED * agreement.at(found) else found
    return Alignment(affine=matrix(found), doubt=_doubt(found, agreement, unaligned))


def _starts(agreement: Agreement, unaligned: Float) -> list[Float]:
    """The rotations at which the images agree best, far from each other, and no alignment; the best first."""
    rotations, values = agreement.turns
    order = np.argsort(-values, kind="stable")
    if values[order[0]] < PREFERRED * values[0]:
        order = np.concatenate([[0], order[order != 0]])
    chosen: list[int] = []
    for k in order:
        if len(chosen) < STARTS and all(angles_deg(rotations[[j]], rotations[k])[0] >= FAR_DEG for j in chosen):
            chosen.append(int(k))
    return [*(agreement.turned(ALL_WAYS_ROUND[k]) for k in chosen), unaligned]


def _doubt(found: Float, agreement: Agreement, unaligned: Float) -> str:
    if agreement.at(found) < NOTHING_DONE * agreement.at(unaligned):
        return "the images agree better without any alignment"
    clearness = agreement.clearness(found)
    if clearness < CLEAR:
        return (
            f"the images agree hardly better than at other rotations ({clearness:.1f} standard deviations above "
            f"them; right alignments reach more than {CLEAR:g})"
        )
    return ""


_Images = tuple[sitk.Image, sitk.Image]


def _estimate(images: _Images, start: Float, centre: Float, kind: str) -> Float:
    """Fixed to moving from a starting matrix, rigid before affine; the fixed image is rotated about `centre`."""
    fixed, moving = images[0], _carried(images[1], cast(Float, np.linalg.inv(start)))
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter((_LPS[:3, :3] @ centre).tolist())
    if kind == "coarse":
        return start @ _ras_matrix(_optimize(fixed, moving, rigid, [4]))
    # the affine stage covers the finest level
    result = _optimize(fixed, moving, rigid, [4, 2] if kind == "affine" else [4, 2, 1])
    if kind == "affine":
        affine = sitk.AffineTransform(3)
        affine.SetCenter(result.GetCenter())
        affine.SetMatrix(result.GetMatrix())
        affine.SetTranslation(result.GetTranslation())
        result = _optimize(fixed, moving, affine, [4, 2, 1])
    return start @ _ras_matrix(result)


def _carried(image: sitk.Image, rigid: Float) -> sitk.Image:
    """The image moved by a rotation and translation (4, 4), RAS+; only its header changes."""
    lps = _LPS @ rigid @ _LPS
    carried = sitk.Image(image)
    carried.SetOrigin(points(lps, np.array(image.GetOrigin())).tolist())
    carried.SetDirection((lps[:3, :3] @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
    return carried


def _optimize(fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform, levels: Sequence[int]) -> sitk.Transform:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    # ITK jitters each sample within its voxel, seeded from the clock unless a seed is given
    method.SetMetricSamplingPercentagePerLevel([1.0 if level > 1 else _FINEST_SHARE for level in levels], seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(levels)
    method.SetSmoothingSigmasPerLevel([float(level) for level in levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start


def _without_shear(volume: Volume) -> Volume:
    """The image on a lattice with orthogonal axes, the only kind ITK knows: unchanged if it has one, else resampled."""
    steps = volume.affine[:3, :3] / volume.spacing_mm
    if np.abs(steps.T @ steps - np.eye(3)).max() <= ORTHOGONAL:
        return volume
    shape = np.array(volume.data.shape)
    corners = points(volume.affine, np.array(list(np.ndindex(2, 2, 2))) * (shape - 1.0))
    low, high = corners.min(axis=0), corners.max(axis=0)
    affine = np.diag([*volume.spacing_mm, 1.0])
    affine[:3, 3] = low
    size = tuple(int(n) for n in np.ceil((high - low) / volume.spacing_mm - 1e-6) + 1)
    to_voxel = np.linalg.inv(volume.affine) @ affine
    data = ndimage.affine_transform(volume.data, to_voxel[:3, :3], to_voxel[:3, 3], size, np.float32, 1)
    return Volume(data, affine)


def _sitk_image(volume: Volume) -> sitk.Image:
    """The image in ITK's frame (LPS), on a lattice of about 2 mm, scaled to 0..1."""
    spacing = volume.spacing_mm
    lps = _LPS @ volume.affine
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(_rotation(lps[:3, :3] / spacing).ravel().tolist())
    shrink = [max(1, round(_SAMPLED_MM / s)) for s in spacing]
    return sitk.BinShrink(sitk.Cast(image, sitk.sitkFloat32), shrink) if max(shrink) > 1 else image


def _rotation(direction: Float) -> Float:
    """ITK requires orthonormal directions; those of a header are orthonormal only up to float32 rounding."""
    left, _, right = np.linalg.svd(direction)
    return left @ right


def _ras_matrix(transform: sitk.Transform) -> Float:
    """ITK's transform, y = M (x - c) + c + t in LPS, as one matrix in RAS+."""
    m = np.array(transform.GetMatrix()).reshape(3, 3)
    c, t = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = m, c + t - m @ c
    return _LPS @ lps @ _LPS
