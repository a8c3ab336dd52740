"""Conditional LapIRN in torch: three levels of one network, which is told how smooth its field shall be.

Mok and Chung, Conditional Deformable Image Registration with Convolutional Neural Network, MICCAI 2021; the lite one.
Fields are (1, 3, X, Y, Z) in units of [-1, 1] between the centres of the first and the last voxel; channel 0 points
along the LAST array axis, as torch's grid_sample wants it.
"""

import itertools
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import avg_pool3d, grid_sample, instance_norm, interpolate, leaky_relu, softsign

SLOPE = 0.2
BLOCKS = 5
LATENT = 64
LAYERS = 4
"""Of the perceptron that makes a block's latent vector of the weight of regularity."""
LARGEST = 0.4
"""A level moves a voxel by less than this, in units of [-1, 1]."""


class Normalization(nn.Module):
    """Instance normalization whose scale and shift are made of a latent vector."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.style = nn.Linear(LATENT, 2 * channels)

    def forward(self, x: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        scale, shift = self.style(latent).view(1, -1, 1, 1, 1).chunk(2, dim=1)
        return (1 + scale) * instance_norm(x) + shift


class Block(nn.Module):
    """A residual block that the weight of regularity steers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ai1 = Normalization(channels)
        self.conv1 = convolution(channels, channels)
        self.ai2 = Normalization(channels)
        self.conv2 = convolution(channels, channels)
        sizes = [1] + LAYERS * [LATENT]
        layers = [nn.Linear(one, other) for one, other in itertools.pairwise(sizes)]
        self.mapping = nn.Sequential(*(part for layer in layers for part in (layer, nn.LeakyReLU(SLOPE))))

    def forward(self, x: torch.Tensor, reg: torch.Tensor) -> torch.Tensor:
        latent = self.mapping(reg)
        inner = self.conv1(leaky_relu(self.ai1(x, latent), SLOPE))
        return x + self.conv2(leaky_relu(self.ai2(inner, latent), SLOPE))


class Level(nn.Module):
    """The network of one level. The names of its parts are those of the published weights."""

    def __init__(self, inputs: int, start: int, embedded: int) -> None:
        super().__init__()
        activation = nn.LeakyReLU(SLOPE)
        features, inner = 2 * start, 4 * start
        encoder = (convolution(inputs, features), activation, convolution(features, features))
        seen = features + embedded
        head = (convolution(seen, seen // 2), activation, convolution(seen // 2, 3))
        self.input_encoder_lvl1 = nn.Sequential(*encoder)
        self.down_conv = convolution(features, inner, stride=2)
        blocks = [part for _ in range(BLOCKS) for part in (Block(inner), activation)]
        self.resblock_group_lvl1 = nn.ModuleList(blocks)
        self.up = nn.ConvTranspose3d(inner, embedded, 2, stride=2, bias=False)
        self.output_lvl1 = nn.Sequential(*head)

    def forward(
        self, x: torch.Tensor, before: torch.Tensor | None, reg: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """This level's own field, and the embedding that the next level adds to its own."""
        features = self.input_encoder_lvl1(x)
        inner = self.down_conv(features)
        if before is not None:
            inner = inner + before
        for part in self.resblock_group_lvl1:
            inner = part(inner, reg) if isinstance(part, Block) else part(inner)
        embedding = self.up(inner)
        return LARGEST * softsign(self.output_lvl1(torch.cat([embedding, features], dim=1))), embedding


class ConditionalLapIRN(nn.Module):
    """All three levels, whose displacements add up."""

    def __init__(self, start: int) -> None:
        super().__init__()
        last = 2 * start  # nobody adds the last level's embedding to inner features, so it is narrower
        levels = [Level(inputs, start, embedded) for inputs, embedded in ((2, 4 * start), (5, 4 * start), (5, last))]
        self.levels = nn.ModuleList(levels)

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor, reg: float) -> torch.Tensor:
        """Displacement (1, 3, X, Y, Z) of images (1, 1, X, Y, Z) in [0, 1]: moved(x) = moving(x + u(x)).

        `reg` runs from 0 (accurate) to 1 (smooth).
        """
        weight = torch.tensor([[reg]], dtype=moving.dtype, device=moving.device)
        field = embedding = None
        for level, (small_moving, small_fixed) in zip(self.levels, pyramid(moving, fixed), strict=True):
            if field is None:
                field, embedding = level(torch.cat([small_moving, small_fixed], dim=1), None, weight)
                continue
            field = enlarged(field)
            seen = torch.cat([sample(small_moving, field), small_fixed, field], dim=1)
            own, embedding = level(seen, embedding, weight)
            field = field + own
        return field


def read_weights(path: Path) -> ConditionalLapIRN:
    """The network in the published file."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    network = ConditionalLapIRN(stored["down_conv.weight"].shape[0] // 4)
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
