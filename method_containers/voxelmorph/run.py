"""VoxelMorph, the networks published in 2018, on the CPU or a GPU."""

import numpy as np
import torch
from network import read_weights

import lumirage_kit

# The networks saw FreeSurfer's normalized brains: axes L, I, A and white matter at 110 of 255.
TO_LIA = (0, 2, 1)
WHITE_MATTER = 110 / 255
MULTIPLE = 16
"""Of voxels along each axis: the networks halve their input four times. They were trained on 160x192x224."""


def to_network(image: np.ndarray) -> torch.Tensor:
    """A brain on an RAS grid as the networks know it: LIA, in [0, 1], enlarged by zeros to what they can halve."""
    white = np.percentile(image[image > 0], 90)
    scaled = np.clip(image / white * WHITE_MATTER, 0, 1)
    enlarged = np.pad(scaled, [(0, -n % MULTIPLE) for n in image.shape])
    return torch.from_numpy(enlarged.transpose(TO_LIA)[::-1, ::-1].astype(np.float32))


def from_network(field: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """A field (3, L, I, A) in LIA voxels as one of (R, A, S, 3) in RAS voxels, what was enlarged cut off again."""
    left, inferior, anterior = field.cpu().numpy()[:, ::-1, ::-1]
    x, y, z = shape
    return np.stack([-left, anterior, -inferior], axis=-1).transpose(*TO_LIA, 3)[:x, :y, :z]


job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
network = read_weights(lumirage_kit.weights(job.parameters["weights"])).to(device)
for pair in job:
    fixed, moving = (to_network(image).to(device) for image in pair.load())
    with torch.inference_mode():
        field = network(moving, fixed)
    pair.write(from_network(field, pair.shape))
