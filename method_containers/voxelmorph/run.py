"""VoxelMorph, the networks published in 2018, on the CPU or a GPU."""

import numpy as np
import torch
from network import read_weights

import lumirage_kit

# The networks saw FreeSurfer's normalized brains: axes L, I, A and white matter at 110 of 255.
TO_LIA = (0, 2, 1)
WHITE_MATTER = 110 / 255
SHAPE = (160, 224, 192)


def to_network(image: np.ndarray) -> torch.Tensor:
    """A brain on the RAS grid 160x224x192 as the networks know it: LIA, 160x192x224, in [0, 1]."""
    white = np.percentile(image[image > 0], 90)
    scaled = np.clip(image / white * WHITE_MATTER, 0, 1)
    return torch.from_numpy(scaled.transpose(TO_LIA)[::-1, ::-1].astype(np.float32))


def from_network(field: torch.Tensor) -> np.ndarray:
    """A field (3, 160, 192, 224) in LIA voxels as one (160, 224, 192, 3) in RAS voxels."""
    left, inferior, anterior = field.cpu().numpy()[:, ::-1, ::-1]
    return np.stack([-left, anterior, -inferior], axis=-1).transpose(*TO_LIA, 3)


job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
network = read_weights(lumirage_kit.weights(job.parameters["weights"])).to(device)
for pair in job:
    if pair.shape != SHAPE:
        raise SystemExit(f"{pair.id}: the networks need the grid {SHAPE}, this one is {pair.shape}")
    fixed, moving = (to_network(image).to(device) for image in pair.load())
    with torch.inference_mode():
        field = network(moving, fixed)
    pair.write(from_network(field))
