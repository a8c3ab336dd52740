"""Volumes for the 3-D viewer: reduced, eight bits, as base64 in a script, because a page on disk may not fetch.

The page sets `window.LUMIRAGE_PAGES[name of the page]` to them.
"""

import base64
import json
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom

from lumirage.reporting.pictures import Scenery
from lumirage.space import Array, Float, Single, write_volume

MOST_VOXELS = 450_000
"""A volume in the viewer is reduced until it has no more: about 2.5 mm for a head."""


def embedded(scenery: Scenery, moved: dict[str, Single]) -> str:
    """JSON: a list of name and NIfTI (gzip, base64), the fixed image first; safe inside a script element."""
    affine = np.array(scenery.grid.affine)
    images: dict[str, Array] = {"fixed": scenery.fixed, "moving": scenery.moving}
    images |= {f"moved by {method}": image for method, image in moved.items()}
    held = [{"name": name, "base64": _nifti(image, affine)} for name, image in images.items()]
    return json.dumps(held).replace("<", "\\u003c")


def _nifti(image: Array, affine: Float) -> str:
    factor = min(1.0, (MOST_VOXELS / image.size) ** (1 / 3))
    small = zoom(image, factor, order=1, grid_mode=True, mode="nearest") if factor < 1 else image
    step = np.array(image.shape) / np.array(small.shape)
    turned = affine.copy()
    turned[:3, :3] = affine[:3, :3] * step
    turned[:3, 3] = affine[:3, 3] + affine[:3, :3] @ ((step - 1) / 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        write_volume(path, np.round(small * 255).astype(np.uint8), turned)
        return base64.b64encode(path.read_bytes()).decode()
