"""SYMNet in torch: one U-Net with two heads, the velocities of the fixed image's and of the moving image's halfway.

Mok and Chung, Fast Symmetric Diffeomorphic Image Registration with Convolutional Neural Networks, CVPR 2020.
Fields are (1, 3, X, Y, Z) in units of 100 voxels; channel 0 points along the LAST array axis.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import grid_sample, softsign

SQUARINGS = 7
VOXELS = 100.0
"""Of one unit of the network's fields."""
DOWN = (("ec2", "ec3"), ("ec4", "ec5"), ("ec6", "ec7"), ("ec8", "ec9"))
UP = (("up1", "dc1", "dc2"), ("up2", "dc3", "dc4"), ("up3", "dc5", "dc6"), ("up4", "dc7", "dc8"))
HALFWAY_FIXED, HALFWAY_MOVING = "dc9", "dc10"


class SYMNet(nn.Module):
    """Made as wide as the published weights are; the names of its parts are theirs."""

    def __init__(self, stored: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for key, tensor in stored.items():
            name, _, kind = key.partition(".")
            if kind.endswith("weight"):
                self.add_module(name, layer(name, tensor.shape))
        self.load_state_dict(stored)

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Displacement (1, 3, X, Y, Z) in VOXELS of images (1, 1, X, Y, Z) in [0, 1]: moved(x) = moving(x + u(x)).

        Both images are brought to the middle; what is wanted goes from the fixed image back to the middle, and on.
        """
        fixed_velocity, moving_velocity = self.velocities(fixed, moving)
        to_middle = exponential(-fixed_velocity)
        return VOXELS * (to_middle + sample(exponential(moving_velocity), to_middle))

    def velocities(self, fixed: torch.Tensor, moving: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What both heads give."""
        x = self.ec1(self.eninput(torch.cat([fixed, moving], dim=1)))
        skips = [x]
        for halve, convolve in DOWN:
            x = getattr(self, convolve)(getattr(self, halve)(x))
            skips.append(x)
        skips.pop()
        for double, first, second in UP:
            x = torch.cat([getattr(self, double)(x), skips.pop()], dim=1)
            x = getattr(self, second)(getattr(self, first)(x))
        return softsign(getattr(self, HALFWAY_FIXED)(x)), softsign(getattr(self, HALFWAY_MOVING)(x))


def read_weights(path: Path) -> SYMNet:
    """The network in the published file."""
    return SYMNet(torch.load(path, map_location="cpu", weights_only=True)).eval()


def layer(name: str, shape: torch.Size) -> nn.Sequential:
    """One layer by its published name: a head, a transposed convolution or a convolution, and its activation."""
    outputs, inputs, size = shape[:3]
    if name in {HALFWAY_FIXED, HALFWAY_MOVING}:
        return nn.Sequential(nn.Conv3d(inputs, outputs, size, padding=size // 2, bias=False))
    if name in {double for double, _, _ in UP}:
        return nn.Sequential(nn.ConvTranspose3d(outputs, inputs, size, stride=2), nn.ReLU())
    stride = 2 if name in {halve for halve, _ in DOWN} else 1
    return nn.Sequential(nn.Conv3d(inputs, outputs, size, stride=stride, padding=1), nn.ReLU())


def exponential(velocity: torch.Tensor) -> torch.Tensor:
    """The displacement that a stationary velocity comes to, by scaling and squaring."""
    u = velocity / 2**SQUARINGS
    for _ in range(SQUARINGS):
        u = u + sample(u, u)
    return u


def sample(field: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """field(x + displacement(x)), linear, zero outside; the displacement in units of 100 voxels."""
    shape = displacement.shape[2:]
    axes = [torch.linspace(-1, 1, n, dtype=field.dtype, device=field.device) for n in shape]
    here = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)
    half = (torch.tensor(shape[::-1], dtype=field.dtype, device=field.device) - 1) / 2
    at = here + VOXELS * displacement.permute(0, 2, 3, 4, 1) / half
    return grid_sample(field, at, mode="bilinear", padding_mode="zeros", align_corners=True)
