"""Measures how regular a displacement is: all Jacobian metrics in one pass over the field."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.determinant_statistics import (
    Origin,
    Spread,
    add_masked,
    add_moments,
    add_row,
    logarithms,
    new_sums,
    origin_of,
    spread_of,
    standard_deviation,
    total,
)
from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.jacobian import FLOAT32_SAFE, central_row, determinants_at, safe_row
from lumirage.scoring.slabs import map_slabs


@dataclass(frozen=True)
class Folding:
    """Folding inside one mask. Voxels at the border of the grid have no determinants and belong to no mask."""

    volume: float
    """Non-diffeomorphic volume in voxels; NaN if the field is not finite (official behaviour)."""
    tetrahedra: float
    """Number of non-positive corners and tetrahedra, each counted a tenth."""
    voxels: int
    """Voxels whose central determinant is <= 0."""
    mask_voxels: int

    @property
    def percent(self) -> float:
        """Volume in percent of the mask; NaN if the mask is empty."""
        return self.volume / self.mask_voxels * 100 if self.mask_voxels else float("nan")

    @property
    def voxels_percent(self) -> float:
        """Non-diffeomorphic voxels in percent of the mask; NaN if the mask is empty."""
        return self.voxels / self.mask_voxels * 100 if self.mask_voxels else float("nan")


@dataclass(frozen=True)
class Regularity:
    """The results of one pass over the field."""

    foldings: tuple[Folding, ...]
    """For each mask."""
    inner: Spread
    """Statistics of the central determinants, without two voxels at the border: the official SDlogJ."""
    minimum: float
    """Statistics of the central determinants, without one voxel at the border; NaN if one is NaN."""
    maximum: float
    any_corner_nonpositive: int
    """Voxels with at least one non-positive corner determinant of eight, inside masks or not."""
    sd_log_masked: float
    """Standard deviation of log(det) over the positive central determinants inside the first mask; NaN without any."""


class _Call(NamedTuple):
    field: Any
    bits: Any
    masks: int
    origin: Origin
    exact: bool


def regularity(field: Field, bits: NDArray[np.uint8], masks: int, threads: int = 1) -> Regularity:
    """All Jacobian metrics of x -> x + d(x), d (3, X, Y, Z) in voxels, inside several masks.

    `bits` (X, Y, Z): bit m of a voxel says that it is in mask m. A non-finite field is measured as in the
    official code: NaN propagates. Source: Liu et al., IJCV 2024; the offset and the cropping from Learn2Reg's
    evaluation.
    """
    nx, ny, nz = field.shape[1:]
    nan = float("nan")
    if min(nx, ny, nz) < 3:
        return Regularity((Folding(0.0, 0.0, 0, 0),) * masks, spread_of([], 0, origin_of(1.0)), nan, nan, 0, nan)
    exact = not (max(float(np.max(field)), -float(np.min(field))) < FLOAT32_SAFE)
    row = np.empty(nz - 2)
    central_row(field, nx // 2, ny // 2, row)
    origin = origin_of(float(row[row.size // 2]))
    call = _Call(field, bits, masks, origin, exact)
    parts = map_slabs(lambda start, stop: _slab(max(start, 1), min(stop, nx - 1), call), nx, threads)
    totals = np.sum([part[0] for part in parts], axis=0)
    foldings = tuple(Folding(float(v), float(t) * 0.1, int(c), int(n)) for v, t, c, n in totals[:-1])
    whole = spread_of([part[1] for part in parts], (nx - 2) * (ny - 2), origin)
    inner = spread_of([part[2] for part in parts], max(nx - 4, 0) * max(ny - 4, 0), origin)
    count, first, second = (total([part[3] for part in parts], row) for row in range(3))
    masked = standard_deviation(first, second, count) if count else nan
    return Regularity(foldings, inner, whole.minimum, whole.maximum, int(totals[-1, 0]), masked)


def mask_bits(masks: list[NDArray[Any] | None], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bit m set where mask m is > 0 (everywhere for None), as `regularity` expects."""
    bits = np.zeros(shape, np.uint8)
    for index, mask in enumerate(masks):
        bits |= np.uint8(1 << index) if mask is None else (mask > 0).view(np.uint8) << np.uint8(index)
    return bits


@njit(nogil=True, cache=True)
def _slab(start: int, stop: int, call: Any) -> Any:
    """Folding sums (one row a mask, then the count of voxels with a bad corner); determinant sums cropped by 1 and
    by 2; the sums of the first mask.
    """
    nx, ny, nz = call.field.shape[1:]
    folds = np.zeros((call.masks + 1, 4))
    whole, inner, masked = new_sums(nz - 2), new_sums(max(nz - 4, 0)), np.zeros((3, nz - 2))
    row, work, logs = np.empty(nz - 2), np.empty((5, nz - 2), np.float32), np.empty((2, nz - 2))
    scratch, safe = np.empty((3, nz - 2)), np.zeros(nz - 2, np.uint8)
    for x in range(start, stop):
        for y in range(1, ny - 1):
            central_row(call.field, x, y, row)
            add_row(row, call.origin, whole)
            logarithms(row, scratch, call.origin, call.exact, logs)
            add_masked(row, call.bits[x, y, 1:-1], logs[0], masked)
            if nz > 4 and 2 <= x < nx - 2 and 2 <= y < ny - 2:
                add_row(row[1:-1], call.origin, inner)
                add_moments(logs[0, 1:-1], inner[6], inner[7])
                add_moments(logs[1, 1:-1], inner[8], inner[9])
            if not call.exact:
                safe_row(call.field, x, y, work, safe)
            _fold_row(call, x, y, safe, folds)
    return folds, whole, inner, masked


@njit(nogil=True, cache=True)
def _fold_row(call: Any, x: int, y: int, safe: Any, folds: Any) -> None:
    """Adds the folding of one row; voxels marked safe cannot fold."""
    bits = call.bits[x, y, 1:-1]
    for m in range(call.masks):
        inside = 0
        for k in range(bits.size):
            inside += (bits[k] >> m) & 1
        folds[m, 3] += inside
    determinants = np.empty(11)
    for k in range(safe.size):
        if not safe[k]:
            determinants_at(call.field, x, y, k + 1, determinants)
            _fold_voxel(determinants, bits[k], call.exact, folds)


@njit(nogil=True, cache=True)
def _fold_voxel(determinants: Any, bits: int, exact: bool, folds: Any) -> None:
    """Adds one voxel. If the field is not finite, NaN counts even outside the mask, as NaN * 0 does officially."""
    volume, tetrahedra, corners = 0.0, 0, 0
    for i in range(10):
        d = determinants[i]
        volume += -0.5 * (d if not d >= 0 else 0.0) / 6
        tetrahedra += d <= 0
        corners += i < 8 and d > 0
    folds[-1, 0] += corners < 8
    for m in range(folds.shape[0] - 1):
        inside = (bits >> m) & 1
        if inside:
            folds[m, 0] += volume
            folds[m, 1] += tetrahedra
            folds[m, 2] += determinants[10] <= 0
        elif exact:
            folds[m, 0] += volume * 0.0
