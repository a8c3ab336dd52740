"""Finds out whether a field makes sense as it is read, from the two images alone: nobody needs labels for that.

A field that makes the images hardly more alike than doing nothing, or less, where another reading of the same numbers makes
them much more alike, was probably stored in that other convention. Likeness is mutual information: contrasts may differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from lumirage.core.model import Convention
from lumirage.core.space import Array, Float
from lumirage.methods.field_conventions import Arrangement, KnownWarp, arrangements, as_world, describe

BINS = 32
SAMPLES = 4000
"""Voxels of the fixed image's foreground that are compared."""
MUCH = 0.2
"""Another reading is told if it raises the likeness by this share of what doing nothing has."""
LITTLE = 0.25
"""And if the reading as declared gains less than this share of that, or loses."""


@dataclass(frozen=True)
class AnsweredPair:
    """Two images on one grid, (X, Y, Z), and the stored numbers of a field on it, (X, Y, Z, 3)."""

    fixed: Array
    moving: Array
    stored: Array
    affine: Float
    """Voxel to world (RAS+ mm) of the grid, (4, 4)."""


@dataclass(frozen=True)
class Reading:
    """Mean likeness of the images over some pairs: as declared, of doing nothing, and of the best other reading."""

    declared: float
    nothing: float
    other: float
    words: str
    """The other reading, in the field's usual words."""

    @property
    def doubtful(self) -> bool:
        """Whether the field was probably stored in the other convention."""
        gain, declared = self.other - self.nothing, self.declared - self.nothing
        return gain > MUCH * self.nothing and declared < LITTLE * gain


def read_otherwise(samples: Sequence["Sample"], declared: Convention) -> Reading:
    """How alike the images become under the declared convention and under the best other one (pull only)."""
    own = float(np.mean([s.likeness(declared) for s in samples]))
    nothing = float(np.mean([s.of_nothing for s in samples]))
    best, words = -np.inf, ""
    for arrangement in _others(declared):
        found = float(np.mean([s.likeness(arrangement.convention) for s in samples]))
        if found > best + 1e-9:  # the likelier ones come first, and win where two are equivalent
            best, words = found, describe(arrangement)
    return Reading(own, nothing, best, words)


def _others(declared: Convention) -> Iterator[Arrangement]:
    return (a for a in arrangements(declared) if a.direction == "pull" and a.convention != declared)


class Sample:
    """Some voxels of one pair, always the same ones. Of the pair itself only the moving image is kept."""

    def __init__(self, pair: AnsweredPair) -> None:
        inside = np.flatnonzero(pair.fixed > pair.fixed.mean())
        step = max(1, len(inside) // SAMPLES)
        index = np.stack(np.unravel_index(inside[::step], pair.fixed.shape), axis=-1)
        self.fixed = _binned(pair.fixed[tuple(index.T)])
        self.moving, self.index = pair.moving, index
        self.stored = pair.stored[tuple(index.T)].astype(float)
        self.to_voxel = np.linalg.inv(pair.affine[:3, :3])
        nowhere = np.zeros_like(self.stored)
        self.frame = KnownWarp(index, nowhere, nowhere, pair.affine, pair.fixed.shape)
        self.edges = _edges(pair.moving[tuple(index.T)])
        self.of_nothing = self._likeness(index.astype(np.float64))

    def likeness(self, convention: Convention) -> float:
        """Of the fixed image and the moving one where the field, read like this, takes the voxels."""
        moved: Float = as_world(self.stored, convention, self.frame) @ self.to_voxel.T
        return self._likeness(moved + self.index)

    def _likeness(self, at: Float) -> float:
        values = map_coordinates(self.moving, at.T, order=1, mode="constant", output=np.float64)
        return mutual_information(self.fixed, np.digitize(values, self.edges))


def _edges(values: Array) -> Float:
    low, high = np.percentile(values, (1, 99))
    return np.linspace(low, high, BINS - 1)


def _binned(values: Array) -> NDArray[np.int64]:
    return np.asarray(np.digitize(values, _edges(values)))


def mutual_information(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """In nats, of two lists of bin numbers from 0 to BINS - 1."""
    joint = np.bincount(first * BINS + second, minlength=BINS * BINS).reshape(BINS, BINS) / len(first)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / apart[there])).sum())
