"""uniGradICON and multiGradICON: one network, two sets of weights; with or without instance optimization."""

import numpy as np
import torch
from icon_registration.mermaidlite import identity_map_multiN
from torch.nn.functional import interpolate
from unigradicon import input_shape, make_network

import lumirage_kit

LEARNING_RATE = 2e-5
UNTRAINED = "none"


def load_network(name: str, device: torch.device) -> torch.nn.Module:
    """The network with the weights of that name; `none`: as upstream's constructor makes it, untrained."""
    torch.manual_seed(0)
    network = make_network(input_shape, include_last_step=True)
    if name != UNTRAINED:
        weights = torch.load(lumirage_kit.weights(name), map_location="cpu", weights_only=True)
        network.regis_net.load_state_dict(weights)
    return network.to(device).eval()


def to_network(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """An MR image as the network wants it: axes Z, Y, X, clipped at the 99th percentile, 0 to 1, 175 cubed."""
    low, high = float(image.min()), float(np.quantile(image, 0.99))
    scaled = np.clip((image - low) / (high - low), 0, 1).transpose(2, 1, 0).astype(np.float32)
    resized = interpolate(torch.from_numpy(scaled)[None, None], input_shape[2:], mode="trilinear", align_corners=False)
    return resized.to(device)


def optimize(network: torch.nn.Module, moving: torch.Tensor, fixed: torch.Tensor, steps: int) -> None:
    """Instance optimization: fit the network's weights to this pair."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        network(moving, fixed).all_loss.backward()
        optimizer.step()
    network.eval()


def displacement(network: torch.nn.Module, shape: tuple[int, ...], device: torch.device) -> np.ndarray:
    """The displacement (X, Y, Z, 3) in voxels, of the map sampled at the voxels of the images (X, Y, Z)."""
    axes = shape[::-1]
    spacing = 1.0 / (np.array(axes) - 1)
    identity = torch.from_numpy(identity_map_multiN([1, 1, *axes], spacing)).float().to(device)
    field = (network.phi_AB(identity) - identity)[0].cpu().numpy() / spacing[:, None, None, None]
    return field[::-1].transpose(3, 2, 1, 0)


job = lumirage_kit.read_job()
torch.set_num_threads(job.threads)
device = torch.device("cuda" if job.device == "gpu" else "cpu")
network = load_network(job.parameters["weights"], device)
trained = {name: value.clone() for name, value in network.state_dict().items()}
for pair in job:
    torch.manual_seed(job.seed)
    fixed, moving = (to_network(image, device) for image in pair.load())
    if steps := job.parameters["steps"]:
        # state_dict() gives references: without a copy, what one pair fitted would be where the next one starts.
        network.load_state_dict(trained)
        optimize(network, moving, fixed, steps)
    with torch.no_grad():
        network(moving, fixed)
        field = displacement(network, pair.shape, device)
    pair.write(field)
