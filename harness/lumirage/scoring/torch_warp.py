"""Computes warp and overlap with torch, slab by slab, for scoring on a GPU. The ids equal those of the kernels,
including ties: coordinates are float64.

torch is an extra (`pip install 'lumirage-harness[torch]'`) and imported only with this module.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.label_warp import Overlap, overlap_of
from lumirage.scoring.native_label_warp import SNAP, PlacedLabels, WorldMap, upward_axes, voxel_matrices

SLAB = 16
"""Planes processed at once, which limits the memory: about 1 GB at 352 x 256 voxels for each plane."""


def warp_voxels_torch(fixed: DenseLabels, moving: DenseLabels, field: Field, device: torch.device) -> Overlap:
    """Like `lumirage.scoring.label_warp.warp_voxels`."""
    collector = _Collector(fixed, moving, device)
    for start in range(0, fixed.shape[0], SLAB):
        stop = min(start + SLAB, fixed.shape[0])
        at = positions(field, start, stop, device)
        inside = torch.ones(at.shape[1:], dtype=torch.bool, device=device)
        for axis, n in enumerate(moving.shape):
            inside &= (at[axis] >= 0) & (at[axis] <= n - 1)
        collector.add(start, [torch.where(inside, c + 0.5, 0.0).long() for c in at], inside)
    return collector.overlap()


def warp_world_torch(fixed: PlacedLabels, moving: PlacedLabels, world: WorldMap, device: torch.device) -> Overlap:
    """Like `lumirage.scoring.native_label_warp.warp_world`."""
    collector = _Collector(fixed.dense, moving.dense, device)
    u = torch.as_tensor(np.ascontiguousarray(world.u), device=device)
    to_grid, to_moving, step = voxel_matrices(world, fixed.affine, moving.affine)
    upward = upward_axes(moving.affine)
    shape = fixed.dense.shape
    for start in range(0, shape[0], SLAB):
        index = torch.stack(_indices((start, min(start + SLAB, shape[0])), shape, device))
        d = torch.tensordot(torch.as_tensor(step, device=device), _interpolate(u, _apply(to_grid, index)), dims=1)
        at = _apply(to_moving, index) + d
        nearest = [
            torch.floor(c + 0.5 + SNAP).long() if up else torch.ceil(c - 0.5 - SNAP).long()
            for c, up in zip(at, upward, strict=True)
        ]
        inside = torch.ones(at.shape[1:], dtype=torch.bool, device=device)
        for voxel, n in zip(nearest, moving.dense.shape, strict=True):
            inside &= (voxel >= 0) & (voxel < n)
        collector.add(start, [torch.where(inside, voxel, 0) for voxel in nearest], inside)
    return collector.overlap()


class _Collector:
    """Looks labels up slab by slab and keeps the joint histogram and the warped map."""

    def __init__(self, fixed: DenseLabels, moving: DenseLabels, device: torch.device) -> None:
        self.fixed, self.moving_counts, self.device = fixed, moving.counts, device
        self.source = torch.as_tensor(moving.ids[1:-1, 1:-1, 1:-1].astype(np.int32), device=device)
        self.size = fixed.labels.other + 1
        self.joint = torch.zeros(self.size**2, dtype=torch.int64, device=device)
        self.warped = fixed.labels.framed(fixed.shape)

    def add(self, start: int, index: list[torch.Tensor], inside: torch.Tensor) -> None:
        """Voxels of the moving map for the planes from `start` on; label 0 where not inside."""
        ids = torch.where(inside, self.source[index[0], index[1], index[2]], self.fixed.labels.background)
        planes = slice(start + 1, start + 1 + ids.shape[0])
        reference = torch.as_tensor(self.fixed.ids[planes, 1:-1, 1:-1].astype(np.int64), device=self.device)
        self.joint += torch.bincount((reference * self.size + ids).ravel(), minlength=self.size**2)
        self.warped[planes, 1:-1, 1:-1] = ids.cpu().numpy().astype(self.warped.dtype)

    def overlap(self) -> Overlap:
        """The collected results."""
        joint = self.joint.reshape(self.size, self.size).cpu().numpy()
        return overlap_of(self.fixed, self.warped, self.moving_counts, joint)


def positions(field: Field, start: int, stop: int, device: torch.device) -> torch.Tensor:
    """x + d(x) of planes start..stop, (3, planes, Y, Z), float64."""
    planes = torch.as_tensor(np.ascontiguousarray(field[:, start:stop]), device=device).double()
    shape = (field.shape[1], field.shape[2], field.shape[3])
    return torch.stack([d + i for d, i in zip(planes, _indices((start, stop), shape, device), strict=True)])


def _indices(planes: tuple[int, int], shape: tuple[int, int, int], device: torch.device) -> tuple[torch.Tensor, ...]:
    ranges = (planes, (0, shape[1]), (0, shape[2]))
    axes = [torch.arange(*r, device=device, dtype=torch.float64) for r in ranges]
    return torch.meshgrid(*axes, indexing="ij")


def _apply(matrix: NDArray[np.float64], points: torch.Tensor) -> torch.Tensor:
    """A (3, 4) matrix applied to (3, ...) points, summed in the kernels' order."""
    x, y, z = points
    return torch.stack([row[0] * x + row[1] * y + row[2] * z + row[3] for row in matrix.tolist()])


def _interpolate(u: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """u (X, Y, Z, 3) at (3, ...) voxel points, trilinear, edge value outside; (3, ...) float64."""
    low, high, part = [], [], []
    for axis, n in enumerate(u.shape[:3]):
        held = at[axis].clamp(0, n - 1)
        floor = held.long().clamp(max=max(n - 2, 0))
        low.append(floor)
        high.append((floor + 1).clamp(max=n - 1))
        part.append((held - floor)[..., None])

    def line(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (1 - part[2]) * u[x, y, low[2]].double() + part[2] * u[x, y, high[2]].double()

    def plane(x: torch.Tensor) -> torch.Tensor:
        return (1 - part[1]) * line(x, low[1]) + part[1] * line(x, high[1])

    return ((1 - part[0]) * plane(low[0]) + part[0] * plane(high[0])).movedim(-1, 0)
