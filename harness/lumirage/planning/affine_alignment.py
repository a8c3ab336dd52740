"""The affine alignment of a moving image to a fixed one, by SimpleITK: Mattes mutual information, moments first."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from lumirage.core.space import Float, Volume

ALIGN_VERSION = "1"
_SAMPLED_MM = 2.0
_FINEST_SHARE = 0.2
# For the whole process, as ITK has no other way that holds for metrics too: sums over threads depend on their number,
# and pairs are prepared by several threads of ours at once.
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def estimate_affine(fixed: Volume, moving: Volume, kind: str) -> Float:
    """Fixed world to moving world (4, 4), RAS+ mm; kind is `rigid` or `affine`.

    Deterministic: one thread, a regular lattice of samples at 2 mm, none random. Rigid from the centres of mass, then affine
    from the rigid result, each on three levels of resolution.
    """
    first, second = _sitk_image(fixed), _sitk_image(moving)
    start = sitk.CenteredTransformInitializer(
        first, second, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    levels = [4, 2] if kind == "affine" else [4, 2, 1]  # the affine stage does the finest level
    result = _optimize(first, second, sitk.Euler3DTransform(start), levels)
    if kind == "affine":
        affine = sitk.AffineTransform(3)
        affine.SetCenter(result.GetCenter())
        affine.SetMatrix(result.GetMatrix())
        affine.SetTranslation(result.GetTranslation())
        result = _optimize(first, second, affine, [4, 2, 1])
    return _ras_matrix(result)


def _optimize(fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform, levels: Sequence[int]) -> sitk.Transform:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    # ITK moves each sample within its voxel at random, from the clock unless it is given a seed
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
    """ITK wants orthonormal directions; a header's are so only up to the rounding of float32."""
    left, _, right = np.linalg.svd(direction)
    return left @ right


def _ras_matrix(transform: sitk.Transform) -> Float:
    """ITK's transform, y = M (x - c) + c + t in LPS, as one matrix in RAS+."""
    m = np.array(transform.GetMatrix()).reshape(3, 3)
    c, t = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = m, c + t - m @ c
    return _LPS @ lps @ _LPS
