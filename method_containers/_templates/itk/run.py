"""Demons, as an example of a method on top of ITK: replace `register` by yours."""

import numpy as np
import SimpleITK as sitk

import lumirage_kit


def register(fixed: sitk.Image, moving: sitk.Image, iterations: int, smoothing_voxels: float) -> sitk.Image:
    """The displacement field on the fixed image's lattice, as ITK has it: LPS mm."""
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(iterations)
    demons.SmoothDisplacementFieldOn()
    demons.SetStandardDeviations(smoothing_voxels)
    return demons.Execute(fixed, moving)


job = lumirage_kit.read_job()
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(job.threads)
for pair in job:
    fixed, moving = (sitk.ReadImage(str(path), sitk.sitkFloat32) for path in (pair.fixed, pair.moving))
    field = register(fixed, moving, **job.parameters)
    # SimpleITK gives arrays as (Z, Y, X, 3); the answer is (X, Y, Z, 3).
    pair.write(sitk.GetArrayViewFromImage(field).astype(np.float32).transpose(2, 1, 0, 3))
