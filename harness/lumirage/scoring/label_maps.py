"""Relabels label maps once to small dense numbers, with a frame of "outside" voxels around them.

All kernels of this room work on dense ids: the scored labels are 0..n-1 in ascending order of their values, every
other value is n ("other"), and the one-voxel frame that surrounds the volume is n + 1 ("outside"), so that
neighbourhoods need no bounds checks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.scoring.slabs import map_slabs

Ids = NDArray[Any]
"""uint8 or uint16."""
LOOKUP_LIMIT = 1 << 22
"""Widest range of label values for which a table is cheaper than a binary search."""


@dataclass(frozen=True)
class LabelSet:
    """The labels that are scored: unique values, ascending; the dense id of a label is its position."""

    values: tuple[int, ...]

    @classmethod
    def of(cls, labels: Sequence[int]) -> "LabelSet":
        """From any list of labels; duplicates count once."""
        return cls(tuple(sorted({int(label) for label in labels})))

    @property
    def other(self) -> int:
        """Id of every value that is not scored."""
        return len(self.values)

    @property
    def outside(self) -> int:
        """Id of the frame around the volume."""
        return len(self.values) + 1

    @property
    def background(self) -> int:
        """Id of label 0, which a warp that leaves the moving volume returns."""
        return self.values.index(0) if 0 in self.values else self.other

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The smallest type that holds all ids."""
        return np.uint8 if self.outside < 256 else np.uint16

    def framed(self, shape: Sequence[int]) -> Ids:
        """A new id volume for `shape`, with its frame set and its interior uninitialized."""
        ids = np.empty(tuple(n + 2 for n in shape), self.dtype)
        for axis in range(3):
            face = ids.swapaxes(0, axis)
            face[0] = self.outside
            face[-1] = self.outside
        return ids


@dataclass(frozen=True)
class DenseLabels:
    """One label map as dense ids."""

    ids: Ids
    """(X + 2, Y + 2, Z + 2), C order, framed."""
    counts: NDArray[np.int64]
    """Voxels of each scored label."""
    labels: LabelSet

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the volume without its frame."""
        x, y, z = self.ids.shape
        return x - 2, y - 2, z - 2


def relabel(volume: NDArray[Any], labels: LabelSet, threads: int = 1) -> DenseLabels:
    """The dense ids of a label map (X, Y, Z) of any integer or float type; fractional values are "other"."""
    if not np.issubdtype(volume.dtype, np.integer):
        volume = _whole_numbers(volume)
    volume = np.ascontiguousarray(volume)
    low, table = _lookup_table(volume, labels)
    if table is None:
        volume, low, table = _by_search(volume, labels)
    ids = labels.framed(volume.shape)
    low_value, full = np.int64(low), table
    counts = map_slabs(
        lambda start, stop: _relabel_slab(start, stop, volume, (low_value, full), ids), volume.shape[0], threads
    )
    total = np.sum([np.zeros(len(full), np.int64), *counts], axis=0)
    return DenseLabels(ids, _counts_of_ids(total, full, labels), labels)


def values_in(volume: NDArray[Any]) -> list[int]:
    """All values of an integer label map, ascending; by a table without sorting if they are close together."""
    if not volume.size:
        return []
    low, high = int(volume.min()), int(volume.max())
    if high - low >= LOOKUP_LIMIT:
        return [int(value) for value in np.unique(volume)]
    present = np.zeros(high - low + 1, np.bool_)
    _mark_values(volume.ravel(order="K"), np.int64(low), present)
    return [low + int(i) for i in np.flatnonzero(present)]


def renumbered(volume: NDArray[np.int32], numbers: Mapping[int, int]) -> NDArray[np.int32]:
    """A label map with new numbers; a label without a new number becomes background."""
    given = np.array(sorted(numbers), np.int64)
    position = np.minimum(np.searchsorted(given, volume), len(given) - 1)
    target = np.array([numbers[int(n)] for n in given], np.int32)
    return np.where(given[position] == volume, target[position], np.int32(0))


@njit(nogil=True, cache=True)
def _mark_values(values: Any, low: int, present: Any) -> None:
    for k in range(values.size):
        present[np.int64(values[k]) - low] = True


def _whole_numbers(volume: NDArray[Any]) -> NDArray[np.int64]:
    """Float label maps as integers; a fractional value becomes a value that no label has."""
    if volume.dtype == np.bool_:
        return volume.astype(np.int64)
    whole = np.isfinite(volume) & (np.abs(volume) < 2.0**53) & (np.floor(volume) == volume)
    return np.where(whole, volume, np.iinfo(np.int64).min).astype(np.int64)


def _lookup_table(volume: NDArray[Any], labels: LabelSet) -> tuple[int, Ids | None]:
    """Lowest value and the table from value - lowest to id, or None if the values are too far apart."""
    if volume.size == 0:
        return 0, np.array([labels.other], labels.dtype)
    if volume.dtype.itemsize <= 2:
        bounds = np.iinfo(volume.dtype)
        low, high = int(bounds.min), int(bounds.max)
    else:
        low, high = int(volume.min()), int(volume.max())
    if high - low >= LOOKUP_LIMIT:
        return low, None
    table = np.full(high - low + 1, labels.other, labels.dtype)
    for index, value in enumerate(labels.values):
        if low <= value <= high:
            table[value - low] = index
    return low, table


def _by_search(volume: NDArray[Any], labels: LabelSet) -> tuple[NDArray[Any], int, Ids]:
    """Ids by binary search, as a volume whose values are the ids."""
    values = np.array([*labels.values, np.iinfo(np.int64).max], np.int64)
    position = np.searchsorted(values, volume)
    ids = np.where(values[position] == volume, position, labels.other).astype(labels.dtype)
    return ids, 0, np.arange(labels.outside + 1).astype(labels.dtype)


def _counts_of_ids(counts: NDArray[np.int64], table: Ids, labels: LabelSet) -> NDArray[np.int64]:
    """Voxels of each scored label from voxels of each table entry."""
    return np.bincount(table, weights=counts, minlength=labels.outside + 1)[: labels.other].astype(np.int64)


@njit(nogil=True, cache=True)
def _relabel_slab(start: int, stop: int, volume: Any, lookup: Any, ids: Any) -> Any:
    """Writes the ids of planes start..stop and counts the voxels of each table entry."""
    low, table = lookup
    counts = np.zeros(table.size, np.int64)
    for x in range(start, stop):
        for y in range(volume.shape[1]):
            row = volume[x, y]
            out = ids[x + 1, y + 1]
            for z in range(row.size):
                entry = np.int64(row[z]) - low
                counts[entry] += 1
                out[z + 1] = table[entry]
    return counts
