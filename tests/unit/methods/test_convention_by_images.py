"""A field in another convention is told from two images, one that is merely bad is not."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from lumirage.core.model import Convention
from lumirage.methods.convention_by_images import AnsweredPair, Sample, read_otherwise

SHAPE = (32, 36, 40)
AFFINE = np.diag([2.0, 2, 2, 1])
VOXELS = Convention(unit="voxel")


def images_and_truth() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moving is random blobs; fixed is moving at x + u, u in voxels."""
    random = np.random.default_rng(3)
    moving = gaussian_filter(random.normal(size=SHAPE), 1.5)
    waves = np.stack([gaussian_filter(random.normal(size=SHAPE), 6) for _ in range(3)], axis=-1)
    u = waves / np.abs(waves).max() * np.array([4.0, 2.5, 3.5])
    fixed = map_coordinates(moving, np.indices(SHAPE) + np.moveaxis(u, -1, 0), order=1, mode="nearest")
    return fixed, moving, u


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda u: u, ""),
        (lambda u: 0.5 * u, ""),
        (lambda u: u[..., ::-1], "voxel (k, j, i) displacement"),
        (lambda u: u * [-1, -1, 1], "voxel (-i, -j, k) displacement"),
        (lambda u: 3 * np.roll(u, 9, axis=0), ""),
    ],
    ids=["right", "half", "order", "signs", "elsewhere"],
)
def test_it_names_the_reading_that_makes_the_images_alike(
    change: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    fixed, moving, u = images_and_truth()
    reading = read_otherwise([Sample(AnsweredPair(fixed, moving, change(u), AFFINE))], VOXELS)
    assert reading.doubtful is bool(words)
    if words:
        assert reading.words == words
        assert reading.declared < reading.nothing + 0.25 * (reading.other - reading.nothing)
