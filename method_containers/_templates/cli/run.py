"""dipy's command line, as an example of a method that is a program: replace the call by yours."""

import subprocess

import nibabel as nib
import numpy as np

import lumirage_kit

job = lumirage_kit.read_job()
for pair in job:
    command = ["dipy_align_syn", pair.fixed, pair.moving, "--out_dir", pair.out, "--out_field", "field.nii.gz"]
    command += ["--level_iters", *job.parameters["level_iters"], "--force"]
    subprocess.run(list(map(str, command)), check=True)
    # dipy writes two fields into one file, (X, Y, Z, 3, 2); `methods check` says which one maps fixed to moving points.
    field = np.asarray(nib.load(pair.out / "field.nii.gz").dataobj, dtype=np.float32)
    pair.write(field[..., 1])
