"""Selects the backend of the heavy measurements: compiled CPU kernels, or torch on a GPU. The results agree."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.label_maps import DenseLabels
from lumirage.scoring.label_warp import Overlap, warp_voxels
from lumirage.scoring.native_label_warp import PlacedLabels, WorldMap, warp_world
from lumirage.scoring.regularity import MaskedRegularity, Regularity, masked_regularity, regularity


@dataclass(frozen=True)
class Backend:
    """One backend."""

    warp_voxels: Callable[[DenseLabels, DenseLabels, Field], Overlap]
    warp_world: Callable[[PlacedLabels, PlacedLabels, WorldMap], Overlap]
    regularity: Callable[[Field, NDArray[np.uint8], int], Regularity]
    masked_regularity: Callable[[Field, NDArray[np.uint8]], MaskedRegularity]


def backend_for(device: str, threads: int) -> Backend:
    """`cpu`: the kernels, on `threads` threads; `cuda`, `cuda:N`: torch on a GPU; `torch`: torch on the CPU, for
    comparison.

    Raises UsageError for other values, UnavailableError if torch or the GPU is missing.
    """
    if device == "cpu":
        return Backend(
            partial(warp_voxels, threads=threads),
            partial(warp_world, threads=threads),
            partial(regularity, threads=threads),
            partial(masked_regularity, threads=threads),
        )
    if device != "torch" and device.partition(":")[0] != "cuda":
        raise UsageError(f"no score device '{device}'; choose cpu, cuda or cuda:N")
    return _on_torch("cpu" if device == "torch" else device)


def _on_torch(device: str) -> Backend:
    try:
        import torch

        from lumirage.scoring.torch_regularity import regularity_torch
        from lumirage.scoring.torch_warp import warp_voxels_torch, warp_world_torch
    except ImportError as error:
        raise UnavailableError("scoring with torch needs the extra: pip install 'lumirage-harness[torch]'") from error
    if device != "cpu" and not torch.cuda.is_available():
        raise UnavailableError(f"score device '{device}': torch sees no GPU here; use cpu")
    place = torch.device(device)
    return Backend(
        partial(warp_voxels_torch, device=place),
        partial(warp_world_torch, device=place),
        partial(regularity_torch, device=place),
        lambda field, bits: regularity_torch(field, bits, 1, place).masked,
    )
