"""Greedy deformable registration with normalized cross-correlation (picsl-greedy)."""

import nibabel as nib
import numpy as np
from picsl_greedy import Greedy3D

import lumirage_kit

job = lumirage_kit.read_job()
for pair in job:
    warp = pair.out / "greedy.nii"
    # -noise 0: by default greedy adds random noise to the images, and no two runs agree.
    # -wp 0: by default the warp is rounded to a tenth of a voxel before it is saved.
    parameters = job.parameters
    Greedy3D().execute(
        f"-d 3 -i {pair.fixed} {pair.moving} -o {warp} -m NCC {parameters['radius']} -n {parameters['iterations']}"
        f" -s {parameters['sigma']}vox {parameters['warp_sigma']}vox -noise 0 -wp 0 -threads {job.threads}"
    )
    field = np.asarray(nib.load(warp).dataobj, dtype=np.float32).squeeze()
    warp.unlink()
    pair.write(field)
