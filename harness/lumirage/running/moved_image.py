"""Holds a method's own moved image against the moving image resampled by its field: the two must be one picture."""

import itertools
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from lumirage.core.errors import InvalidAnswerError
from lumirage.core.field_conversion import to_world
from lumirage.core.model import Convention
from lumirage.core.space import Displacement, Float, read_moved, read_volume

AGREES = 0.95
"""Correlation at which two resamplings of one image by one field agree; linear against cubic gives 0.987."""
POINTS = 30_000


class MovedCheck:
    """The comparison, on a lattice of at most POINTS voxels."""

    def __init__(self, moved: Path, moving: Path, field: Displacement):
        self._moving = read_volume(moving)
        theirs = read_moved(moved, self._moving.grid)
        self._field = field
        step = max(1, round((theirs.size / POINTS) ** (1 / 3)))
        cut = (slice(None, None, step),) * 3
        self._u = field.u[cut].reshape(-1, 3).astype(np.float64)
        self._index = np.stack(np.meshgrid(*(np.arange(n)[::step] for n in theirs.shape), indexing="ij"), -1).reshape(
            -1, 3
        )
        self._theirs = theirs[cut].ravel().astype(np.float64)

    @np.errstate(all="ignore")  # numbers that overflow agree with nothing
    def correlation(self) -> float:
        """Pearson's, of their moved image and ours. Raises InvalidAnswerError below AGREES, and says which convention
        would have matched."""
        found = self._of(self._u)
        if found >= AGREES:
            return found
        best, name = max(((self._of(self._as(c)), _name(c)) for c in _others()), key=lambda pair: pair[0])
        hint = f"; read as {name} it would agree ({best:.3f})" if best >= AGREES else ""
        raise InvalidAnswerError(
            f"the method's moved image and the moving image resampled by its field correlate by {found:.3f} only{hint}"
        )

    def _of(self, u: Float) -> float:
        at = self._index + u @ np.linalg.inv(self._field.affine[:3, :3]).T
        ours = map_coordinates(self._moving.data, at.T, order=1, mode="nearest")
        if ours.std() == 0 or self._theirs.std() == 0:
            return 1.0 if np.allclose(ours, self._theirs) else 0.0
        return float(np.corrcoef(ours, self._theirs)[0, 1])

    def _as(self, convention: Convention) -> Float:
        """The field's numbers, taken for another convention."""
        return to_world(self._u[:, None, None, :], convention, self._field.affine)[:, 0, 0, :].astype(np.float64)


def _others() -> list[Convention]:
    """What fields are most often mistaken for: each order and sign, in millimetres and in voxels."""
    signs = ["".join(s) for s in itertools.product("+-", repeat=3)]
    return [
        Convention(unit=unit, order=order, signs=sign)
        for unit in ("mm", "voxel")
        for order in ("xyz", "zyx")
        for sign in signs
    ]


def _name(convention: Convention) -> str:
    return f"{convention.unit}, order {convention.order}, signs {convention.signs} of what was declared"
