"""VoxelMorph, the networks published in 2018, on the CPU or a GPU."""

import numpy as np
import torch
from network import read_weights

import lumirage_kit

WHITE_MATTER = 110 / 255
"""The networks saw FreeSurfer's normalized brains, whose white matter is at 110 of 255."""


def to_network(image: np.ndarray) -> torch.Tensor:
    """A brain's intensities as the networks know them."""
    white = np.percentile(image[image > 0], 90)
    return torch.from_numpy(np.ascontiguousarray(np.clip(image / white * WHITE_MATTER, 0, 1), dtype=np.float32))


job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
network = read_weights(lumirage_kit.weights(job.parameters["weights"])).to(device)
for pair in job:
    fixed, moving = (to_network(image).to(device) for image in pair.load())
    with torch.inference_mode():
        field = network(moving, fixed)
    pair.write(field.cpu().numpy())
