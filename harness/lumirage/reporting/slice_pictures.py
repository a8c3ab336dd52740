"""Draws pictures of planes as PNG, and label contours and the warped grid over them as SVG."""

import base64
import io
from typing import Literal

import contourpy
import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.colors import Colormap, LinearSegmentedColormap
from PIL import Image
from scipy.ndimage import find_objects

from lumirage.core.space import Array, Float, Single
from lumirage.reporting.image_planes import Cut

GRID_MM = 6.0
"""Distance of the lines of the warped grid before they are warped."""

GROWTH = 4.0
"""Expansion or shrinkage by this factor has the full colour in the Jacobian map."""

CONTRAST = 0.6
"""Share of the intensity range that has the full colour in the difference map."""

DIVERGING = LinearSegmentedColormap.from_list(
    "from-black", ["#c9e9ff", "#4da3e8", "#174a80", "#000000", "#8c2a14", "#f0703f", "#ffe3c4"]
)
"""Black in the middle, to suit the black background: blue below, red above."""

FOLD = (1.0, 0.93, 0.1, 1.0)
"""Colour of voxels that fold."""


def gray_png(image: Array) -> str:
    """A picture, 0..1, as a data URI."""
    return _png(mpl.colormaps["gray"](np.clip(image, 0, 1)))


def difference_png(difference: Array) -> str:
    """A difference of two pictures of 0..1 as a data URI: blue where negative, red where positive."""
    return _png(_diverging(difference / CONTRAST))


def jacobian_png(determinants: Single) -> str:
    """log of the determinant as a data URI: blue shrinks, red grows, yellow folds."""
    rgba = _diverging(np.log(np.maximum(determinants, 1e-3)) / np.log(GROWTH))
    rgba[determinants <= 0] = FOLD
    return _png(rgba)


def _diverging(values: Array, colors: Colormap = DIVERGING) -> Array:
    return np.asarray(colors(np.clip(0.5 + values / 2, 0, 1)))


def _png(rgba: Array) -> str:
    return "data:image/png;base64," + base64.b64encode(png_file(rgba)).decode()


def png_file(rgba: Array) -> bytes:
    """A picture (rows, columns, RGB or RGBA) of 0..1 as an opaque PNG file; grey has one channel, a fifth of the work."""
    held = io.BytesIO()
    gray = (rgba[..., 0] == rgba[..., 1]).all() and (rgba[..., 1] == rgba[..., 2]).all()
    drawn = (rgba[..., 0] if gray else rgba[..., :3]) * 255
    Image.fromarray(drawn.astype(np.uint8)).save(held, format="png", optimize=True)
    return held.getvalue()


def contours(labels: Array, kind: Literal["fixed", "moved"]) -> Markup:
    """Outlines of the labels of a picture (rows, columns) as SVG paths; each knows its label."""
    paths = []
    values, index = np.unique(labels, return_inverse=True)
    for value, box in zip(values, find_objects(index.reshape(labels.shape) + 1), strict=True):
        if value == 0:
            continue
        top, left = box[0].start, box[1].start
        inside = np.pad(labels[box] == value, 1).astype(np.float32)
        lines = contourpy.contour_generator(z=inside, name="serial").lines(0.5)
        drawn = "".join(_path(np.asarray(line) + np.array([left - 0.5, top - 0.5]), closed=True) for line in lines)
        paths.append(f'<path class="contour {kind}" data-label="{int(value)}" d="{drawn}"/>')
    return Markup("".join(paths))


def warped_grid(u: Single, cut: Cut, affine: Float) -> Markup:
    """Lines of a regular grid of the fixed space, moved by the field and projected onto the plane, as SVG paths."""
    in_voxels = (cut(u) @ np.linalg.inv(affine[:3, :3]).T)[..., list(cut.axes)]
    rows, columns = in_voxels.shape[:2]
    x = np.arange(columns) + 0.5 + in_voxels[..., 0]
    y = (np.arange(rows) + 0.5)[:, None] - in_voxels[..., 1]
    both = np.stack([x, y], axis=-1)
    lines = [_path(both[at, ::2]) for at in range(0, rows, max(1, round(GRID_MM / cut.spacing[1])))]
    lines += [_path(both[::2, at]) for at in range(0, columns, max(1, round(GRID_MM / cut.spacing[0])))]
    return Markup(f'<path class="warped" d="{"".join(lines)}"/>')


def _path(line: Array, *, closed: bool = False) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line.tolist()) + ("Z" if closed else "")
