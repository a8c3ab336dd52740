"""Likeness of the fixed and the moved image. Not a measure of accuracy: a method can raise it by moving anatomy
wrongly."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.fields import Field
from lumirage.scoring.slabs import map_slabs
from lumirage.scoring.worldwarp import cell

BINS = 64
"""For each image's axis of the joint histogram of mutual information."""


class Similarity(NamedTuple):
    """NaN where the mask is empty or an image is constant in it."""

    ncc: float
    """Pearson's correlation of all voxels of the mask."""
    mi: float
    """Mutual information in nats, of a joint histogram with BINS bins between each image's extremes in the mask."""


def similarity(
    fixed: NDArray[Any], moving: NDArray[Any], field: Field, mask: NDArray[np.bool_], threads: int = 1
) -> Similarity:
    """Of the fixed and the moving image (X, Y, Z) pulled linearly through d (3, X, Y, Z), in voxels, inside a mask."""
    moved = pull_linear(moving, field, threads)
    a, b = fixed[mask].astype(np.float64), moved[mask].astype(np.float64)
    if not a.size or a.min() == a.max() or b.min() == b.max():
        return Similarity(math.nan, math.nan)
    da, db = a - a.mean(), b - b.mean()
    # numpy's own sums: the last digit of a BLAS product depends on threads and on where the arrays happen to lie
    ncc = float((da * db).sum() / math.sqrt((da * da).sum() * (db * db).sum()))
    cells = _bin(a) * BINS + _bin(b)
    joint = np.bincount(cells, minlength=BINS * BINS).reshape(BINS, BINS) / a.size
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    return Similarity(ncc, float((joint[filled] * np.log(joint[filled] / outer[filled])).sum()))


def _bin(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of BINS equal intervals between the extremes each value lies in; the last one is closed."""
    low, high = values.min(), values.max()
    return np.minimum(((values - low) * (BINS / (high - low))).astype(np.int64), BINS - 1)


def pull_linear(moving: NDArray[Any], field: Field, threads: int = 1) -> NDArray[np.float32]:
    """moving(x + d(x)), trilinear, edge value outside; float32."""
    moved = np.empty(field.shape[1:], np.float32)
    source = np.ascontiguousarray(moving)
    map_slabs(lambda start, stop: _pull_slab(start, stop, (source, field), moved), field.shape[1], threads)
    return moved


@njit(nogil=True, cache=True)
def _pull_slab(start: int, stop: int, source: Any, moved: Any) -> None:
    moving, field = source
    for x in range(start, stop):
        for y in range(field.shape[2]):
            for z in range(field.shape[3]):
                x0, x1, px = cell(x + np.float64(field[0, x, y, z]), moving.shape[0])
                y0, y1, py = cell(y + np.float64(field[1, x, y, z]), moving.shape[1])
                z0, z1, pz = cell(z + np.float64(field[2, x, y, z]), moving.shape[2])
                a = _along(moving, x0, y0, (z0, z1, pz)) * (1 - py) + _along(moving, x0, y1, (z0, z1, pz)) * py
                b = _along(moving, x1, y0, (z0, z1, pz)) * (1 - py) + _along(moving, x1, y1, (z0, z1, pz)) * py
                moved[x, y, z] = a * (1 - px) + b * px


@njit(nogil=True, cache=True, inline="always")
def _along(image: Any, x: int, y: int, z: Any) -> float:
    return np.float64(image[x, y, z[0]]) * (1 - z[2]) + np.float64(image[x, y, z[1]]) * z[2]
