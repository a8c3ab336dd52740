"""Draws three slices of an image with label contours, as a PNG in a data URI, so that a page with them opens offline."""

import base64
import io
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.image import imsave

from lumirage.core.space import Volume

Picture: TypeAlias = npt.NDArray[np.float32]

HEIGHT = 128
"""Height in pixels; slices are shown with nearest neighbour, at their true proportions."""
CONTOUR = np.array([1.0, 0.55, 0.1], np.float32)


def thumbnail(image: Volume, labels: Volume | None) -> str:
    """Axial, coronal and sagittal slices through the middle of the foreground, with left on the left."""
    codes = [image.data, *([labels.data] if labels is not None else [])]
    data, *rest = (_as_ras(array, image.affine) for array in codes)
    spacing = image.spacing_mm[np.argsort(_axes(image.affine))]
    occupied = np.argwhere(data > data.min())
    middle = (occupied.min(axis=0) + occupied.max(axis=0)) // 2 if len(occupied) else np.array(data.shape) // 2
    top = float(np.percentile(data, 99.5)) or 1.0
    panels = []
    for axis in (2, 1, 0):
        grey = np.clip(np.take(data, middle[axis], axis) / top, 0, 1).astype(np.float32)
        picture = np.repeat(grey[..., None], 3, axis=2)
        if rest:
            picture[_edges(np.take(rest[0], middle[axis], axis))] = CONTOUR
        panels.append(_scaled(picture, np.delete(spacing, axis)))
    buffer = io.BytesIO()
    imsave(buffer, np.concatenate(panels, axis=1), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _axes(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The world axis nearest to each array axis; each used once."""
    weights = np.abs(affine[:3, :3]).copy()
    axes = np.zeros(3, np.intp)
    for _ in range(3):
        world, array = np.unravel_index(np.argmax(weights), (3, 3))
        axes[array] = world
        weights[world, :] = weights[:, array] = -1.0
    return axes


def _as_ras(array: npt.NDArray[np.generic], affine: npt.NDArray[np.float64]) -> Picture:
    """Axes permuted and flipped so that they run most nearly right, anterior, superior."""
    axes = _axes(affine)
    turned = np.transpose(array, np.argsort(axes))
    flips = [np.sign(affine[world, int(np.argsort(axes)[world])]) < 0 for world in range(3)]
    return np.flip(turned.astype(np.float32), tuple(axis for axis, flip in enumerate(flips) if flip))


def _edges(labels: Picture) -> npt.NDArray[np.bool_]:
    edges = np.zeros(labels.shape, bool)
    edges[:-1] |= labels[:-1] != labels[1:]
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edges


def _scaled(picture: Picture, spacing: npt.NDArray[np.float64]) -> Picture:
    """(first, second, 3) as rows from the top and columns from the left, HEIGHT pixels high."""
    size = np.array(picture.shape[:2]) * spacing
    width = int(np.clip(round(HEIGHT * size[0] / size[1]), 1, 4 * HEIGHT))
    columns = (np.arange(width) * picture.shape[0] // width).astype(int)
    rows = (np.arange(HEIGHT)[::-1] * picture.shape[1] // HEIGHT).astype(int)
    return picture[columns][:, rows].transpose(1, 0, 2)
