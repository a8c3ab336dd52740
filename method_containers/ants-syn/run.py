"""ANTs' SyN through antspyx, deformable part only: the images come affinely aligned."""

import tempfile

import ants
import nibabel as nib
import numpy as np

import lumirage_kit

job = lumirage_kit.read_job()
for pair in job:
    fixed, moving = (ants.image_read(str(path)) for path in (pair.fixed, pair.moving))
    with tempfile.TemporaryDirectory() as folder:
        found = ants.registration(
            fixed,
            moving,
            type_of_transform=job.parameters["transform"],
            outprefix=f"{folder}/",
            random_seed=job.seed + 1,  # 0 would mean the clock
        )
        # One field of all transforms together, whatever their number.
        whole = ants.apply_transforms(fixed, moving, found["fwdtransforms"], compose=f"{folder}/whole-")
        field = np.asarray(nib.load(whole).dataobj, dtype=np.float32).squeeze()
    pair.write(field)
