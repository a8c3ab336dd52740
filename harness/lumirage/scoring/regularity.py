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
    log_from,
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

    @property
    def masked(self) -> "MaskedRegularity":
        """What concerns the first mask alone."""
        return MaskedRegularity(self.foldings[0], self.sd_log_masked)


class MaskedRegularity(NamedTuple):
    """The results inside one mask."""

    folding: Folding
    sd_log: float
    """Standard deviation of log(det) over the positive central determinants; NaN without any."""


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
    origin = _origin(field)
    call = _Call(field, bits, masks, origin, not _all_within(field, FLOAT32_SAFE))
    parts = map_slabs(lambda start, stop: _slab(max(start, 1), min(stop, nx - 1), call), nx, threads)
    totals = np.sum([part[0] for part in parts], axis=0)
    foldings = tuple(Folding(float(v), float(t) * 0.1, int(c), int(n)) for v, t, c, n in totals[:-1])
    whole = spread_of([part[1] for part in parts], (nx - 2) * (ny - 2), origin)
    inner = spread_of([part[2] for part in parts], max(nx - 4, 0) * max(ny - 4, 0), origin)
    masked = _masked(totals[0], [part[3] for part in parts]).sd_log
    return Regularity(foldings, inner, whole.minimum, whole.maximum, int(totals[-1, 0]), masked)


def masked_regularity(field: Field, bits: NDArray[np.uint8], threads: int = 1) -> MaskedRegularity:
    """What `regularity` measures in the first mask, to the last digit, without a look at voxels outside it."""
    nx, ny, nz = field.shape[1:]
    if min(nx, ny, nz) < 3 or not _all_within(field, FLOAT32_SAFE):
        return regularity(field, bits & np.uint8(1), 1, threads).masked
    call = _Call(field, bits, 1, _origin(field), False)
    parts = map_slabs(lambda start, stop: _masked_slab(max(start, 1), min(stop, nx - 1), call), nx, threads)
    return _masked(np.sum([part[0] for part in parts], axis=0)[0], [part[1] for part in parts])


def _masked(folds: NDArray[np.float64], sums: list[NDArray[np.float64]]) -> MaskedRegularity:
    volume, tetrahedra, voxels, inside = folds
    count, first, second = (total(sums, row) for row in range(3))
    sd_log = standard_deviation(first, second, count) if count else float("nan")
    return MaskedRegularity(Folding(float(volume), float(tetrahedra) * 0.1, int(voxels), int(inside)), sd_log)


def _origin(field: Field) -> Origin:
    """From the determinant in the middle."""
    row = np.empty(field.shape[3] - 2)
    central_row(field, field.shape[1] // 2, field.shape[2] // 2, 0, row)
    return origin_of(float(row[row.size // 2]))


@njit(nogil=True, cache=True)
def _all_within(field: Any, limit: float) -> bool:
    """Whether all are finite and their sizes are below the limit."""
    for plane in range(field.shape[0] * field.shape[1]):
        values = field[plane // field.shape[1], plane % field.shape[1]].ravel()
        beyond = 0
        for k in range(values.size):
            beyond += not abs(values[k]) < limit
        if beyond:
            return False
    return True


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
            central_row(call.field, x, y, 0, row)
            add_row(row, call.origin, whole)
            logarithms(row, scratch, call.origin, call.exact, logs)
            add_masked((row, logs[0]), call.bits[x, y, 1:-1], 0, masked)
            if nz > 4 and 2 <= x < nx - 2 and 2 <= y < ny - 2:
                add_row(row[1:-1], call.origin, inner)
                add_moments(logs[0, 1:-1], inner[6], inner[7])
                add_moments(logs[1, 1:-1], inner[8], inner[9])
            if not call.exact:
                safe_row(call.field, x, y, 0, work, safe)
            _fold_row(call, (x, y, 0), safe, folds)
    return folds, whole, inner, masked


@njit(nogil=True, cache=True)
def _masked_slab(start: int, stop: int, call: Any) -> Any:
    """Folding sums and the sums of the logarithms, of the first mask: the operations of `_slab`, in the same order."""
    ny, nz = call.field.shape[2:]
    folds, masked = np.zeros((2, 4)), np.zeros((3, nz - 2))
    room, work, safe = np.empty(5 * nz), np.empty(5 * nz, np.float32), np.zeros(nz, np.uint8)
    for x in range(start, stop):
        for y in range(1, ny - 1):
            first, last = _span_of(call.bits[x, y, 1:-1])
            if first == last:
                continue
            n = last - first
            rows, bits = room[: 5 * n].reshape(5, n), call.bits[x, y, first + 1 : last + 1]
            central_row(call.field, x, y, first, rows[0])
            log_from(rows[0], rows[2:], (0.0, call.origin.log), False, rows[1])
            add_masked((rows[0], rows[1]), bits, first, masked)
            safe_row(call.field, x, y, first, work[: 5 * n].reshape(5, n), safe[:n])
            for k in range(n):  # what lies outside the mask cannot fold either
                safe[k] |= (bits[k] & 1) ^ 1
            _fold_row(call, (x, y, first), safe[:n], folds)
    return folds, masked


@njit(nogil=True, cache=True, inline="always")
def _span_of(bits: Any) -> Any:
    """Where the voxels of the first mask begin and end in a row."""
    first, last = 0, bits.size
    while first < last and not bits[first] & 1:
        first += 1
    while last > first and not bits[last - 1] & 1:
        last -= 1
    return first, last


@njit(nogil=True, cache=True)
def _fold_row(call: Any, at: Any, safe: Any, folds: Any) -> None:
    """Adds the folding of the voxels after (x, y, z); those marked safe cannot fold."""
    x, y, z = at
    bits = call.bits[x, y, z + 1 : z + 1 + safe.size]
    for m in range(call.masks):
        inside = 0
        for k in range(bits.size):
            inside += (bits[k] >> m) & 1
        folds[m, 3] += inside
    determinants = np.empty(11)
    for k in range(safe.size):
        if not safe[k]:
            determinants_at(call.field, x, y, z + k + 1, determinants)
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
