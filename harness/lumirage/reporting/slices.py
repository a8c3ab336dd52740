"""Slices of a pair as PNG, and what is drawn on them as SVG: label contours and the warped grid."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import contourpy
import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.image import imsave

from lumirage.space import Array, Float, Single, points

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
ACROSS = {"axial": 2, "coronal": 1, "sagittal": 0}
"""The array axis that a plane cuts, on a working grid whose axes run along R, A, S."""

GRID_MM = 6.0
"""Distance of the lines of the warped grid before they are warped."""

SHRINK = 2.0
"""The Jacobian map's colours run from a shrinking by this factor squared to a growth by the same."""


@dataclass(frozen=True)
class Cut:
    """One plane through a grid. Pictures show anterior or superior on top, and left at the left."""

    plane: Plane
    index: int
    size: tuple[int, int]
    """Columns and rows of the picture."""
    spacing: tuple[float, float]
    """Voxel size along the picture's x and y, mm."""

    def __call__(self, volume: Array) -> Array:
        """The slice (rows, columns) of a volume (X, Y, Z, ...)."""
        return np.swapaxes(np.take(volume, self.index, axis=ACROSS[self.plane]), 0, 1)[::-1]

    @property
    def axes(self) -> tuple[int, int]:
        """Array axes along the picture's x and y."""
        first, second = (a for a in range(3) if a != ACROSS[self.plane])
        return first, second


def cuts(content: Array, affine: Float) -> Iterator[Cut]:
    """Three planes through the middle of what is above 0 in `content`."""
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    for plane in PLANES:
        axis = ACROSS[plane]
        others = tuple(a for a in range(3) if a != axis)
        area = (content > 0).sum(axis=others)
        weight = int(area.sum())
        index = int(np.searchsorted(np.cumsum(area), weight / 2)) if weight else content.shape[axis] // 2
        size = (content.shape[others[0]], content.shape[others[1]])
        yield Cut(plane, index, size, (float(spacing[others[0]]), float(spacing[others[1]])))


def gray_png(image: Single) -> str:
    """A slice, 0..1, as a data URI."""
    return _png(image, "gray", 0, 1)


def difference_png(difference: Single) -> str:
    """A difference of two slices of 0..1 as a data URI: blue where the moved image is darker, red where brighter."""
    return _png(difference, "RdBu_r", -1, 1)


def jacobian_png(determinants: Single) -> str:
    """log2 of the determinant as a data URI: blue shrinks, red grows, black folds."""
    span = np.log2(SHRINK) * 2
    shade = np.log2(np.maximum(determinants, 1e-3)) / span
    rgba = mpl.colormaps["RdBu_r"](np.clip(0.5 + shade / 2, 0, 1))
    rgba[determinants <= 0] = (0, 0, 0, 1)
    return _png(rgba.astype(np.float32), None, 0, 1)


def _png(image: Array, colors: str | None, low: float, high: float) -> str:
    held = io.BytesIO()
    imsave(held, image, cmap=colors, vmin=low, vmax=high, format="png", pil_kwargs={"optimize": True})
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def contours(labels: Array, kind: Literal["fixed", "moved"]) -> Markup:
    """Outlines of the labels of a slice (rows, columns) as SVG paths; each knows its label."""
    paths = []
    for value in np.unique(labels[labels != 0]):
        where = np.argwhere(labels == value)
        (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
        inside = np.pad(labels[top : bottom + 1, left : right + 1] == value, 1).astype(np.float32)
        lines = contourpy.contour_generator(z=inside, name="serial").lines(0.5)
        drawn = "".join(_path(np.asarray(line) + np.array([left - 0.5, top - 0.5]), closed=True) for line in lines)
        paths.append(f'<path class="contour {kind}" data-label="{int(value)}" d="{drawn}"/>')
    return Markup("".join(paths))


def warped_grid(u: Single, cut: Cut, affine: Float) -> Markup:
    """Lines of a regular grid of the fixed space where the field takes them, seen in the plane, as SVG paths."""
    in_voxels = points(affine_of_vectors(affine), cut(u))[..., list(cut.axes)]
    rows, columns = in_voxels.shape[:2]
    x = np.arange(columns) + 0.5 + in_voxels[..., 0]
    y = (np.arange(rows) + 0.5)[:, None] - in_voxels[..., 1]
    both = np.stack([x, y], axis=-1)
    lines = [_path(both[at, ::2]) for at in range(0, rows, max(1, round(GRID_MM / cut.spacing[1])))]
    lines += [_path(both[::2, at]) for at in range(0, columns, max(1, round(GRID_MM / cut.spacing[0])))]
    return Markup(f'<path class="warped" d="{"".join(lines)}"/>')


def affine_of_vectors(affine: Float) -> Float:
    """The matrix that takes vectors in mm to voxels: the inverse without the translation."""
    turned = np.eye(4)
    turned[:3, :3] = np.linalg.inv(affine[:3, :3])
    return turned


def _path(line: Array, *, closed: bool = False) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + ("Z" if closed else "")
