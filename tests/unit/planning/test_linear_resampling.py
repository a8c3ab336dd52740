"""Images are resampled with scipy's digits: prepared images of older trees stay what they are."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from lumirage.planning.linear_resampling import affine_resampled, joint_counts

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("degrees", [0.0, 20.0, 140.0])
def test_an_image_is_resampled_to_scipys_last_digit(degrees: float) -> None:
    image = (RNG.normal(size=(12, 15, 10)) * 100).astype(np.float32)
    matrix = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix() * [0.9, 1.1, 1.0]
    offset = np.array([-2.5, 1.25, 0.0])
    found = affine_resampled(image, matrix, offset, (14, 13, 16))
    wanted = ndimage.affine_transform(image, matrix, offset, (14, 13, 16), np.float32, 1, mode="grid-constant")
    assert wanted.any()
    assert np.array_equal(found, wanted)


def test_the_joint_histogram_is_that_of_sampled_values() -> None:
    image, at = RNG.random((9, 10, 8)), RNG.uniform(-2, 11, (2000, 3))
    at[:200] = np.round(at[:200])  # on voxels, and on the border
    bins = RNG.integers(0, 16, len(at)).astype(float)
    sampled = np.minimum(np.floor(ndimage.map_coordinates(image, at.T, order=1) * 16), 15)
    wanted = np.histogram2d(bins, sampled, bins=16, range=((-0.5, 15.5), (-0.5, 15.5)))[0]
    assert np.array_equal(joint_counts(image, at, bins, 16), wanted)
