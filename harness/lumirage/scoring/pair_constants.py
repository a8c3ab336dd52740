"""What all answers to one pair have in common: masks, native labels, surfaces of the fixed labels. Each is made once a pair."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lumirage.core.model import Grid
from lumirage.core.space import Volume, same_grid
from lumirage.scoring.label_maps import DenseLabels, LabelSet, relabel
from lumirage.scoring.native_label_warp import on_grid
from lumirage.scoring.regularity import mask_bits
from lumirage.scoring.surfels import Surfels, surfels

T = TypeVar("T")


class PairConstants:
    """Made on demand and kept. For answers to one pair under one condition only, and for images that are the same objects
    each time: others would be kept once for each answer."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._sources: list[Any] = []

    def _once(self, key: Hashable, of: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives, the first time; it is a function of the images `of`, which are told apart by identity."""
        whole = (key, *map(id, of))
        if whole not in self._made:
            self._sources += of  # kept, so that no other image gets their identity
            self._made[whole] = make()
        made: T = self._made[whole]
        return made

    def labels(self, volume: Volume, labels: LabelSet, threads: int) -> DenseLabels:
        """A label map as dense ids, on its own grid."""
        return self._once(labels, (volume,), lambda: relabel(volume.data, labels, threads))

    def labels_on(self, volume: Volume, grid: Grid, labels: LabelSet, threads: int) -> DenseLabels:
        """A label map as dense ids on another grid in its own world."""
        return self._once((labels, grid), (volume,), lambda: on_grid(volume, grid, labels, threads))

    def surfels(self, dense: DenseLabels, threads: int) -> Surfels:
        """All surfels of a label map."""
        return self._once("surfels", (dense,), lambda: surfels(dense, threads))

    def mask(self, given: Volume | None, grid: Grid, threads: int) -> NDArray[np.bool_]:
        """A mask, where a native image is above 0, on a grid, nearest neighbour; everywhere without an image."""
        if given is None:
            return np.ones(grid.shape, np.bool_)
        return self._once(grid, (given,), lambda: _mask_on(given, grid, threads))

    def bits(self, masks: tuple[NDArray[Any] | None, ...], grid: Grid) -> NDArray[np.uint8]:
        """Several masks on the working grid, as bits."""
        return self._once("bits", masks, lambda: mask_bits(list(masks), grid.shape))


def _mask_on(given: Volume, grid: Grid, threads: int) -> NDArray[np.bool_]:
    above = np.ascontiguousarray(given.data > 0)
    if same_grid(given.grid, grid):
        return above
    inside = on_grid(Volume(above.view(np.uint8), given.affine), grid, LabelSet((1,)), threads)
    return np.asarray(inside.ids[1:-1, 1:-1, 1:-1] == 0)
