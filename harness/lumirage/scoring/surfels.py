"""Extracts the surface elements of label maps, from the 2x2x2 voxels around each voxel corner.

A corner whose eight voxels are partly inside a label has one surface element ("surfel") of that label. Its area
is that of the marching-cubes patch in the cell, after Nikolov et al. 2018 (arXiv:1809.04430), who published it with
the surface-distance library.
"""

import functools
import itertools
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.slabs import SLAB_PLANES, map_slabs

PATCHES: dict[int, tuple[tuple[int, int, int], ...]] = {
    0b00000001: ((1, 1, 1),),
    0b00000011: ((2, 2, 0), (2, 2, 0)),
    0b00000110: ((1, 1, 1), (1, 1, 1)),
    0b00011000: ((1, 1, 1), (1, 1, 1)),
    0b00000111: ((4, 0, 0), (2, 2, 2), (1, 1, 1)),
    0b00011001: ((0, 2, 2), (0, 2, 2), (1, 1, 1)),
    0b00010110: ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    0b00001111: ((4, 0, 0), (4, 0, 0)),
    0b00010111: ((1, 1, 1), (2, 2, 2), (2, 2, 2), (1, 1, 1)),
    0b00011011: ((1, 1, 1), (3, 3, 3), (0, 2, 2), (2, 0, 2)),
    0b00011110: ((4, 0, 0), (1, 1, 1), (2, 2, 2), (1, 1, 1)),
    0b00111100: ((2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)),
    0b01101001: ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
}
"""One pattern of each kind of cell (all others are its rotations, mirror images and complements) and the normals of
the triangles that separate inside from outside, in eighths of a face, without signs. Bit 7 is the voxel at (-, -, -),
bit 0 the one at (+, +, +)."""

AXIS_BITS = 13
"""Bits for each coordinate of a packed surfel: volumes up to 8190 voxels along an axis."""


