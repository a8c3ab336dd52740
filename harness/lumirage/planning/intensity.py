"""Intensities of prepared images: the corruptions of a condition, and the scaling that every method gets."""

import hashlib

import numpy as np
from scipy import ndimage

from lumirage.core.space import Array, Single
from lumirage.core.track import Prepare


def spoil_and_scale(picture: Single, native_foreground: Array, prepare: Prepare, *, seed: tuple[str, int]) -> Single:
    """Bias field and noise first, as a scanner would add them, then scaling, gamma and inversion. float32, same shape.

    `native_foreground` only shows whether the image has a background at all; the seed makes the noise repeatable.
    """
    random = np.random.default_rng(int(hashlib.sha256(repr(seed).encode()).hexdigest()[:16], 16))
    inside = (
        picture > 0.1 * np.percentile(picture, 99.5) if not native_foreground.all() else np.ones(picture.shape, bool)
    )
    if prepare.bias_field:
        picture = picture * _bias(picture.shape, prepare.bias_field, random)
    if prepare.noise:
        picture = rician(picture, prepare.noise * float(np.percentile(picture, 99.5)), random)
    picture = _scale(picture, inside, prepare)
    if prepare.gamma != 1.0:
        picture = np.sign(picture) * np.abs(picture) ** np.float32(prepare.gamma)
    if prepare.inverted:
        top = picture[inside].max(initial=0.0)
        picture = np.where(inside, top - picture, picture)
    return np.asarray(picture, dtype=np.float32)


def _scale(picture: Single, inside: Array, prepare: Prepare) -> Single:
    values = picture[inside] if inside.any() else picture.ravel()
    if prepare.intensity == "zscore":
        return (picture - values.mean()) / max(float(values.std()), 1e-12)
    if prepare.intensity == "none":
        return picture
    if prepare.intensity == "equalized":
        return np.where(inside, np.searchsorted(np.sort(values), picture, side="right") / values.size, 0.0)
    low, high = (picture.min(), picture.max()) if prepare.intensity == "minmax" else np.percentile(values, (0.1, 99.9))
    low = min(low, 0.0) if prepare.intensity == "percentile" else low  # the background stays at 0
    return np.clip((picture - low) / max(float(high - low), 1e-12), 0.0, 1.0)


def _bias(shape: tuple[int, ...], amplitude: float, random: np.random.Generator) -> Single:
    """A smooth multiplicative field between 1 - amplitude and 1 + amplitude, from a 4x4x4 lattice of numbers."""
    coarse = random.uniform(-1, 1, (4, 4, 4))
    at = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij", sparse=False)
    smooth = ndimage.map_coordinates(coarse, at, order=3, mode="nearest")
    return (1 + amplitude * smooth / np.abs(smooth).max()).astype(np.float32)


def rician(picture: Single, sigma: float, random: np.random.Generator) -> Single:
    """The image with the noise of a magnitude image, sigma in its own unit."""
    real = picture + random.normal(0, sigma, picture.shape)
    return np.hypot(real, random.normal(0, sigma, picture.shape)).astype(np.float32)
