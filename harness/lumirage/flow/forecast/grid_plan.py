"""The working grids of a plan: shapes, spacings and voxels by condition, before anything is prepared."""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np

from lumirage.core.model import Grid, Record, Shape, Triple
from lumirage.core.space import spacing_of
from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.grid_forecast import grids_of

CROPS_READ = 8
"""Fixed images whose voxels are read where the working grid is a crop to what they show."""


class GridPlan(Record):
    """The working grids of one condition for all its fixed scans; None: not known before the images are read.

    Shape and spacing are along the array axes of the working grid.
    """

    condition: str
    fixed_scans: int
    looked_at: int
    smallest_shape: Shape | None = None
    largest_shape: Shape | None = None
    smallest_spacing_mm: Triple | None = None
    largest_spacing_mm: Triple | None = None
    mean_voxels: int | None = None


class GridSizes:
    """Looks at each fixed image of a plan once."""

    def __init__(self, plan: Plan) -> None:
        self._fixed = {
            cell.name: {pair.id: plan.evaluation.under(pair, cell.name).fixed for pair in plan.pairs}
            for cell in plan.conditions
        }
        scans = {scan.name: scan for of in self._fixed.values() for scan in of.values() if scan.image.is_file()}
        self._grids = {
            name: grids_of(scan, plan.conditions, read=n < CROPS_READ) for n, (name, scan) in enumerate(scans.items())
        }
        self._plans = {cell.name: self._plan_of(cell.name) for cell in plan.conditions}

    @property
    def plans(self) -> tuple[GridPlan, ...]:
        """One for each condition."""
        return tuple(self._plans.values())

    def voxels(self, pair: str, condition: str) -> int | None:
        """Of the pair's working grid; of the mean one of the condition where its own is not known."""
        grid = self._grids.get(self._fixed[condition][pair].name, {}).get(condition)
        return int(np.prod(grid.shape)) if grid else self._plans[condition].mean_voxels

    def total(self, pairs: Iterable[tuple[str, str]]) -> int | None:
        """Voxels of these (pair, condition) together; none when one is not known."""
        every = [self.voxels(*key) for key in pairs]
        return None if any(n is None for n in every) else sum(cast(list[int], every))

    def _plan_of(self, condition: str) -> GridPlan:
        scans = {scan.name for scan in self._fixed[condition].values()}
        grids = [grid for name in sorted(scans) if (grid := self._grids.get(name, {}).get(condition))]
        if not grids:
            return GridPlan(condition=condition, fixed_scans=len(scans), looked_at=0)
        spacings = [tuple(round(float(v), 4) for v in spacing_of(np.array(grid.affine))) for grid in grids]
        return GridPlan(
            condition=condition,
            fixed_scans=len(scans),
            looked_at=len(grids),
            smallest_shape=min(grids, key=_voxels).shape,
            largest_shape=max(grids, key=_voxels).shape,
            smallest_spacing_mm=_triple(np.min(spacings, axis=0)),
            largest_spacing_mm=_triple(np.max(spacings, axis=0)),
            mean_voxels=round(float(np.mean([_voxels(grid) for grid in grids]))),
        )


def _voxels(grid: Grid) -> int:
    return int(np.prod(grid.shape))


def _triple(values: Sequence[float]) -> Triple:
    x, y, z = (float(v) for v in values)
    return x, y, z
