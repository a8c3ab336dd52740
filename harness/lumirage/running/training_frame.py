"""Resamples both images to the grid of a network's training, and its field back.

A card describes this grid in `needs`: axis codes, shape, spacing. Its axes are those of the working grid in another order
and direction, so there is no rotation: voxels are copied if the spacing is the same, else interpolated linearly along each
axis. Fields are in world millimetres, whose components do not depend on the order of the array axes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lumirage.core.foreground import foreground
from lumirage.core.model import Convention, Grid, GridNeeds, Prepared
from lumirage.core.space import (
    Array,
    Displacement,
    Float,
    axis_codes,
    make_grid,
    read_displacement,
    read_volume,
    spacing_of,
    write_displacement,
    write_volume,
)

OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))
SAME_SPACING = 1e-3
"""Spacings that differ by a smaller share than this are one, and voxels are copied."""
SAME_VOXEL = 1e-4
"""Positions that are this near to a voxel's centre, in voxels, are on it: matrices are in float32."""
CUT_WORTH_SAYING = 1e-3
"""Share of the fixed image's foreground outside the frame from which on the record says so."""


@dataclass(frozen=True)
class Framed:
    """One pair on the network's grid, and what a reader of its record should know of that."""

    prepared: Prepared
    truth: Path | None
    note: str


def as_seen(prepared: Prepared) -> Prepared:
    """A pair with its working grid where the files that methods are given say that it lies: about the middle of the fixed
    image, so that no answer depends on how far away in the world that image lies."""
    grid = Grid(shape=prepared.grid.shape, affine=prepared.shown or prepared.grid.affine)
    return prepared.model_copy(update={"grid": grid})


def framed(prepared: Prepared, truth: Path | None, needs: GridNeeds, folder: Path) -> Framed:
    """A pair on the grid that a network needs, written into `folder`; unchanged if it needs none, or is on it already.

    Raises DataError, OSError.
    """
    if needs.orientation is None:
        return Framed(prepared, truth, "")
    fixed, moving = read_volume(prepared.fixed), read_volume(prepared.moving)
    head = foreground(fixed.data)
    grid = frame_grid(needs, prepared.grid, head)
    if grid == prepared.grid:
        return Framed(prepared, truth, "")
    paths = {name: folder / f"{name}.nii" for name in ("fixed", "moving", "truth")}
    for name, volume in (("fixed", fixed), ("moving", moving)):
        data = on_grid(volume.data, volume.affine, grid, outside=float(volume.data.min()))
        write_volume(paths[name], data, np.array(grid.affine))
    if truth:
        write_displacement(paths["truth"], brought(read_displacement(truth, Convention(), prepared.grid), grid))
    there = prepared.model_copy(update={"fixed": paths["fixed"], "moving": paths["moving"], "grid": grid})
    return Framed(there, truth and paths["truth"], _cut_off(head, prepared.grid, grid))


def _cut_off(head: Array, working: Grid, grid: Grid) -> str:
    inside = on_grid(np.ones(grid.shape, np.uint8), np.array(grid.affine), working, outside=0.0)
    share = 1 - float((inside[head] > 0).mean())
    if share < CUT_WORTH_SAYING:
        return ""
    return f"{100 * share:.1f} % of the fixed image's foreground is outside the network's training frame"


def frame_grid(needs: GridNeeds, working: Grid, head: Array) -> Grid:
    """The network's grid in the world of a working grid: the same directions in another order.

    It is centred on the working grid if it covers that, else on the foreground `head` (X, Y, Z) of the fixed image, as far
    as it stays within the working grid.
    """
    affine = np.array(working.affine)
    codes, spacing = axis_codes(affine), spacing_of(affine)
    change = np.zeros((4, 4))
    change[3, 3] = 1.0
    shape = []
    for k, code in enumerate(needs.orientation or codes):
        axis = next(i for i, own in enumerate(codes) if code in {own, OPPOSITE[own]})
        step = _step(needs, spacing[axis])
        have = working.shape[axis]
        count = needs.shape[k] if needs.shape else _enlarged(have / step, needs.divisible_by)
        first = _first(have, (count - 1) * step, np.asarray(head.any(axis=tuple({0, 1, 2} - {axis}))))
        first = float(np.floor(first + 0.5)) if step == 1.0 else first
        flipped = code != codes[axis]
        change[axis, k] = -step if flipped else step
        change[axis, 3] = first + (count - 1) * step if flipped else first
        shape.append(count)
    return make_grid((shape[0], shape[1], shape[2]), affine @ change)


def _step(needs: GridNeeds, spacing_mm: float) -> float:
    """Voxels of the working grid from one voxel of the frame to the next."""
    step = needs.spacing_mm / spacing_mm if needs.spacing_mm else 1.0
    return 1.0 if abs(step - 1.0) < SAME_SPACING else step


def _enlarged(count: float, divisor: int) -> int:
    return int(-(-np.ceil(count - SAME_VOXEL) // divisor) * divisor)


def _first(have: int, length: float, profile: Array) -> float:
    """Where the frame's lowest voxel lies along an axis of `have` voxels; `length`: from its first to its last."""
    room = have - 1 - length
    if room <= 0 or not profile.any():
        return room / 2
    seen = np.flatnonzero(profile)
    return float(np.clip((seen[0] + seen[-1]) / 2 - length / 2, 0, room))


def brought(field: Displacement, grid: Grid) -> Displacement:
    """A field on another grid with the same axes, linear; beyond its own grid the values of its border go on."""
    return Displacement(on_grid(field.u, field.affine, grid), np.array(grid.affine))


def on_grid(data: Array, affine: Float, grid: Grid, outside: float | None = None) -> Array:
    """An image (X, Y, Z) or field (X, Y, Z, 3) on a grid with the same axes in any order and direction.

    `outside` is the value beyond its voxels; None: the value at its border.
    """
    between = np.linalg.inv(affine) @ np.array(grid.affine)  # from the grid's voxels to ours
    order = [int(np.abs(between[:3, k]).argmax()) for k in range(3)]
    found = data.transpose(*order, *range(3, data.ndim))
    for k, axis in enumerate(order):
        found = _along(found, k, between[axis, k] * np.arange(grid.shape[k]) + between[axis, 3], outside)
    return np.asfortranarray(found)


def _along(data: Array, axis: int, at: Float, outside: float | None) -> Array:
    """Data sampled at positions `at`, in voxels, along one axis."""
    at = np.where(np.abs(at - np.rint(at)) < SAME_VOXEL, np.rint(at), at)
    last = data.shape[axis] - 1
    held = np.clip(at, 0, last)
    low = np.floor(held).astype(int)
    found = np.take(data, low, axis)
    weight = (held - low).astype(np.float32)
    if weight.any():
        beside = [1] * data.ndim
        beside[axis] = -1
        found = found + weight.reshape(beside) * (np.take(data, np.minimum(low + 1, last), axis) - found)
    if outside is not None:
        cut = (at < -0.5) | (at > last + 0.5)
        found[(slice(None),) * axis + (cut,)] = outside
    return found
