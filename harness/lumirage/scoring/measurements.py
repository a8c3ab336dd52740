"""Computes the measurements of one pair: each once, when first requested, and shared by all presets that need it."""

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lumirage.core.model import Grid
from lumirage.core.space import Single, make_grid, spacing_of
from lumirage.scoring.backends import Backend
from lumirage.scoring.displacement_planes import Field, component_planes, voxel_planes
from lumirage.scoring.known_truth import ErrorLengths, error_by_label, error_in, true_errors
from lumirage.scoring.label_maps import DenseLabels, LabelSet, values_in
from lumirage.scoring.label_warp import Overlap, as_one
from lumirage.scoring.native_label_warp import PlacedLabels, WorldMap, on_grid
from lumirage.scoring.onehot import SoftOverlap, soft_overlap
from lumirage.scoring.pair_constants import PairConstants
from lumirage.scoring.regularity import MaskedRegularity, Regularity
from lumirage.scoring.score_inputs import LabelMaps, ScoreInputs
from lumirage.scoring.similarity import Similarity, similarity
from lumirage.scoring.surface import SurfaceDistances, SurfaceOptions, surface_distances
from lumirage.scoring.surfels import Surfels

STRICT, MOVING_ABOVE_0, FIXED_ABOVE_0 = 0, 1, 2
"""Masks of the Jacobian metrics, by bit."""


