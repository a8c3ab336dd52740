"""Chooses and cuts planes through a volume whose axes run along R, A, S."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from lumirage.core.space import Array, Float, spacing_of

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
ACROSS = {"axial": 2, "coronal": 1, "sagittal": 0}
"""The array axis that a plane cuts."""

SHARE = {"axial": 0.5, "coronal": 0.5, "sagittal": 0.3}
"""Share of the content before the plane. The sagittal plane avoids the midline, where there is little to see."""

MARGIN_MM = 8.0
"""Margin around the content in a picture."""


@dataclass(frozen=True)
class Cut:
    """One plane. Pictures show anterior or superior at the top, and left at the left."""

    plane: Plane
    index: int
    shape: tuple[int, int, int]
    """Of the volume."""
    spacing: tuple[float, float]
    """Voxel size along the picture's x and y, mm."""
    window: tuple[int, int, int, int]
    """The part of the picture that is shown: left, top, columns, rows, in voxels."""

    @property
    def axis(self) -> int:
        """The array axis that is cut."""
        return ACROSS[self.plane]

    @property
    def axes(self) -> tuple[int, int]:
        """Array axes along the picture's x and y."""
        first, second = (a for a in range(3) if a != self.axis)
        return first, second

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the whole picture."""
        return self.shape[self.axes[0]], self.shape[self.axes[1]]

    def take(self, volume: Array) -> Array:
        """The plane (A, B, ...) of a volume (X, Y, Z, ...)."""
        # np.take would copy the whole of a volume whose axes were reordered: .37 CPU s of a field at 1 mm
        return volume[(slice(None),) * self.axis + (self.index,)]

    def picture(self, plane: Array) -> Array:
        """A plane (A, B, ...) as rows and columns of a picture."""
        return np.swapaxes(plane, 0, 1)[::-1]

    def __call__(self, volume: Array) -> Array:
        """The picture (rows, columns, ...) of a volume."""
        return self.picture(self.take(volume))

    def world(self, affine: Float) -> Float:
        """World positions (A, B, 3) of the plane, mm."""
        a, b = np.indices(self.size)
        index = np.full((*self.size, 3), self.index, dtype=np.float64)
        index[..., self.axes[0]], index[..., self.axes[1]] = a, b
        return index @ affine[:3, :3].T + affine[:3, 3]


def cuts(content: Array, affine: Float) -> Iterator[Cut]:
    """Three planes through the true voxels of `content`, and the windows around them."""
    spacing = spacing_of(affine)
    shape = cast(tuple[int, int, int], content.shape)
    spans = [_span(content, axis, float(spacing[axis])) for axis in range(3)]
    for plane in PLANES:
        axis = ACROSS[plane]
        x, y = (a for a in range(3) if a != axis)
        area = content.sum(axis=(x, y))
        found = int(np.searchsorted(np.cumsum(area), area.sum() * SHARE[plane]))
        index = found if area.any() else shape[axis] // 2
        (left, right), (low, high) = spans[x], spans[y]
        window = (left, shape[y] - high, right - left, high - low)
        yield Cut(plane, index, shape, (float(spacing[x]), float(spacing[y])), window)


def _span(content: Array, axis: int, spacing: float) -> tuple[int, int]:
    """First and last voxel (exclusive) with content along an axis, including the margin."""
    there = np.flatnonzero(content.any(axis=tuple(a for a in range(3) if a != axis)))
    if not there.size:
        return 0, content.shape[axis]
    margin = round(MARGIN_MM / spacing)
    return max(int(there[0]) - margin, 0), min(int(there[-1]) + 1 + margin, content.shape[axis])
