"""The U-Nets of VoxelMorph 2018 in torch, with the published Keras weights.

Three networks share one encoder (16, 32, 32, 32 features, strides of 2). CVPR 2018's vm1 and vm2 end at full
resolution and give a displacement; MICCAI 2018's ends at half resolution and gives a stationary velocity, of which
the mean is used (upstream draws a sample while training).
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.nn.functional import conv3d, grid_sample, interpolate, leaky_relu, pad

ENCODER = 4
SQUARINGS = 7


@dataclass(frozen=True)
class Convolution:
    """One 3x3x3 convolution."""

    weight: torch.Tensor
    bias: torch.Tensor

    def to(self, device: torch.device) -> "Convolution":
        """The same on another device."""
        return Convolution(self.weight.to(device), self.bias.to(device))

    def __call__(self, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        # Keras' "same" at stride 2 and an even size pads one voxel at the far end only; torch's padding=1 would shift.
        near = 1 if stride == 1 else 0
        return conv3d(pad(x, (near, 1) * 3), self.weight, self.bias, stride)


@dataclass(frozen=True)
class UNet:
    """All convolutions in order; the last one gives the field."""

    layers: tuple[Convolution, ...]
    flow: Convolution

    def to(self, device: torch.device) -> "UNet":
        """The same on another device."""
        return UNet(tuple(layer.to(device) for layer in self.layers), self.flow.to(device))

    def __call__(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Displacement (3, X, Y, Z) in voxels of images (X, Y, Z) in [0, 1]: moved(x) = moving(x + d(x))."""
        x = torch.stack([moving, fixed])[None]
        skips = [x]
        for layer in self.layers[:ENCODER]:
            x = leaky_relu(layer(x, stride=2), 0.2)
            skips.append(x)
        skips.pop()
        for layer in self.layers[ENCODER:]:
            if x.shape[1] != layer.weight.shape[1]:
                x = torch.cat([interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], dim=1)
            x = leaky_relu(layer(x), 0.2)
        field = self.flow(x)
        # What is left of the skips tells where the network ended: at half resolution it gave a velocity.
        return (integrate(field) if skips else field)[0]


def read_weights(path: Path) -> UNet:
    """The network in one of the published files. The layers are numbered in the order in which they were made."""
    with h5py.File(path) as file:
        groups = {group.name: group for group in _leaves(file["model_weights"])}
        names = sorted(name for name in groups if "conv3d_" in name)
        flow = next(name for name in groups if "/flow" in name)
        return UNet(tuple(_convolution(groups[name]) for name in names), _convolution(groups[flow]))


def integrate(velocity: torch.Tensor) -> torch.Tensor:
    """Displacement (1, 3, X, Y, Z) at full resolution of a stationary velocity at half, by scaling and squaring."""
    field = velocity / 2**SQUARINGS
    for _ in range(SQUARINGS):
        field = field + sample(field, field)
    return interpolate(field * 2, scale_factor=2, mode="trilinear", align_corners=True)


def sample(image: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """image(x + field(x)), linear, the border repeated; both (1, C, X, Y, Z), the field in voxels."""
    shape = field.shape[2:]
    axes = [torch.arange(n, dtype=field.dtype, device=field.device) for n in shape]
    at = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None] + field
    last = torch.tensor(shape, dtype=field.dtype, device=field.device).view(1, 3, 1, 1, 1) - 1
    # grid_sample wants the last axis first, from -1 to 1.
    grid = (2 * at / last - 1).flip(1).permute(0, 2, 3, 4, 1)
    return grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _leaves(group: h5py.Group) -> list[h5py.Group]:
    found: list[h5py.Group] = []
    group.visititems(lambda _, item: found.append(item) if "kernel:0" in getattr(item, "keys", list)() else None)
    return found


def _convolution(group: h5py.Group) -> Convolution:
    kernel = np.asarray(group["kernel:0"]).transpose(4, 3, 0, 1, 2)
    return Convolution(torch.from_numpy(kernel.copy()), torch.from_numpy(np.asarray(group["bias:0"])))
