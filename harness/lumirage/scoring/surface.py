"""Measures distances between label surfaces: 95th percentile Hausdorff distance, mean distance, normalized surface Dice."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.nearest_surface import Squares, squared_distances, squares_for
from lumirage.scoring.slabs import map_items
from lumirage.scoring.surfels import Surfels, bounds_of, surfel_areas, surfels

TIE = 1e-9
"""Shares of area nearer to 0.95 than this count as 0.95: rounding errors must not decide the distance."""

NEAR = 10
"""Voxels, of the largest spacing, within which the 95th percentile of a good answer lies."""


@dataclass(frozen=True)
class SurfaceOptions:
    """Settings of the measurement."""

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    official_ties: bool = False
    """Break ties at the percentile as surface-distance's floating-point sums do, bit for bit."""
    mean: bool = True
    """Also the mean distance and the surface Dice."""
    background: bool = True
    """Whether label 0 is measured; without it, its values are NaN."""
    tolerance: float = 1.0
    """Tolerance of the surface Dice: distances up to this count as agreement, within `TIE`."""


@dataclass(frozen=True)
class SurfaceDistances:
    """One value for each scored label, in units of the spacing."""

    hd95: NDArray[np.float64]
    """Larger of the two directed 95th percentiles; inf if one of the two surfaces is empty, NaN if both are."""
    mean: NDArray[np.float64]
    """Area-weighted mean over both surfaces together; NaN if a surface is empty or it was not requested."""
    surface_dice: NDArray[np.float64]
    """Share of the area of both surfaces within the tolerance of the other one; 0 if one of the two is empty, NaN if
    both are or it was not requested."""
    diagonal: float
    """Diagonal of the box around all fixed scored labels but the background: no two of their points are further apart."""


def surface_distances(
    fixed: DenseLabels,
    warped: DenseLabels,
    options: SurfaceOptions,
    threads: int = 1,
    *,
    fixed_surfels: Surfels | None = None,
) -> SurfaceDistances:
    """HD95, mean distance and surface Dice of all scored labels, after Nikolov et al. 2018 (the surface-distance library).

    `fixed_surfels`: the surfels of `fixed`, where they were made for another answer to the same pair.
    """
    spacing = np.array(options.spacing, np.float64)
    (a, a_begin), (b, b_begin) = fixed_surfels or surfels(fixed, threads), surfels(warped, threads)
    squares, near = squares_for(fixed.ids.shape, options.spacing), (NEAR * max(options.spacing)) ** 2
    search = _Search(squares, surfel_areas(options.spacing), near, options)

    def of_label(label: int) -> tuple[float, float, float]:
        if fixed.labels.values[label] == 0 and not options.background:
            return np.nan, np.nan, np.nan
        first, second = a[a_begin[label] : a_begin[label + 1]], b[b_begin[label] : b_begin[label + 1]]
        return _of_surfaces(first, second, search)

    values = np.array(map_items(of_label, list(range(fixed.labels.other)), threads)).reshape(-1, 3)
    diagonal = _diagonal(a[_foreground(a_begin, fixed) :], spacing)
    return SurfaceDistances(hd95=values[:, 0], mean=values[:, 1], surface_dice=values[:, 2], diagonal=diagonal)


def _foreground(begin: NDArray[np.int64], dense: DenseLabels) -> int:
    """The end of the background's surfels: label 0 is the first non-negative label."""
    values = dense.labels.values
    return int(begin[values.index(0) + 1]) if 0 in values else 0


def _diagonal(surface: NDArray[np.uint64], spacing: NDArray[np.float64]) -> float:
    """Length of the diagonal of the box around some surfels; 0 if there are none."""
    if not surface.size:
        return 0.0
    low, high = bounds_of(surface)
    return float(np.linalg.norm((high - low) * spacing))


@dataclass(frozen=True)
class _Search:
    squares: Squares
    areas: NDArray[np.float64]
    near: float
    """Squared distance up to which the percentile is looked for first: registered surfaces lie close together."""
    options: SurfaceOptions


