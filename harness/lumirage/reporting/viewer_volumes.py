"""Makes volumes for the 3-D viewer: reduced, eight bits, as base64 in a script, because a local page may not fetch files.

The page sets `window.LUMIRAGE_PAGES[name of the page]` to them.
"""

import base64
import functools
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lumirage.core.space import Array, Float, Single, write_volume
from lumirage.reporting.pair_pictures import PairImages

MOST_VOXELS = 500_000
"""Most voxels in the viewer; larger volumes are reduced by a whole factor: 2 or 3 mm for a head."""


def embedded(
    pair_images: PairImages, moved: dict[str, Single], points: Mapping[str, list[list[object]]] = MappingProxyType({})
) -> str:
    """JSON: a list of name, NIfTI (gzip, base64) and landmarks (name, fixed and moved point), the fixed image first.

    `points` are the landmarks by name of the image. Safe inside a script element.
    """
    images = {"fixed": pair_images.fixed, "moving": pair_images.moving}
    images |= {f"moved by {method}": image for method, image in moved.items()}
    held = [
        {"name": name, "base64": _nifti(image, pair_images.affine), "landmarks": points.get(name, [])}
        for name, image in images.items()
    ]
    return json.dumps(held).replace("<", "\\u003c")


def reduced(image: Single, affine: Float) -> tuple[Single, Float]:
    """Means of blocks of voxels, and the matrix of the blocks. Voxels at the far ends that do not fill a block are left out."""
    factor = max(1, math.ceil((image.size / MOST_VOXELS) ** (1 / 3)))
    blocks = np.array(image.shape) // factor
    small = image[tuple(slice(0, n * factor) for n in blocks)]
    for axis in (2, 1, 0):  # the axis whose planes lie together first: a fifth of the time of a mean over all three
        small = functools.reduce(
            np.add, (small[(slice(None),) * axis + (slice(k, None, factor),)] for k in range(factor))
        )
    small = small / np.float32(factor**3)
    turned = affine.copy()
    turned[:3, :3] *= factor
    turned[:3, 3] += affine[:3, :3] @ np.full(3, (factor - 1) / 2)
    return small, turned


def _nifti(image: Array, affine: Float) -> str:
    small, turned = reduced(image, affine)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        write_volume(path, np.round(small * 255).astype(np.uint8), turned)
        return base64.b64encode(path.read_bytes()).decode()