class PairMeasures:
    """Measurements of the field and the images of one pair."""

    def __init__(
        self,
        inputs: ScoreInputs,
        backend: Backend,
        threads: int,
        constants: PairConstants | None = None,
        *,
        whole_field: bool = False,
    ) -> None:
        self.inputs = inputs
        self.constants = constants or PairConstants()
        self.backend = backend
        self.threads = threads
        self.whole_field = whole_field  # whether `regularity` is needed anyway

    @cached_property
    def field(self) -> Field:
        """The displacement in voxels of the working grid, (3, X, Y, Z)."""
        return voxel_planes(self.world.u, self.world.grid_affine, self.threads)

    @cached_property
    def grid(self) -> Grid:
        """The working grid."""
        x, y, z = self.inputs.displacement.u.shape[:3]
        return make_grid((x, y, z), self.inputs.displacement.affine)

    @cached_property
    def world(self) -> WorldMap:
        """The map from the fixed to the moving world."""
        displacement = self.inputs.displacement
        by_component = np.moveaxis(component_planes(displacement.u), 0, -1)  # as the kernels take it: copied once
        return WorldMap(by_component, displacement.affine, self.inputs.affine)

    def mask_on(self, grid: Grid) -> NDArray[np.bool_]:
        """The strict mask on a grid, nearest neighbour: the given one, else the native fixed image above 0, else all.

        Never from a prepared image: the mask must not depend on how a condition corrupts or scales it.
        """
        return self.constants.mask(self.inputs.mask or self.inputs.fixed_image, grid, self.threads)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The strict mask on the working grid."""
        return self.mask_on(self.grid)

    @cached_property
    def regularity(self) -> Regularity:
        """All Jacobian metrics inside the three masks."""
        images = self.inputs.prepared_moving, self.inputs.prepared_fixed
        bits = self.constants.bits((self.mask, *images), self.grid)
        return self.backend.regularity(self.field, bits, 3)

    @cached_property
    def strict_regularity(self) -> MaskedRegularity:
        """The Jacobian metrics inside the strict mask; only there is the field looked at, unless all of it is anyway."""
        if self.whole_field:
            return self.regularity.masked
        return self.backend.masked_regularity(self.field, self.constants.bits((self.mask,), self.grid))

    @cached_property
    def true_errors(self) -> tuple[Single, Grid] | None:
        """Distance of each native fixed voxel from its true position, if known, and the grid of these voxels."""
        truth = self.inputs.truth
        if truth is None:
            return None
        lengths = true_errors(self.world, truth, self.threads)
        x, y, z = lengths.shape
        return lengths, make_grid((x, y, z), truth.affine)

    @cached_property
    def truth(self) -> ErrorLengths | None:
        """That distance inside the native mask."""
        return None if self.true_errors is None else error_in(self.true_errors[0], self.mask_on(self.true_errors[1]))

    @cached_property
    def similarity(self) -> Similarity | None:
        """Similarity of the native images, if both are given."""
        fixed, moving = self.inputs.fixed_image, self.inputs.moving_image
        if fixed is None or moving is None:
            return None
        return similarity(fixed, moving, self.world, self.mask_on(fixed.grid), self.threads)


class LabelMeasures:
    """Measurements of one label source of a pair."""

    def __init__(self, pair: PairMeasures, maps: LabelMaps) -> None:
        self.pair = pair
        self.maps = maps

    @cached_property
    def labels(self) -> LabelSet:
        """The scored labels and the background."""
        maps = self.maps
        return LabelSet.of([0, *(maps.scored or values_in(maps.fixed.data) + values_in(maps.moving.data))])

    @cached_property
    def native(self) -> tuple[PlacedLabels, PlacedLabels]:
        """Both maps on their native grids."""
        fixed, moving = (
            PlacedLabels(self.pair.constants.labels(volume, self.labels, self.pair.threads), volume.affine)
            for volume in (self.maps.fixed, self.maps.moving)
        )
        return fixed, moving

    @cached_property
    def working(self) -> tuple[DenseLabels, DenseLabels]:
        """Both maps on the working grid: unchanged if they are on it, else nearest neighbour."""
        grid, affine, threads = self.pair.grid, self.pair.inputs.affine, self.pair.threads
        return (
            self.pair.constants.labels_on(self.maps.fixed, grid, self.labels, threads),
            on_grid(self.maps.moving, grid, self.labels, threads, affine),
        )

    @cached_property
    def strict(self) -> tuple[Overlap, SurfaceDistances]:
        """Overlap and surfaces in mm on the score grid."""
        fixed, moving = self.native
        known = None
        if self.pair.inputs.score_grid == "working":
            fixed = PlacedLabels(self.working[0], self.pair.inputs.displacement.affine)
        else:
            known = self.pair.constants.surfels(fixed.dense, self.pair.threads)
        overlap = self.pair.backend.warp_world(fixed, moving, self.pair.world)
        return overlap, self._surfaces(overlap, fixed.affine, known)

    def _surfaces(
        self, overlap: Overlap, affine: NDArray[np.float64], known: Surfels | None = None
    ) -> SurfaceDistances:
        x, y, z = (float(s) for s in spacing_of(affine))
        options = SurfaceOptions(spacing=(x, y, z), background=False)
        return surface_distances(overlap.fixed, overlap.warped, options, self.pair.threads, fixed_surfels=known)

    @cached_property
    def strict_groups(self) -> dict[str, tuple[Overlap, SurfaceDistances]]:
        """The same for each group of labels, merged into one."""
        groups = self.maps.groups
        members = {label for labels in groups.values() for label in labels}
        if members <= set(self.labels.values):
            overlap = self.strict[0]
        else:
            maps = replace(self.maps, scored=tuple(sorted(members)), groups={})
            overlap = LabelMeasures(self.pair, maps).strict[0]
        working = self.pair.inputs.score_grid == "working"
        affine = self.pair.inputs.displacement.affine if working else self.maps.fixed.affine
        joined = {name: as_one(overlap, labels) for name, labels in groups.items()}
        return {name: (one, self._surfaces(one, affine)) for name, one in joined.items()}

    @cached_property
    def official(self) -> tuple[Overlap, SurfaceDistances]:
        """Overlap and surfaces in voxels, as the challenges measure them."""
        overlap = self.pair.backend.warp_voxels(*self.working, self.pair.field)
        options = SurfaceOptions(official_ties=True, mean=False)
        return overlap, surface_distances(overlap.fixed, overlap.warped, options, self.pair.threads)

    @cached_property
    def truth(self) -> list[ErrorLengths] | None:
        """Distance of voxels from their true position in each label of the native fixed map, if known."""
        if self.pair.true_errors is None:
            return None
        lengths, grid = self.pair.true_errors
        return error_by_label(lengths, on_grid(self.maps.fixed, grid, self.labels, self.pair.threads))

    @cached_property
    def soft(self) -> SoftOverlap:
        """Dice of linearly interpolated labels."""
        return soft_overlap(*self.working, self.pair.field, self.pair.threads)