def _of_surfaces(first: NDArray[np.uint64], second: NDArray[np.uint64], search: _Search) -> tuple[float, float, float]:
    """HD95, mean and surface Dice of one pair of surfaces."""
    if not first.size and not second.size:
        return np.nan, np.nan, np.nan
    if not first.size or not second.size:
        return np.inf, np.nan, 0.0 if search.options.mean else np.nan
    directed = [_directed(first, second, search), _directed(second, first, search)]
    hd95 = max(d[0] for d in directed)
    moment, near, area = (sum(d[i] for d in directed) for i in (1, 2, 3))
    return hd95, moment / area, near / area


def _directed(
    points: NDArray[np.uint64], surface: NDArray[np.uint64], search: _Search
) -> tuple[float, float, float, float]:
    """For one direction: 95th percentile, sum of distance times area, area within the tolerance, area."""
    squared = squared_distances(points, surface, search.squares)
    percentile, tie, area = _percentile(points, squared, search.areas, search.near)
    if np.isinf(percentile):
        percentile, tie, area = _percentile(points, squared, search.areas, float(squared.max()))
    if tie and search.options.official_ties:
        percentile = _percentile_as_official(squared, search.areas[(points >> np.uint64(40)) & np.uint64(255)])
    within = search.options.tolerance * (1 + TIE)
    moment, near = _sums(points, squared, search.areas, within) if search.options.mean else (np.nan, np.nan)
    return float(np.sqrt(percentile)), moment, near, area


@njit(nogil=True, cache=True)
def _sums(points: Any, squared: Any, areas: Any, within: float) -> Any:
    """Sum of distance times area over all surfels, however far, and the area of those no further than `within`."""
    moment, near = 0.0, 0.0
    for k in range(points.size):
        area, distance = areas[np.int64((points[k] >> np.uint64(40)) & np.uint64(255))], np.sqrt(squared[k])
        moment += area * distance
        if distance <= within:
            near += area
    return moment, near


@njit(nogil=True, cache=True)
def _percentile(points: Any, squared: Any, areas: Any, limit: float) -> Any:
    """Smallest squared distance within which 95 percent of the area lies (inf: beyond `limit`), whether that was a tie,
    and the sum of area.
    """
    bins = np.zeros(1025)
    scale = 1024 / max(limit, 1e-300)
    total = 0.0
    for k in range(points.size):
        area = areas[np.int64((points[k] >> np.uint64(40)) & np.uint64(255))]
        total += area
        if squared[k] <= limit:
            bins[min(int(squared[k] * scale), 1024)] += area
    target = 0.95 * total * (1 - 1e-9)
    cumulated, chosen = 0.0, np.int64(0)
    while chosen < 1025 and cumulated + bins[chosen] < target:
        cumulated += bins[chosen]
        chosen += 1
    if chosen == 1025:
        return np.inf, False, total
    inside = np.empty((points.size, 2))
    size = 0
    for k in range(points.size):
        if squared[k] <= limit and min(int(squared[k] * scale), 1024) == chosen:
            inside[size, 0] = squared[k]
            inside[size, 1] = areas[np.int64((points[k] >> np.uint64(40)) & np.uint64(255))]
            size += 1
    value, tie = _within_bin(inside[:size], cumulated, total)
    return value, tie, total


@njit(nogil=True, cache=True)
def _within_bin(inside: Any, cumulated: float, total: float) -> Any:
    """The percentile among (squared distance, area) of one bin, given the area of all bins below, and whether it is
    a tie."""
    order = np.argsort(inside[:, 0])
    target = 0.95 * total
    tie = abs(cumulated - target) <= 1e-9 * total
    for n in range(order.size):
        cumulated += inside[order[n], 1]
        last = n + 1 == order.size or inside[order[n + 1], 0] != inside[order[n], 0]
        if last and cumulated >= target - 1e-9 * total:
            return inside[order[n], 0], tie or abs(cumulated - target) <= 1e-9 * total
    return inside[order[-1], 0], tie


def _percentile_as_official(squared: NDArray[np.float64], areas: NDArray[np.float64]) -> float:
    """The same with the floating-point operations of surface-distance in their order, for exact ties."""
    distances = np.sqrt(squared)
    order = np.lexsort((areas, distances))
    pairs = np.stack([squared[order], areas[order]], axis=1)
    shares = np.cumsum(pairs[:, 1]) / np.sum(pairs[:, 1])
    return float(pairs[min(int(np.searchsorted(shares, 0.95)), len(pairs) - 1), 0])
