"""Symmetric normalization with local cross-correlation, as implemented in dipy."""

from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
from dipy.align.metrics import CCMetric

import lumirage_kit

job = lumirage_kit.read_job()
for pair in job:
    fixed, moving = pair.load()
    metric = CCMetric(3, sigma_diff=job.parameters["sigma_diff"], radius=job.parameters["radius"])
    syn = SymmetricDiffeomorphicRegistration(metric, level_iters=job.parameters["level_iters"])
    mapping = syn.optimize(fixed, moving, static_grid2world=pair.affine, moving_grid2world=pair.affine)
    pair.write(mapping.get_forward_field())
