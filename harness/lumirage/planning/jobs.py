"""Track x Methods x Pairs -> Jobs. Pure."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lumirage.core.layout import digest
from lumirage.core.model import Job, Limits, Method, Pair
from lumirage.core.track import Condition, MethodUse

GpuUse = Literal["none", "needed", "able"]
"""Which methods get a GPU if the track does not ask for one: none, those that need one, or all that can use one."""


@dataclass(frozen=True)
class JobSettings:
    """The settings that all jobs of one plan share."""

    limits: Limits
    batch: int = 1
    repeats: int = 1
    seed: int = 0
    gpu_use: GpuUse = "needed"


Done = Callable[[str, Pair, Condition, int], bool]
"""Whether the run of (method name, pair, condition, repeat) is complete already."""


def make_jobs(
    methods: Sequence[MethodUse],
    conditions: Sequence[Condition],
    pairs: Sequence[Pair],
    settings: JobSettings,
    done: Done,
) -> tuple[Job, ...]:
    """The container starts that remain. Methods take turns, so that all advance at the same pace."""
    queues = [list(_of_method(use, conditions, pairs, settings, done)) for use in methods]
    rounds = itertools.zip_longest(*queues)
    return tuple(job for turn in rounds for job in turn if job is not None)


def limits_of(card: Method, limits: Limits, gpu_use: GpuUse = "needed") -> Limits:
    """The track's limits, with a GPU if the method is to have one."""
    if gpu_use == "none":
        return limits.model_copy(update={"gpus": 0})
    wants = card.device == "gpu" or (card.device == "either" and gpu_use == "able")
    return limits.model_copy(update={"gpus": 1}) if wants and not limits.gpus else limits


def seed_of(seed: int, repeat: int) -> int:
    """The seed for the methods: different in each repeat, so that a method's random choices vary too."""
    return seed + repeat


def _of_method(
    use: MethodUse, conditions: Sequence[Condition], pairs: Sequence[Pair], settings: JobSettings, done: Done
) -> Iterator[Job]:
    for condition, repeat in itertools.product(conditions, range(settings.repeats)):
        left = [p.id for p in pairs if not done(use.card.name, p, condition, repeat)]
        for start in range(0, len(left), settings.batch):
            # not in the order of the plan, which shows which scans belong together; the same for all methods
            batch = tuple(
                sorted(left[start : start + settings.batch], key=lambda pair: digest(str(settings.seed), pair))
            )
            yield Job(
                id=f"{use.card.name}-{digest(use.digest, condition.name, str(repeat), str(settings.seed), *batch)}",
                method=use.card,
                image=use.image,
                condition=condition.name,
                repeat=repeat,
                pairs=batch,
                limits=limits_of(use.card, settings.limits, settings.gpu_use),
                seed=seed_of(settings.seed, repeat),
            )
