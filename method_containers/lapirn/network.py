"""LapIRN in torch: three levels of one network, from a quarter of the resolution to the whole.

Mok and Chung, Large Deformation Diffeomorphic Image Registration with Laplacian Pyramid Networks, MICCAI 2020.
Fields are (1, 3, X, Y, Z) in units of [-1, 1] between the centres of the first and the last voxel; channel 0 points
along the LAST array axis, as torch's grid_sample wants it.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import avg_pool3d, grid_sample, interpolate, leaky_relu, softsign

SLOPE = 0.2
BLOCKS = 5
LARGEST = 0.4
"""A level moves a voxel by less than this, in units of [-1, 1]."""
SQUARINGS = 7


class Block(nn.Module):
    """A residual block with its activations before the convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels)
        self.conv2 = convolution(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(leaky_relu(self.conv1(leaky_relu(x, SLOPE)), SLOPE))


class Level(nn.Module):
    """The network of one level. The names of its parts are those of the published weights."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        activation = nn.LeakyReLU(SLOPE)
        encoder = (convolution(inputs, channels), activation, convolution(channels, channels))
        blocks = [part for _ in range(BLOCKS) for part in (Block(channels), activation)]
        head = (convolution(2 * channels, channels), activation, convolution(channels, 3))
        self.input_encoder_lvl1 = nn.Sequential(*encoder)
        self.down_conv = convolution(channels, channels, stride=2)
        self.resblock_group_lvl1 = nn.Sequential(*blocks)
        self.up = nn.ConvTranspose3d(channels, channels, 2, stride=2, bias=False)
        self.output_lvl1 = nn.Sequential(*head)

    def forward(self, x: torch.Tensor, before: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """This level's own field, and the embedding that the next level adds to its own."""
        features = self.input_encoder_lvl1(x)
        inner = self.down_conv(features)
        embedding = self.up(self.resblock_group_lvl1(inner if before is None else inner + before))
        return LARGEST * softsign(self.output_lvl1(torch.cat([embedding, features], dim=1))), embedding


class LapIRN(nn.Module):
    """All three levels. `diffeomorphic`: the fields that add up are stationary velocities, not displacements."""

    def __init__(self, channels: int, *, diffeomorphic: bool) -> None:
        super().__init__()
        self.diffeomorphic = diffeomorphic
        self.levels = nn.ModuleList([Level(inputs, channels) for inputs in (2, 5, 5)])

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Displacement (1, 3, X, Y, Z) of images (1, 1, X, Y, Z) in [0, 1]: moved(x) = moving(x + u(x))."""
        field = embedding = None
        for level, (small_moving, small_fixed) in zip(self.levels, pyramid(moving, fixed), strict=True):
            if field is None:
                field, embedding = level(torch.cat([small_moving, small_fixed], dim=1), None)
                continue
            moved = sample(small_moving, enlarged(self.displacement(field)))
            field = enlarged(field)
            own, embedding = level(torch.cat([moved, small_fixed, field], dim=1), embedding)
            field = field + own
        return self.displacement(field)

    def displacement(self, field: torch.Tensor) -> torch.Tensor:
        """What a level's field means: itself, or what its velocity comes to by scaling and squaring."""
        if not self.diffeomorphic:
            return field
        u = field / 2**SQUARINGS
        for _ in range(SQUARINGS):
            u = u + sample(u, u)
        return u


def read_weights(path: Path, *, diffeomorphic: bool) -> LapIRN:
    """The network in one of the published files."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    network = LapIRN(stored["down_conv.weight"].shape[0], diffeomorphic=diffeomorphic)
    network.load_state_dict({unnested(name): tensor for name, tensor in stored.items()})
    return network.eval()


def unnested(name: str) -> str:
    """A published name as one of ours: there level 3 holds level 2 as `model_lvl2`, and that level 1 as `model_lvl1`."""
    for number, prefix in enumerate(("model_lvl2.model_lvl1.", "model_lvl2.")):
        if name.startswith(prefix):
            return f"levels.{number}.{name.removeprefix(prefix)}"
    return f"levels.2.{name}"


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    """The only kind there is here."""
    return nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


def pyramid(moving: torch.Tensor, fixed: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Both images at a quarter, at half and at the whole resolution."""
    sizes = [(moving, fixed)]
    for _ in range(2):
        sizes.insert(0, (halved(sizes[0][0]), halved(sizes[0][1])))
    return sizes


def halved(image: torch.Tensor) -> torch.Tensor:
    """Averages over 3x3x3 voxels, of those that there are."""
    return avg_pool3d(image, 3, stride=2, padding=1, count_include_pad=False)


def enlarged(field: torch.Tensor) -> torch.Tensor:
    """Twice as many voxels. The values stay: their unit is half of the whole image."""
    return interpolate(field, scale_factor=2, mode="trilinear", align_corners=False)


def sample(image: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """image(x + field(x)), linear, the border repeated."""
    axes = [torch.linspace(-1, 1, n, dtype=field.dtype, device=field.device) for n in field.shape[2:]]
    here = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)
    at = here + field.permute(0, 2, 3, 4, 1)
    return grid_sample(image, at, mode="bilinear", padding_mode="border", align_corners=True)
