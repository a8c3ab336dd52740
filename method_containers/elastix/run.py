"""elastix: B-splines with mutual information, coarse to fine (itk-elastix)."""

import itk
import numpy as np

import lumirage_kit

job = lumirage_kit.read_job()
parameters = job.parameters
for pair in job:
    fixed, moving = (itk.imread(str(path), itk.F) for path in (pair.fixed, pair.moving))
    settings = itk.ParameterObject.New()
    spacing = parameters["lattice_mm"]
    bspline = settings.GetDefaultParameterMap("bspline", parameters["levels"], spacing)
    bspline["MaximumNumberOfIterations"] = [str(parameters["iterations"])]
    bspline["NumberOfSpatialSamples"] = [str(parameters["samples"])]
    bspline["RandomSeed"] = [str(job.seed + 1)]
    settings.AddParameterMap(bspline)
    # number_of_threads is left out: 2 crashes itk-elastix 0.25.4. ITK's own variable holds the number of threads.
    _, found = itk.elastix_registration_method(fixed, moving, parameter_object=settings, log_to_console=False)
    field = itk.transformix_deformation_field(moving, found)
    pair.write(np.asarray(field, dtype=np.float32).transpose(2, 1, 0, 3))
