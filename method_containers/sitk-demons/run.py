"""Diffeomorphic demons from coarse to fine (SimpleITK)."""

from typing import Any

import numpy as np
import SimpleITK as sitk

import lumirage_kit


def shrunk(image: sitk.Image, factor: int) -> sitk.Image:
    """The image smoothed and on a lattice `factor` times coarser."""
    if factor == 1:
        return image
    sigmas = [factor / 2 * spacing for spacing in image.GetSpacing()]
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, sigmas), [factor] * 3)


def register(fixed: sitk.Image, moving: sitk.Image, parameters: dict[str, Any]) -> sitk.Image:
    """The displacement field on the fixed lattice, ITK's LPS mm."""
    moving = sitk.HistogramMatching(moving, fixed, 128, 16, thresholdAtMeanIntensity=True)
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SmoothDisplacementFieldOn()
    demons.SetStandardDeviations(parameters["smoothing_voxels"])
    field = None
    for factor, iterations in zip(parameters["shrink"], parameters["iterations"], strict=True):
        coarse = shrunk(fixed, factor)
        demons.SetNumberOfIterations(iterations)
        if field is None:
            field = demons.Execute(coarse, shrunk(moving, factor))
        else:
            start = sitk.Resample(field, coarse, sitk.Transform(), sitk.sitkLinear, 0.0, field.GetPixelID())
            field = demons.Execute(coarse, shrunk(moving, factor), start)
    return field


job = lumirage_kit.read_job()
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(job.threads)
for pair in job:
    fixed, moving = (sitk.ReadImage(str(path), sitk.sitkFloat32) for path in (pair.fixed, pair.moving))
    field = register(fixed, moving, job.parameters)
    pair.write(sitk.GetArrayViewFromImage(field).astype(np.float32).transpose(2, 1, 0, 3))
