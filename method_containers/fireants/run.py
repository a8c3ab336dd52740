"""FireANTs: greedy diffeomorphic registration with adaptive optimization, deformable stage only."""

import tempfile
from typing import Any

import nibabel as nib
import numpy as np
import torch
from fireants.io.image import BatchedImages, Image
from fireants.registration.greedy import GreedyRegistration
from fireants.registration.syn import SyNRegistration

import lumirage_kit

KINDS = {"greedy": GreedyRegistration, "syn": SyNRegistration}


def register(pair: lumirage_kit.Pair, device: str, parameters: dict[str, Any]) -> np.ndarray:
    """The displacement (X, Y, Z, 3) in ITK's LPS mm, as FireANTs saves it for ANTs."""
    fixed, moving = (BatchedImages([Image.load_file(str(path), device=device)]) for path in (pair.fixed, pair.moving))
    registration = KINDS[parameters["kind"]](
        parameters["scales"],
        parameters["iterations"],
        fixed,
        moving,
        loss_type="cc",
        cc_kernel_size=parameters["kernel"],
        optimizer_lr=parameters["learning_rate"],
        smooth_warp_sigma=parameters["warp_sigma"],
        smooth_grad_sigma=parameters["gradient_sigma"],
        max_tolerance_iters=parameters["tolerance_iterations"],
        loss_params={"smooth_nr": parameters["smooth"], "smooth_dr": parameters["smooth"]},
        progress_bar=False,
    )
    registration.optimize()
    with tempfile.TemporaryDirectory() as folder:
        registration.save_as_ants_transforms([f"{folder}/warp.nii"])
        return np.asarray(nib.load(f"{folder}/warp.nii").dataobj, dtype=np.float32).squeeze()


job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
device = "cuda" if job.device == "gpu" else "cpu"
for pair in job:
    torch.manual_seed(job.seed)
    pair.write(register(pair, device, job.parameters))
