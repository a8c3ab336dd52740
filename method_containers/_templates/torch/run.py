"""A displacement on a coarse lattice found by Adam, as an example of a method in torch: replace `register` by yours."""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate, mse_loss

import lumirage_kit


def warped(image: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """image(x + field(x)); image (1, 1, X, Y, Z), field (1, 3, X, Y, Z) in voxels."""
    axes = [torch.arange(n, dtype=field.dtype, device=field.device) for n in field.shape[2:]]
    at = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None] + field
    last = torch.tensor(field.shape[2:], dtype=field.dtype, device=field.device).view(1, 3, 1, 1, 1) - 1
    return grid_sample(image, (2 * at / last - 1).flip(1).permute(0, 2, 3, 4, 1), align_corners=True)


def register(fixed: torch.Tensor, moving: torch.Tensor, parameters: dict[str, Any]) -> torch.Tensor:
    """The displacement (3, X, Y, Z) in voxels of images (1, 1, X, Y, Z)."""
    coarse = [n // parameters["lattice_voxels"] + 1 for n in fixed.shape[2:]]
    lattice = torch.zeros(1, 3, *coarse, device=fixed.device, requires_grad=True)
    optimizer = torch.optim.Adam([lattice], lr=parameters["step_voxels"])
    for _ in range(parameters["iterations"]):
        field = interpolate(lattice, fixed.shape[2:], mode="trilinear", align_corners=True)
        loss = mse_loss(warped(moving, field), fixed) / fixed.var()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return interpolate(lattice.detach(), fixed.shape[2:], mode="trilinear", align_corners=True)[0]


job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
torch.use_deterministic_algorithms(True, warn_only=True)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
for pair in job:
    torch.manual_seed(job.seed)
    fixed, moving = (torch.from_numpy(image).to(device)[None, None] for image in pair.load())
    field = register(fixed, moving, job.parameters)
    pair.write(np.moveaxis(field.cpu().numpy(), 0, -1))