@functools.lru_cache(maxsize=64)
def surfel_areas(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area of each of the 256 patterns, in squared units of `spacing`."""
    face = np.array([spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]])
    areas = np.zeros(256)
    weights = 1 << np.arange(7, -1, -1).reshape(2, 2, 2)
    for pattern, normals in PATCHES.items():
        cell = (pattern & weights) > 0
        for axes, flips in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
            turned = cell.transpose(axes)[:: flips[0], :: flips[1], :: flips[2]]
            area = 0.0
            for normal in normals:
                area += float(np.linalg.norm(np.array(normal)[list(axes)] / 8 * face))
            code = int((turned * weights).sum())
            areas[code] = areas[255 - code] = area
    return areas


Surfels = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""Packed surfels of all labels, and where each label's begin."""


def surfels(dense: DenseLabels, threads: int = 1) -> Surfels:
    """All surfels of a label map sorted by label, and where each label's begin: label i has `packed[begin[i]:begin[i
    + 1]]`.

    A packed surfel is label, pattern and corner: id << 48 | pattern << 40 | x << 26 | y << 13 | z; corner (0, 0, 0)
    is the one before voxel (0, 0, 0). Points outside the volume are outside every label.
    """
    scored = dense.labels.other
    parts = map_slabs(lambda start, stop: _scan_slab(start, stop, dense.ids, scored), dense.ids.shape[0] - 1, threads)
    counts = np.array([part[1] for part in parts]).reshape(-1, scored)
    begin = np.zeros(scored + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=begin[1:])
    packed = np.empty(int(begin[-1]), np.uint64)
    first = begin[:-1] + np.cumsum(counts, axis=0) - counts
    map_slabs(
        lambda start, _: _scatter(parts[start // SLAB_PLANES][0], first[start // SLAB_PLANES], packed),
        dense.ids.shape[0] - 1,
        threads,
    )
    return packed, begin


@njit(nogil=True, cache=True, inline="always")
def corner_of(surfel: Any) -> Any:
    """Corner (x, y, z) of a packed surfel."""
    mask = np.uint64(8191)
    return (
        np.int64((surfel >> np.uint64(26)) & mask),
        np.int64((surfel >> np.uint64(13)) & mask),
        np.int64(surfel & mask),
    )


@njit(nogil=True, cache=True)
def bounds_of(surfels: Any) -> Any:
    """Lowest and highest corner of some surfels, (2, 3)."""
    bounds = np.array([[8191, 8191, 8191], [-1, -1, -1]])
    for k in range(surfels.size):
        corner = corner_of(surfels[k])
        for axis in range(3):
            bounds[0, axis] = min(bounds[0, axis], corner[axis])
            bounds[1, axis] = max(bounds[1, axis], corner[axis])
    return bounds


@njit(nogil=True, cache=True)
def _scatter(found: Any, first: Any, packed: Any) -> None:
    """Copies one slab's surfels to the positions of their labels."""
    place = first.copy()
    for k in range(found.size):
        label = np.int64(found[k] >> np.uint64(48))
        packed[place[label]] = found[k]
        place[label] += 1


@njit(nogil=True, cache=True)
def _scan_slab(start: int, stop: int, ids: Any, scored: int) -> Any:
    """The surfels at corners of planes start..stop, in scan order, and their number for each label."""
    flags = np.zeros((ids.shape[2] + 7) // 8 * 8, np.uint8)
    words = flags.view(np.uint64)
    # At most eight labels meet at a corner; memory pages that are never written cost nothing.
    found = np.empty(8 * (stop - start) * (ids.shape[1] - 1) * (ids.shape[2] - 1), np.uint64)
    counts = np.zeros(scored, np.int64)
    size = 0
    for x in range(start, stop):
        for y in range(ids.shape[1] - 1):
            _flag_row(ids, x, y, flags)
            for word in range(words.size):
                if words[word] == 0:
                    continue
                for z in range(8 * word, 8 * word + 8):
                    if flags[z]:
                        size = _emit(ids, (x, y, z), found, size, counts)
    return found[:size].copy(), counts


@njit(nogil=True, cache=True)
def _flag_row(ids: Any, x: int, y: int, flags: Any) -> None:
    """Marks the corners of one row whose eight voxels are not all equal."""
    a, b, c, d = ids[x, y], ids[x, y + 1], ids[x + 1, y], ids[x + 1, y + 1]
    n = a.size - 1
    for z in range(n):
        p = a[z]
        r = (p ^ a[z + 1]) | (p ^ b[z]) | (p ^ b[z + 1]) | (p ^ c[z]) | (p ^ c[z + 1]) | (p ^ d[z]) | (p ^ d[z + 1])
        flags[z] = np.uint8(r != 0)


@njit(nogil=True, cache=True)
def _emit(ids: Any, corner: Any, found: Any, size: int, counts: Any) -> int:
    """Writes one surfel for each scored label at a corner; gives the new length of the list."""
    x, y, z = corner
    scored = counts.size
    v = (
        np.int64(ids[x, y, z]), np.int64(ids[x, y, z + 1]), np.int64(ids[x, y + 1, z]), np.int64(ids[x, y + 1, z + 1]),
        np.int64(ids[x + 1, y, z]), np.int64(ids[x + 1, y, z + 1]),
        np.int64(ids[x + 1, y + 1, z]), np.int64(ids[x + 1, y + 1, z + 1]),
    )  # fmt: skip
    place = (np.uint64(x) << np.uint64(26)) | (np.uint64(y) << np.uint64(13)) | np.uint64(z)
    done = np.int64(0)
    for i in range(8):
        if (done >> (7 - i)) & 1:
            continue
        label = v[i]
        pattern = np.int64(0)
        for j in range(8):
            pattern |= np.int64(v[j] == label) << (7 - j)
        done |= pattern
        if label < scored:
            found[size] = (np.uint64(label) << np.uint64(48)) | (np.uint64(pattern) << np.uint64(40)) | place
            counts[label] += 1
            size += 1
    return size
