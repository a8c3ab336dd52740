"""Finds the relative orientation of two images: mutual information at about 8 mm over rotations spread evenly.

It finds the start for an affine alignment, whatever the angle, and tells a right alignment from a wrong one: with a
right one, the images agree far better than at other rotations.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

from lumirage.core.space import Array, Float, Volume, points
from lumirage.planning.linear_resampling import joint_counts

SAMPLED_MM = 8.0
BINS = 16
BRIGHT_PERCENT = 99.0
"""Quantile of the voxels above 0 at which intensities are clipped; else a few vessels would leave one bin for the rest."""
FAR_DEG = 40.0
"""An alignment is compared with rotations at least this far away: nearer ones may be half right."""


@dataclass(frozen=True)
class CoarseImage:
    """Means over blocks of voxels, scaled to 0..1, with their matrix to the world, (4, 4), mm."""

    data: Float
    affine: Float
    centre: Float
    """Centre of mass of the whole image, mm."""

    @classmethod
    def of(cls, volume: Volume) -> "CoarseImage":
        """An image at about SAMPLED_MM; voxels that do not fill a block are left out, equally on both sides."""
        shape = np.array(volume.data.shape)
        block = np.minimum(np.maximum(1, np.rint(SAMPLED_MM / volume.spacing_mm).astype(int)), shape)
        count = shape // block
        first = (shape - count * block) // 2
        kept = volume.data[tuple(slice(a, a + n * b) for a, n, b in zip(first, count, block, strict=True))]
        means = kept.reshape(count[0], block[0], count[1], block[1], count[2], block[2]).mean((1, 3, 5), np.float64)
        affine = volume.affine.copy()
        affine[:3, :3] = volume.affine[:3, :3] * block
        affine[:3, 3] = points(volume.affine, first + (block - 1) / 2)
        means = means - min(float(means.min()), 0.0)
        top = float(np.percentile(means[means > 0], BRIGHT_PERCENT))
        return cls(np.clip(means / top, 0.0, 1.0), affine, points(volume.affine, _centre_of_mass(volume.data)))


@dataclass(frozen=True)
class Agreement:
    """How well two images agree, for any affine between them."""

    fixed: CoarseImage
    moving: CoarseImage

    @cached_property
    def _samples(self) -> tuple[Float, Float]:
        index = np.moveaxis(np.indices(self.fixed.data.shape, np.float64), 0, -1).reshape(-1, 3)
        return points(self.fixed.affine, index), _binned(self.fixed.data.ravel())

    def at(self, affine: Float) -> float:
        """Mutual information in nats, fixed world to moving world; outside the moving image the intensity is 0."""
        world, fixed = self._samples
        to_voxel = np.linalg.inv(self.moving.affine) @ affine
        joint = joint_counts(self.moving.data, points(to_voxel, world), fixed, BINS) / len(fixed)
        return _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0)) - _entropy(joint.ravel())

    def turned(self, rotation: Float) -> Float:
        """A rotation of the moving image's axes, with both centres of mass aligned; (4, 4)."""
        affine = np.eye(4)
        affine[:3, :3] = rotation
        affine[:3, 3] = self.moving.centre - rotation @ self.fixed.centre
        return affine

    @cached_property
    def turns(self) -> tuple[Float, Float]:
        """The rotations of ALL_WAYS_ROUND, (n, 3, 3), and the agreement at each, (n,)."""
        return ALL_WAYS_ROUND, np.array([self.at(self.turned(rotation)) for rotation in ALL_WAYS_ROUND])

    def clearness(self, affine: Float) -> float:
        """By how many standard deviations an alignment agrees better than rotations far from it."""
        rotations, values = self.turns
        left, _, right = np.linalg.svd(affine[:3, :3])
        others = values[angles_deg(rotations, left @ right) >= FAR_DEG]
        spread = float(others.std())
        return (self.at(affine) - float(np.median(others))) / spread if spread > 0 else 0.0


def _centre_of_mass(data: Array) -> Float:
    """In voxels."""
    profiles = [data.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.float64) for axis in range(3)]
    return np.array([(np.arange(len(profile)) * profile).sum() / profile.sum() for profile in profiles])


def angles_deg(rotations: Float, other: Float) -> Float:
    """The angle between each of some rotations (n, 3, 3) and another one."""
    traces = np.einsum("nij,ij->n", rotations, other)
    return np.asarray(np.rad2deg(np.arccos(np.clip((traces - 1) / 2, -1.0, 1.0))))


def _binned(values: Float) -> Float:
    return np.minimum(np.floor(values * BINS), BINS - 1)


def _entropy(shares: Float) -> float:
    kept = shares[shares > 0]
    return -float((kept * np.log(kept)).sum())


def _all_ways_round() -> Float:
    """The identity, the other 23 rotations of the cube, then each of them turned a little about axes and diagonals."""
    cube = [np.array(m) for m in _cube()]
    steps = [np.zeros(3), *(30.0 * s * e for e in np.eye(3) for s in (1, -1))]
    steps += [45.0 * np.array(d) / np.sqrt(3) for d in itertools.product((1, -1), repeat=3)]
    small = Rotation.from_rotvec(np.deg2rad(steps)).as_matrix()
    return np.array([turn @ matrix for turn in small for matrix in cube])


def _cube() -> list[Float]:
    signed = (
        np.eye(3)[list(axes)] * np.array(signs)[:, None]
        for axes in itertools.permutations(range(3))
        for signs in itertools.product((1.0, -1.0), repeat=3)
    )
    return [matrix for matrix in signed if np.linalg.det(matrix) > 0]


ALL_WAYS_ROUND = _all_ways_round()
