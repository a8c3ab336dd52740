"""What the user typed -> Plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lumirage.layout import cache_root
from lumirage.machine import Machine
from lumirage.planning.filters import filtered
from lumirage.planning.plan import Plan, Request, make_plan
from lumirage.planning.tracks import load_track
from lumirage.planning.working_grid import unmet
from lumirage.screen import Screen
from lumirage.track import Track


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the user typed."""

    methods: tuple[str, ...]
    bids: Path | None = None
    out: Path | None = None
    track: str | None = None
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    bids_filter: Path | None = None
    skip_validation: bool = False
    work: Path | None = None
    pairs: tuple[str, ...] = ()
    limit: int | None = None
    runtime: str = "auto"
    jobs: int = 1
    batch: int = 1
    repeats: int = 1
    seed: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    executor: str = "here"
    slurm: tuple[str, ...] = ()
    write_sbatch: Path | None = None


def plan_order(order: Order, machine: Machine, screen: Screen) -> Plan:
    """Words -> plan. Nothing is written but the phantom, when no dataset is named."""
    bids = order.bids or _phantom(screen)
    track = _track(order)
    request = Request(
        bids=bids,
        out=order.out or Path(f"lumirage-{bids.resolve().name}-{track.name}"),
        track=track,
        methods=tuple(machine.source(word) for word in order.methods),
        runtime=machine.runtime.name,
        derivatives=order.derivatives,
        pairs=order.pairs,
        participants=order.participants,
        sessions=order.sessions,
        limit=order.limit,
        batch=order.batch,
        repeats=order.repeats,
        seed=order.seed,
    )
    if order.out is None:
        screen.say(f"output: {request.out}")
    plan = make_plan(request, machine.use)
    for source in request.methods:
        if names := unmet(source.card.needs, plan.conditions):
            wanted = source.card.needs.model_dump(exclude_defaults=True)
            screen.say(f"{source.card.name} needs a working grid of {wanted}; it may fail under {', '.join(names)}")
    return plan


def _track(order: Order) -> Track:
    track = load_track(order.track or ("t1w" if order.bids else "phantom"))
    track = filtered(track, order.bids_filter) if order.bids_filter else track
    return track.model_copy(update={"limits": track.limits.model_copy(update=dict(order.limits))})


def _phantom(screen: Screen) -> Path:
    """The dataset of the demo, made once in the cache."""
    folder = cache_root() / "phantom-4x2mm-seed0"
    if folder.is_dir():
        screen.say(f"no BIDS_DIR was given: the phantom in {folder} is taken")
        return folder
    screen.say(f"no BIDS_DIR was given: a phantom is made in {folder}, once")
    from lumirage.datasets.phantom import PhantomSpec, make_phantom

    make_phantom(folder, PhantomSpec(subjects=4, spacing_mm=2.0, contrasts=("T1w", "T2w"), seed=0), screen)
    return folder
