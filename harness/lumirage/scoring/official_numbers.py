"""Computes the challenges' own numbers for one pair, including NaN and inf, as their evaluation code would print them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumirage.scoring.displacement_planes import Field, component_planes
from lumirage.scoring.label_maps import DenseLabels, LabelSet, relabel
from lumirage.scoring.label_warp import Overlap, warp_voxels
from lumirage.scoring.landmarks import Points, error_of_centroids, error_of_points, sample_cubic, sample_linear
from lumirage.scoring.overlap import dice
from lumirage.scoring.regularity import Folding, Regularity, mask_bits, masked_regularity, regularity
from lumirage.scoring.score_rows import nan_mean
from lumirage.scoring.submitted_field import components_last
from lumirage.scoring.surface import SurfaceOptions, surface_distances


@dataclass(frozen=True)
class Detailed:
    """A mean and its values, in the requested order. NaN: skipped; inf: the warp lost a label."""

    mean: float
    detailed: list[float]


def official_field(stored: NDArray[Any], shape: Sequence[int], name: str) -> Field:
    """A stored field in voxels, components first or last, as planes (3, X, Y, Z).

    Raises InvalidAnswerError in the challenge's own words if its shape is not `shape`.
    """
    return component_planes(components_last(stored, shape, name))


class OfficialLabels:
    """Dice and HD95 of label maps on the field's grid."""

    def __init__(
        self, maps: tuple[NDArray[Any], NDArray[Any]], field: Field, labels: Sequence[int], threads: int
    ) -> None:
        self.maps, self.field, self.threads = maps, field, threads
        self.set = LabelSet.of(labels)

    @cached_property
    def overlap(self) -> Overlap:
        """The joint histogram and the warped map."""
        fixed, moving = (relabel(m, self.set, self.threads) for m in self.maps)
        return warp_voxels(fixed, moving, self.field, self.threads)

    @cached_property
    def _surfaces(self) -> NDArray[np.float64]:
        options = SurfaceOptions(official_ties=True, mean=False)
        distances = surface_distances(self.overlap.fixed, self.overlap.warped, options, self.threads).hd95
        present = (self.overlap.fixed.counts > 0) & (self.overlap.moving_counts > 0)
        return np.where(present, distances, np.nan)

    def dice(self, labels: Sequence[int]) -> Detailed:
        """The mean over a list of labels, each of which must be in the set."""
        return self._listed(dice(self.overlap), labels)

    def hd95(self, labels: Sequence[int]) -> Detailed:
        """In voxels for any spacing."""
        return self._listed(self._surfaces, labels)

    def _listed(self, values: NDArray[np.float64], labels: Sequence[int]) -> Detailed:
        chosen = values[[self.set.values.index(int(label)) for label in labels]]
        return Detailed(nan_mean(chosen), chosen.tolist())


def official_regularity(field: Field, masks: list[NDArray[Any] | None], threads: int) -> Regularity:
    """All Jacobian metrics inside the masks (> 0); None means everywhere."""
    return regularity(field, mask_bits(masks, field.shape[1:]), len(masks), threads)


def official_folding(field: Field, mask: NDArray[Any], threads: int) -> Folding:
    """The folding inside one mask (> 0), where nothing else of the field is asked for."""
    return masked_regularity(field, mask_bits([mask], field.shape[1:]), threads).folding


def official_centroid_tre(fixed: NDArray[Any], moving: NDArray[Any], field: Field, threads: int) -> float:
    """LUMIR's TRE in voxels; the lowest value of the fixed map counts as background, and one lost landmark makes
    it NaN."""
    regions = [int(v) for v in np.unique(fixed)[1:]]
    labels = LabelSet.of([*regions, 0])
    maps: list[DenseLabels] = [relabel(m, labels, threads) for m in (fixed, moving)]
    errors = error_of_centroids(maps[0], maps[1], field, threads)[[labels.values.index(v) for v in regions]]
    return float(errors.mean()) if errors.size else float("nan")


def official_point_tre(
    field: Field, points: tuple[Points, Points], spacing: Points, *, linear: bool = False
) -> Detailed:
    """Learn2Reg's TRE of (fixed, moving) voxel points in mm; `linear` is not an official variant."""
    fixed, moving = (np.asarray(p, np.float64).reshape(-1, 3) for p in points)
    errors = error_of_points(fixed, moving, (sample_linear if linear else sample_cubic)(field, fixed), spacing)
    return Detailed(float(errors.mean()) if errors.size else float("nan"), errors.tolist())
