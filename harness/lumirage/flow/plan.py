"""The stage `plan`: what the user asked for -> the evaluation and the jobs that are still to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.screen import Screen
from lumirage.core.track import MethodUse, Track
from lumirage.flow.demo_dataset import NAME, demo_folder, demo_pairs, made_demo
from lumirage.flow.forecast.plan_notes import plan_notes
from lumirage.flow.forecast.plan_overview import PlanOverview, overview
from lumirage.flow.jittered_track import with_jitter_condition
from lumirage.flow.method_setup.at_hand import MethodsAtHand
from lumirage.flow.method_setup.install import MethodInstaller
from lumirage.flow.request import EvaluationRequest
from lumirage.planning.bids_filters import filtered
from lumirage.planning.bids_index import index_not_kept
from lumirage.planning.evaluation_plan import Plan, PlanInputs, make_plan, plan_of_pairs
from lumirage.planning.jobs import GpuUse
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.method_doses import track_doses
from lumirage.planning.track_files import load_track
from lumirage.running.executors.resource_slots import resources_here
from lumirage.running.runtimes.runtime_interface import Runtime
from lumirage.scoring.presets import preset_named


class Methods(Protocol):
    """Where methods come from: the `MethodInstaller`, which gets what is missing, or `MethodsAtHand`, which only looks."""

    @property
    def runtime(self) -> Runtime:
        """What starts them."""

    def find(self, word: str) -> MethodSource:
        """A method by name, folder or image."""

    def use(self, source: MethodSource) -> MethodUse:
        """Its image."""


def plan_evaluation(request: EvaluationRequest, methods: MethodInstaller, screen: Screen) -> Plan:
    """Words -> plan. Nothing is written but the phantom, when no dataset is named, and the index of the dataset."""
    inputs = _inputs(request, request.bids or made_demo(screen), methods, screen)
    plan = make_plan(inputs, methods.together(inputs.methods), read_images=True)
    for note in plan_notes(plan):
        screen.say(note)
    return plan


def plan_ahead(request: EvaluationRequest, installer: MethodInstaller, screen: Screen) -> PlanOverview:
    """What the evaluation amounts to. Nothing at all is built, fetched, made or written."""
    methods = MethodsAtHand(installer)
    inputs = _inputs(request, request.bids or demo_folder(), methods, screen)
    if request.bids is None and not demo_folder().is_dir():
        screen.say(f"no BIDS_DIR was given: a phantom will be made in {demo_folder()}, once")
        plan = plan_of_pairs(inputs, methods.use, NAME, demo_pairs(inputs.track))
        return overview(plan, methods.found)
    if request.bids is None:
        screen.say(f"no BIDS_DIR was given: the phantom in {demo_folder()} is taken")
    with index_not_kept():
        return overview(make_plan(inputs, methods.use), methods.found)


def _inputs(request: EvaluationRequest, bids: Path, methods: Methods, screen: Screen) -> PlanInputs:
    track = _track(request)
    out = request.out or Path(f"lumirage-{bids.resolve().name}-{track.name}")
    track = with_jitter_condition(track, Layout(out)) if request.jitter else track
    for name in track.presets:
        preset_named(name)  # a name that is none is told now, not when everything has run
    sources = _sources(request, track, methods, screen)
    inputs = PlanInputs(
        bids=bids,
        out=out,
        track=track,
        methods=sources,
        runtime=methods.runtime.name,
        derivatives=request.derivatives,
        pairs=request.pairs,
        participants=request.participants,
        sessions=request.sessions,
        limit=request.limit,
        batch=request.batch,
        repeats=request.repeats,
        seed=request.seed,
        gpu_use=gpu_use(request, sources, methods.runtime, screen),
    )
    if request.out is None:
        screen.say(f"output: {inputs.out}")
    return inputs


def _sources(request: EvaluationRequest, track: Track, methods: Methods, screen: Screen) -> tuple[MethodSource, ...]:
    """The methods that were named, and the doses of them that the track asks for. Raises UsageError."""
    found = methods_named(request.methods, methods)
    wanted = track.conditions.parameter
    if strangers := [name for name in wanted if name.lower() not in {known.lower() for known in found}]:
        screen.say(f"the track varies parameters of {', '.join(strangers)}, which are not among the methods")
    named = list(found.values())
    for card, values in track_doses([source.card for source in named], wanted):
        dose = found[card.name].with_dose(values)
        found.setdefault(dose.card.name, dose)
    return tuple(found.values())


def methods_named(words: Sequence[str], methods: Methods) -> dict[str, MethodSource]:
    """The methods of these words by their names. Raises UsageError if two different ones have the same name."""
    found: dict[str, MethodSource] = {}
    first: dict[str, str] = {}
    for word in words:
        source = methods.find(word)
        name = source.card.name
        first.setdefault(name, word)
        known = found.setdefault(name, source)
        if (known.card, known.folder and known.folder.resolve()) != (
            source.card,
            source.folder and source.folder.resolve(),
        ):
            raise UsageError(
                f"'{first[name]}' and '{word}' are two methods with the name {name}, and tables would mix them; give one of "
                "them another name in its method.yaml"
            )
    return found


def gpu_use(request: EvaluationRequest, methods: Sequence[MethodSource], runtime: Runtime, screen: Screen) -> GpuUse:
    """Which methods get a GPU, by --device and the GPUs of this machine. For a cluster only --device counts.

    Raises UsageError if --device contradicts the cards, UnavailableError if a GPU is required and there is none.
    """
    able = [source.card.name for source in methods if source.card.device != "cpu"]
    needing = [source.card.name for source in methods if source.card.device == "gpu"]
    here = request.executor == "here"
    if request.device == "cpu":
        if needing:
            raise UsageError(f"--device cpu: {', '.join(needing)} cannot work without a GPU, as the card says")
        return "none"
    if request.device == "gpu":
        if not able:
            raise UsageError("--device gpu: none of these methods can use a GPU, as their cards say")
        if here and not resources_here(request.gpus).gpus:
            raise UnavailableError(
                "--device gpu: this machine has no GPU that NVIDIA's driver knows; leave --device out"
            )
        return "able"
    if not here or able == needing or not resources_here(request.gpus).gpus:
        return "needed"
    if why := runtime.gpu_refusal():
        screen.say(f"a GPU is here, and methods run on the CPU all the same: {why}")
        return "needed"
    return "able"


def _track(request: EvaluationRequest) -> Track:
    named = request.track or ("t1w" if request.bids else "phantom")
    track = named if isinstance(named, Track) else load_track(named)
    track = filtered(track, request.bids_filter) if request.bids_filter else track
    if request.labels:
        track = track.model_copy(update={"labels": track.labels.model_copy(update={"sources": request.labels})})
    return track.model_copy(update={"limits": track.limits.model_copy(update=dict(request.limits))})
