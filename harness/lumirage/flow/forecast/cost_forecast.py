"""What the runs that are still to do are expected to use, from earlier runs of this machine, else from the card."""

import math
from collections.abc import Callable, Sequence
from statistics import median

from lumirage.core.model import Job, Record
from lumirage.core.track import MethodUse
from lumirage.flow.forecast.cost_history import Cost, costs_of
from lumirage.flow.forecast.grid_plan import GridSizes

NEAREST = 16
"""Earlier runs that count at most: those whose grids are most nearly as large."""
ALIKE = 1.5
"""Runs on grids that differ from the size that is asked for by this factor more than the nearest does not count: what a
network needs does not grow with the grid, so that scaling up its runs on small ones asks for several times too much."""


class MethodCosts(Record):
    """All runs of a method that are still to do; memory is that of one container. None: not known."""

    cpu_s: float | None = None
    wall_s: float | None = None
    peak_memory_bytes: int | None = None
    known_from: str = "not known"


def expected_costs(use: MethodUse, jobs: Sequence[Job], grids: GridSizes) -> MethodCosts:
    """Costs grow with the voxels of the working grid: those of earlier runs are scaled by them.

    Not those of a network that registers on the grid of its training, whatever the working grid.
    """
    mine = [job for job in jobs if job.method.name == use.card.name]
    sizes = [grids.voxels(pair, job.condition) for job in mine for pair in job.pairs]
    voxels = [n for n in sizes if n is not None]
    if not mine:
        return MethodCosts(cpu_s=0.0, wall_s=0.0, known_from="nothing is to be done")
    if len(voxels) < len(sizes):
        return MethodCosts()
    earlier = costs_of(use.card, mine[0].limits)
    if not earlier:
        return _of_card(use, voxels)
    near, of_grid = _nearest(earlier, median(voxels)), ""
    if _has_own_grid(use):
        near, voxels = [cost.model_copy(update={"voxels": 1}) for cost in earlier], [1] * len(voxels)
    else:
        of_grid = f" at {median(cost.voxels for cost in near) / 1e6:.1f} M voxels"
    memory = _per_voxel(near, lambda cost: cost.peak_memory_bytes, max)
    cpu_s, wall_s = _per_voxel(near, lambda cost: cost.cpu_s), _per_voxel(near, lambda cost: cost.wall_s)
    return MethodCosts(
        cpu_s=None if cpu_s is None else cpu_s * sum(voxels),
        wall_s=None if wall_s is None else wall_s * sum(voxels),
        peak_memory_bytes=None if memory is None else round(memory * max(voxels)),
        known_from=f"{len(near)} earlier run{'s' if len(near) > 1 else ''} here{of_grid}",
    )


def _has_own_grid(use: MethodUse) -> bool:
    """Whether it registers on the grid of its training."""
    return use.card.needs.shape is not None


def _nearest(earlier: Sequence[Cost], voxels: float) -> list[Cost]:
    def apart(cost: Cost) -> float:
        return abs(math.log(cost.voxels / voxels))

    closest = min(map(apart, earlier))
    return sorted((cost for cost in earlier if apart(cost) <= closest + math.log(ALIKE)), key=apart)[:NEAREST]


def _of_card(use: MethodUse, voxels: Sequence[int]) -> MethodCosts:
    """From the one run that the card reports, on another machine."""
    cost = use.card.typical_cost
    if not cost.get("voxels"):
        return MethodCosts()
    cpu_s, memory, size = cost.get("cpu_s"), cost.get("peak_memory_bytes"), cost["voxels"]
    if _has_own_grid(use):
        size, voxels = 1, [1] * len(voxels)
    return MethodCosts(
        cpu_s=None if cpu_s is None else cpu_s * sum(voxels) / size,
        peak_memory_bytes=None if memory is None else round(memory * max(voxels) / size),
        known_from=f"its card, a run at {cost['voxels'] / 1e6:.1f} M voxels on another machine",
    )


def _per_voxel(
    costs: Sequence[Cost],
    value: Callable[[Cost], float | None],
    of: Callable[[Sequence[float]], float] = median,
) -> float | None:
    known = [number / cost.voxels for cost in costs if (number := value(cost)) is not None]
    return of(known) if known else None
