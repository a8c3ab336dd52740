"""Computes Jacobian metrics with torch, slab by slab in float64, for scoring on a GPU; the definitions are those of
`jacobian`."""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from lumirage.scoring.determinant_statistics import Spread
from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.regularity import Folding, Regularity
from lumirage.scoring.torch_warp import SLAB, positions

CORNERS = 8


def regularity_torch(field: Field, bits: NDArray[np.uint8], masks: int, device: torch.device) -> Regularity:
    """Like `lumirage.scoring.regularity.regularity`, for finite fields of at least three voxels along each axis."""
    nx = field.shape[1]
    sums = torch.zeros((masks, 4), dtype=torch.float64, device=device)
    central, inside, corners = [], [], 0
    for start in range(1, nx - 1, SLAB):
        stop = min(start + SLAB, nx - 1)
        dets = determinants(positions(field, start - 1, stop + 1, device))
        weight = torch.as_tensor(bits[start:stop, 1:-1, 1:-1].astype(np.int64), device=device)
        corners += int((dets[:CORNERS] <= 0).any(dim=0).sum())
        volume = (-0.5 * dets[:-1].clamp(max=0) / 6).sum(dim=0)
        measures = (volume, (dets[:-1] <= 0).sum(dim=0), dets[-1] <= 0, torch.ones_like(volume))
        for m in range(masks):
            chosen = (weight >> m) & 1
            sums[m] += torch.stack([(measure * chosen).sum().double() for measure in measures])
        central.append(dets[-1])
        inside.append((weight & 1).bool())
    foldings = tuple(Folding(v, t * 0.1, int(c), int(n)) for v, t, c, n in sums.tolist())
    det, mask = torch.cat(central), torch.cat(inside)
    positive = det[mask & (det > 0)]
    masked = float(positive.log().std(correction=0)) if positive.numel() else float("nan")
    return Regularity(foldings, _spread(det[1:-1, 1:-1, 1:-1]), float(det.min()), float(det.max()), corners, masked)


def determinants(at: torch.Tensor) -> torch.Tensor:
    """The eleven determinants of the inner voxels of mapped positions (3, X, Y, Z): corners, tetrahedra, the central
    one."""

    def moved(x: int, y: int, z: int) -> torch.Tensor:
        starts = [1 + step for step in (x, y, z)]
        spans = [slice(s, s + n - 2) for s, n in zip(starts, at.shape[1:], strict=True)]
        return at[:, spans[0], spans[1], spans[2]]

    here = moved(0, 0, 0)
    units = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    forward = [moved(*unit) - here for unit in units]
    backward = [here - moved(*(-step for step in unit)) for unit in units]
    both = list(zip(forward, backward, strict=True))
    found = [_det(both[0][i], both[1][j], both[2][k]) for i, j, k in itertools.product((0, 1), repeat=3)]
    found.append(_det(moved(-1, -1, 0) - here, moved(-1, 0, -1) - here, moved(0, -1, -1) - here))
    found.append(_det(moved(1, 1, 0) - here, moved(0, 1, 1) - here, moved(1, 0, 1) - here))
    found.append(_det(*((f + b) / 2 for f, b in both)))
    return torch.stack(found)


def _det(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    return a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])


def _spread(det: torch.Tensor) -> Spread:
    if not det.numel():
        nan = float("nan")
        return Spread(0, 0, nan, nan, nan, nan, nan, nan)
    logs = [(det + offset).clamp(1e-9, 1e9).log().std(correction=0) for offset in (0, 3)]
    extremes = float(det.min()), float(det.max())
    return Spread(
        det.numel(),
        int((det <= 0).sum()),
        *extremes,
        float(det.mean()),
        float(det.std(correction=0)),
        *map(float, logs),
    )
