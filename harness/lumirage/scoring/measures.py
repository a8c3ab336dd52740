"""Measurements of one pair, each made once when first asked for and shared by all presets that want it."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lumirage.scoring.backends import Backend
from lumirage.scoring.fields import Field, voxel_planes
from lumirage.scoring.inputs import LabelMaps, ScoreInputs
from lumirage.scoring.labels import DenseLabels, LabelSet, relabel, values_in
from lumirage.scoring.onehot import SoftOverlap, soft_overlap
from lumirage.scoring.regularity import Regularity, mask_bits
from lumirage.scoring.similarity import Similarity, similarity
from lumirage.scoring.surface import SurfaceDistances, SurfaceOptions, surface_distances
from lumirage.scoring.truth import ErrorLengths, displacement_error, displacement_error_by_label
from lumirage.scoring.warp import Overlap
from lumirage.scoring.worldwarp import Placed, WorldMap, pull_labels
from lumirage.space import Volume, make_grid, same_grid, spacing_of

STRICT, MOVING_ABOVE_0, FIXED_ABOVE_0 = 0, 1, 2
"""Masks of the Jacobian metrics, by bit."""


class PairMeasures:
    """Of the field and the images of one pair."""

    def __init__(self, inputs: ScoreInputs, backend: Backend, threads: int) -> None:
        self.inputs = inputs
        self.backend = backend
        self.threads = threads

    @cached_property
    def field(self) -> Field:
        """The displacement in voxels of the working grid, (3, X, Y, Z)."""
        displacement = self.inputs.displacement
        return voxel_planes(displacement.u, displacement.affine, self.threads)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the working grid."""
        x, y, z = self.inputs.displacement.u.shape[:3]
        return x, y, z

    @property
    def world(self) -> WorldMap:
        """The map from the fixed to the moving world."""
        displacement = self.inputs.displacement
        return WorldMap(displacement.u, displacement.affine, self.inputs.affine)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The strict mask on the working grid: the given one, nearest neighbour, else the fixed image above 0, else
        all."""
        given, image = self.inputs.mask, self.inputs.fixed_image
        if given is not None:
            inside = on_working_grid(Volume(given.data > 0, given.affine), np.eye(4), self, LabelSet((1,)))
            return np.asarray(inside.ids[1:-1, 1:-1, 1:-1] == 0)
        return image > 0 if image is not None else np.ones(self.shape, np.bool_)

    @cached_property
    def regularity(self) -> Regularity:
        """All Jacobian metrics inside the three masks."""
        images = self.inputs.moving_image, self.inputs.fixed_image
        bits = mask_bits([self.mask, *images], self.shape)
        return self.backend.regularity(self.field, bits, 3)

    @cached_property
    def truth(self) -> ErrorLengths | None:
        """Distance from the true displacement, where it is known."""
        truth = self.inputs.truth
        return None if truth is None else displacement_error(self.inputs.displacement.u, truth, self.mask)

    @cached_property
    def similarity(self) -> Similarity | None:
        """Likeness of the prepared images, where both are given."""
        fixed, moving = self.inputs.fixed_image, self.inputs.moving_image
        if fixed is None or moving is None:
            return None
        return similarity(fixed, moving, self.field, self.mask, self.threads)


class LabelMeasures:
    """Of one label source of a pair."""

    def __init__(self, pair: PairMeasures, maps: LabelMaps) -> None:
        self.pair = pair
        self.maps = maps

    @cached_property
    def labels(self) -> LabelSet:
        """The scored labels and the background."""
        maps = self.maps
        return LabelSet.of([0, *(maps.scored or values_in(maps.fixed.data) + values_in(maps.moving.data))])

    @cached_property
    def native(self) -> tuple[Placed, Placed]:
        """Both maps where they are."""
        fixed, moving = self.maps.fixed, self.maps.moving
        return (
            Placed(relabel(fixed.data, self.labels, self.pair.threads), fixed.affine),
            Placed(relabel(moving.data, self.labels, self.pair.threads), moving.affine),
        )

    @cached_property
    def working(self) -> tuple[DenseLabels, DenseLabels]:
        """Both maps on the working grid: as they are where they lie there already, else nearest neighbour."""
        fixed, moving = self.maps.fixed, self.maps.moving
        return (
            on_working_grid(fixed, np.eye(4), self.pair, self.labels),
            on_working_grid(moving, self.pair.inputs.affine, self.pair, self.labels),
        )

    @cached_property
    def strict(self) -> tuple[Overlap, SurfaceDistances]:
        """Overlap and surfaces in mm on the score grid."""
        fixed, moving = self.native
        if self.pair.inputs.score_grid == "working":
            fixed = Placed(self.working[0], self.pair.inputs.displacement.affine)
        overlap = self.pair.backend.warp_world(fixed, moving, self.pair.world)
        x, y, z = (float(s) for s in spacing_of(fixed.affine))
        options = SurfaceOptions(spacing=(x, y, z))
        return overlap, surface_distances(overlap.fixed, overlap.warped, options, self.pair.threads)

    @cached_property
    def official(self) -> tuple[Overlap, SurfaceDistances]:
        """Overlap and surfaces in voxels, as the challenges measure them."""
        overlap = self.pair.backend.warp_voxels(*self.working, self.pair.field)
        options = SurfaceOptions(official_ties=True, mean=False)
        return overlap, surface_distances(overlap.fixed, overlap.warped, options, self.pair.threads)

    @cached_property
    def truth(self) -> list[ErrorLengths] | None:
        """Distance from the true displacement in each label of the fixed map, where the truth is known."""
        truth = self.pair.inputs.truth
        u = self.pair.inputs.displacement.u
        return None if truth is None else displacement_error_by_label(u, truth, self.working[0])

    @cached_property
    def soft(self) -> SoftOverlap:
        """Dice of linearly pulled labels."""
        return soft_overlap(*self.working, self.pair.field, self.pair.threads)


def on_working_grid(volume: Volume, affine: NDArray[np.float64], pair: PairMeasures, labels: LabelSet) -> DenseLabels:
    """A native map on the working grid, nearest neighbour; `affine` takes the fixed world to the map's."""
    dense = relabel(volume.data, labels, pair.threads)
    grid = make_grid(pair.shape, pair.inputs.displacement.affine)
    there = make_grid(dense.shape, np.linalg.inv(affine) @ volume.affine)
    if same_grid(there, grid):
        return dense
    world = WorldMap.without_displacement(affine)
    return pull_labels(Placed(dense, volume.affine), (pair.shape, np.array(grid.affine)), world, pair.threads)
