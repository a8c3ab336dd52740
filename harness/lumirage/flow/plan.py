"""The stage `plan`: what the user asked for -> the evaluation and the jobs that are still to do."""

from pathlib import Path

from lumirage.core.layout import cache_root
from lumirage.core.screen import Screen
from lumirage.core.track import Track
from lumirage.flow.install import MethodInstaller
from lumirage.flow.request import EvaluationRequest
from lumirage.planning.bids_filters import filtered
from lumirage.planning.evaluation_plan import Plan, PlanInputs, make_plan
from lumirage.planning.track_files import load_track
from lumirage.planning.working_grid import unmet_needs


def plan_evaluation(request: EvaluationRequest, installer: MethodInstaller, screen: Screen) -> Plan:
    """Words -> plan. Nothing is written but the phantom, when no dataset is named."""
    bids = request.bids or _phantom(screen)
    track = _track(request)
    inputs = PlanInputs(
        bids=bids,
        out=request.out or Path(f"lumirage-{bids.resolve().name}-{track.name}"),
        track=track,
        methods=tuple(installer.find(word) for word in request.methods),
        runtime=installer.runtime.name,
        derivatives=request.derivatives,
        pairs=request.pairs,
        participants=request.participants,
        sessions=request.sessions,
        limit=request.limit,
        batch=request.batch,
        repeats=request.repeats,
        seed=request.seed,
    )
    if request.out is None:
        screen.say(f"output: {inputs.out}")
    plan = make_plan(inputs, installer.use)
    for source in inputs.methods:
        if names := unmet_needs(source.card.needs, plan.conditions):
            wanted = source.card.needs.model_dump(exclude_defaults=True)
            screen.say(f"{source.card.name} needs a working grid of {wanted}; it may fail under {', '.join(names)}")
    return plan


def _track(request: EvaluationRequest) -> Track:
    track = load_track(request.track or ("t1w" if request.bids else "phantom"))
    track = filtered(track, request.bids_filter) if request.bids_filter else track
    return track.model_copy(update={"limits": track.limits.model_copy(update=dict(request.limits))})


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
