"""Gives a planted image what another scan of the same head would have: another noise, another bias field."""

import numpy as np

from lumirage.core.foreground import foreground
from lumirage.core.space import Array, Float, Volume
from lumirage.datasets.phantom_contrasts import bias_field, bias_weights
from lumirage.datasets.planted_fields import Sampler, plane

NOISE = 0.02
"""Standard deviation of the added noise in each of the two channels, of the foreground's 99th percentile."""
INT16 = (-32768.0, 32767.0)


def planted_image(original: Volume, sampler: Sampler, rng: np.random.Generator) -> Array:
    """The original seen through the field, with another bias field and noise on top; int16 where the original has whole
    numbers, else float32; (X, Y, Z) of the sampler's grid.

    The noise is Rician where the original has no negative values, else normal. What is exactly 0 in the original (outside
    of a stripped head) stays 0, and nothing else becomes 0: where there is no mask, the voxels above 0 are what counts.
    """
    head = sampler.nearest(Volume(original.data != 0, original.affine)) > 0
    sigma = NOISE * float(np.percentile(original.data[foreground(original.data)], 99))
    seen = sampler.cubic(original) * _sensitivity(original, sampler, rng)
    real = seen + sigma * rng.standard_normal(seen.shape)
    imaginary = sigma * rng.standard_normal(seen.shape)
    positive = float(original.data.min()) >= 0
    noisy = np.hypot(real, imaginary) if positive else real
    whole = _is_whole(original.data)
    if positive:
        noisy = np.maximum(noisy, 1.0 if whole else 1e-3 * sigma)
    noisy = np.where(head, noisy, 0.0)
    return np.rint(noisy).clip(*INT16).astype(np.int16) if whole else noisy.astype(np.float32)


def _sensitivity(original: Volume, sampler: Sampler, rng: np.random.Generator) -> Float:
    """The bias field, about 1 inside the head; beyond the head's reach it stays what it is at its edge."""
    voxels = np.argwhere(foreground(original.data))
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    middle = original.affine[:3, :3] @ ((low + high) / 2) + original.affine[:3, 3]
    reach = float(np.max((high - low + 1) * original.spacing_mm)) / 2
    weights, out = bias_weights(rng), np.empty(sampler.grid.shape)
    for x in range(len(out)):
        out[x] = bias_field(((plane(sampler.grid, x) - middle) / reach).clip(-1, 1), weights).reshape(out.shape[1:])
    return out


def _is_whole(data: Array) -> bool:
    return bool(np.array_equal(np.rint(data), data) and INT16[0] <= data.min() and data.max() <= INT16[1])
