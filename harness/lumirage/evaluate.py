"""The whole flow: plan, run, score, compare, report. Each stage reads what the stage before left on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lumirage.execution import execute
from lumirage.layout import cache_root
from lumirage.machine import Machine, choose_machine
from lumirage.planning.outputs import begin_tree
from lumirage.planning.plan import Plan, Request, make_plan
from lumirage.planning.tracks import load_track
from lumirage.running.lock import held
from lumirage.screen import Screen
from lumirage.stages import Scorers, Summary, compare, report, score, summarize
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
    pairs: tuple[str, ...] = ()
    limit: int | None = None
    runtime: str = "auto"
    jobs: int = 1
    batch: int = 1
    repeats: int = 1
    seed: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()


def evaluate(order: Order, stages: Sequence[str], screen: Screen) -> Summary:
    """Carry out the stages that were asked for, in their order; what is complete already is not done again."""
    machine = choose_machine(order.runtime, screen)
    plan = plan_order(order, machine, screen)
    with held(plan.layout.lock):
        begin_tree(plan.layout, plan.evaluation)
        if "run" in stages:
            execute(plan, machine, order.jobs, order.gpus, screen)
        if "score" in stages:
            score(plan.layout, plan.evaluation.track.presets, Scorers(order.jobs), screen)
        if "compare" in stages:
            compare(plan.layout, screen)
        if "report" in stages:
            report(plan.layout, screen)
    return summarize(plan.layout)


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
        limit=order.limit,
        batch=order.batch,
        repeats=order.repeats,
        seed=order.seed,
    )
    if order.out is None:
        screen.say(f"output: {request.out}")
    return make_plan(request, machine.use)


def _track(order: Order) -> Track:
    track = load_track(order.track or ("t1w" if order.bids else "phantom"))
    return track.model_copy(update={"limits": track.limits.model_copy(update=dict(order.limits))})


def _phantom(screen: Screen) -> Path:
    """The dataset of the demo, made once in the cache."""
    folder = cache_root() / "phantom-4x2mm-seed0"
    if folder.is_dir():
        screen.say(f"no BIDS_DIR was given: the phantom in {folder} is taken")
        return folder
    screen.say(f"no BIDS_DIR was given: a phantom is made in {folder}, once")
    from lumirage.datasets.phantom import PhantomSpec, make_phantom

    make_phantom(folder, PhantomSpec(subjects=4, spacing_mm=2.0, contrasts=("T1w", "T2w"), seed=0))
    return folder
