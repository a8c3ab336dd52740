"""Jitter: a pair's working grid turned and shifted by a little that nobody can foresee, with a trace of noise.

Answers are scored natively, so an honest method hardly changes. A method that remembers answers by the content of its images,
or by a hash of it, does not find them again: no voxel is as it was.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from lumirage.core import space
from lumirage.core.model import Grid
from lumirage.core.space import Single
from lumirage.core.track import Prepare
from lumirage.planning.intensity import rician

TURN_DEG = (1.5, 3.0)
"""The angle about a random axis through the grid's centre, from and to, degrees."""
SHIFT_MM = (1.0, 3.0)
"""The length of the shift in a random direction, from and to, millimetres."""
NOISE = 0.005
"""Sigma of the noise, as a share of the 99.5th percentile of intensity."""


def as_text(prepare: Prepare) -> str:
    """What prepared images depend on; without jitter the same as before there was any, so that older keys stay."""
    return prepare.model_dump_json(exclude=None if prepare.jitter else {"jitter"})


def jittered_grid(grid: Grid, secret: str) -> Grid:
    """The grid of the same shape, turned about its centre and shifted; other secrets give other ones."""
    random = _random(secret, 0)
    axis, direction = (_unit(random.normal(size=3)) for _ in range(2))
    affine = np.array(grid.affine)
    centre = space.points(affine, (np.array(grid.shape) - 1) / 2)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(np.deg2rad(random.uniform(*TURN_DEG)) * axis).as_matrix()
    turn[:3, 3] = centre - turn[:3, :3] @ centre + random.uniform(*SHIFT_MM) * direction
    return space.make_grid(grid.shape, turn @ affine)


def with_trace_of_noise(picture: Single, secret: str, image: int) -> Single:
    """The image with noise that cannot be seen; `image` 0 for the fixed and 1 for the moving one."""
    sigma = NOISE * float(np.percentile(picture, 99.5))
    return rician(picture, sigma, _random(secret, 1 + image)) if sigma > 0 else picture


def _random(secret: str, stream: int) -> np.random.Generator:
    return np.random.default_rng([int(secret, 16), stream])


def _unit(vector: space.Float) -> space.Float:
    return np.asarray(vector / np.linalg.norm(vector))
