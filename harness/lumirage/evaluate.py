"""The whole flow: plan, run, score, compare, report. Each stage reads what the stage before left on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lumirage.cluster import missing, submit_all, write_scripts
from lumirage.execution import execute
from lumirage.layout import Layout, cache_root
from lumirage.machine import Machine, choose_machine
from lumirage.planning.filters import filtered
from lumirage.planning.outputs import begin_tree, place_work
from lumirage.planning.plan import Plan, Request, make_plan
from lumirage.planning.tracks import load_track
from lumirage.planning.validation import check_names
from lumirage.running.executors.slurm import AT_ONCE, Site
from lumirage.running.lock import held
from lumirage.running.shared_lock import changing, held_in_part
from lumirage.screen import Screen
from lumirage.stages import Scorers, Summary, compare, report, score, score_pairs, summarize
from lumirage.standing import Queued, in_queue, unscored
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


def evaluate(order: Order, stages: Sequence[str], screen: Screen) -> Summary:
    """Carry out the stages that were asked for, in their order; what is complete already is not done again."""
    machine = choose_machine(order.runtime, screen)
    plan = plan_order(order, machine, screen)
    with held(plan.layout.lock):
        place_work(plan.layout, order.work)
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


def evaluate_participants(order: Order, screen: Screen) -> Summary:
    """Execute and score the pairs of some participants, beside others who do the same for theirs in the same OUT.

    Without participants it is the whole OUT, alone. The tables are made by the group level.
    """
    if order.bids and not order.skip_validation:
        check_names(order.bids)
    machine = choose_machine(order.runtime, screen)
    begun = order.out is not None and order.out.exists()
    # whatever is wrong with the order is said before OUT is made
    layout = Layout(order.out) if order.out and begun else plan_order(order, machine, screen).layout
    parts = [layout.part_lock(label.removeprefix("sub-")) for label in sorted(set(order.participants))]
    with held_in_part(layout.lock, parts) if parts else held(layout.lock):
        with changing(layout.change_lock):
            plan = plan_order(order, machine, screen)  # again: another participant may have begun the tree meanwhile
            place_work(layout, order.work)
            begin_tree(layout, plan.evaluation)
        execute(plan, machine, order.jobs, order.gpus, screen)
        score_pairs(layout, [pair.id for pair in plan.pairs], Scorers(order.jobs), screen)
    return summarize(layout)


def submit(order: Order, screen: Screen) -> Summary | None:
    """Submit to Slurm what neither lies on disk nor waits in the queue; with everything there, make the tables here.

    Gives None while there is something to wait for. Raises UnavailableError where Slurm does not answer.
    """
    machine = choose_machine(order.runtime, screen)
    plan = plan_order(order, machine, screen)
    layout, site = plan.layout, Site.of_words(order.slurm, order.jobs if order.jobs > 1 else AT_ONCE)
    with held_in_part(layout.lock, []), changing(layout.change_lock):
        place_work(layout, order.work)
        begin_tree(layout, plan.evaluation)
        queued = Queued() if order.write_sbatch else in_queue(layout)
        wanted = missing(plan, unscored(layout, plan.evaluation), queued)
        runs = sum(len(job.pairs) for job in wanted.jobs)
        words = f"{plan.complete} runs are complete, {len(queued.runs)} are in the queue, {runs} are missing"
        screen.say(words)
        if order.write_sbatch:
            write_scripts(plan, wanted, site, machine.runtime.name, order.write_sbatch)
            screen.say(f"nothing was submitted; look at {order.write_sbatch} and the scripts it names, then run it")
            return None
        if wanted.jobs or wanted.pairs:
            numbers = submit_all(plan, wanted, site, machine.runtime.name)
            screen.say(f"submitted: {', '.join(f'{name} {number}' for name, number in numbers.items())}")
        if wanted.jobs or wanted.pairs or queued.busy:
            screen.say(
                f"look with 'lumirage-harness status {layout.root}'; type this command again when all have ended"
            )
            return None
    return finish(layout, screen)


def finish(layout: Layout, screen: Screen) -> Summary:
    """The tables and the report of what is complete."""
    with held(layout.lock):
        score(layout, (), Scorers(), screen)
        compare(layout, screen)
        report(layout, screen)
    return summarize(layout)


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
    return make_plan(request, machine.use)


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

    make_phantom(folder, PhantomSpec(subjects=4, spacing_mm=2.0, contrasts=("T1w", "T2w"), seed=0))
    return folder
