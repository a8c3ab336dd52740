"""Predicts the working grid of a pair before preparation: from the fixed image's header, and its voxels for a tight crop."""

from collections.abc import Sequence

import numpy as np

from lumirage.core.model import Grid, Scan
from lumirage.core.native_images import read_image, read_label_map, read_lattice
from lumirage.core.space import Volume
from lumirage.core.track import Condition, Prepare
from lumirage.planning.working_grid import working_grid


def grids_of(fixed: Scan, cells: Sequence[Condition], *, read: bool) -> dict[str, Grid]:
    """Condition -> the working grid of the pairs with this fixed image. Raises DataError for an unusable image.

    Shape and spacing are exact; the position of a grid of given shape is not, as it depends on the voxels. Conditions that
    crop to the foreground are left out unless the voxels may be `read`.
    """
    header = read_lattice(fixed.image)
    blank = Volume(np.broadcast_to(np.float32(0), header.shape), np.array(header.affine))
    cropped = read and any(cell.prepare.crop_mm is not None for cell in cells)
    whole = read_image(fixed.image) if cropped else blank
    return {
        cell.name: working_grid(_seen(whole, fixed, cell.prepare), cell.prepare)
        for cell in cells
        if cropped or cell.prepare.crop_mm is None
    }


def _seen(volume: Volume, fixed: Scan, prepare: Prepare) -> Volume:
    """The image that defines the crop: all of it, or the part inside the mask."""
    if prepare.crop_mm is None or prepare.skull == "as_is" or fixed.mask is None:
        return volume
    inside = read_label_map(fixed.mask).data > 0
    return Volume(np.where(inside, volume.data, np.float32(0)), volume.affine)
