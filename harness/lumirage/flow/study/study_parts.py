"""What of a study can be carried out here: its tracks as requests, and why the rest is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lumirage.core.errors import DataError, LumirageError, UnavailableError, UsageError
from lumirage.core.screen import Screen, Silent
from lumirage.core.study import StudyTrack
from lumirage.flow.forecast.plan_overview import PlanOverview
from lumirage.flow.method_setup.install import MethodInstaller
from lumirage.flow.plan import plan_ahead
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.study.study_datasets import lacking, made_dataset
from lumirage.flow.study.study_request import StudyRequest
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.study_files import track_of


@dataclass(frozen=True)
class StudyParts:
    """The tracks that can be carried out, in the study's order, and what is left out."""

    tracks: Mapping[str, EvaluationRequest]
    plans: Mapping[str, PlanOverview]
    named: Mapping[str, str]
    """Method as the study names it -> name of its card."""
    left_out: dict[str, str]
    """'dataset x', 'method y' or 'track z' -> why."""
    errors: dict[str, LumirageError] = field(default_factory=dict)
    """Track whose data are there -> what was wrong with it; an exit code comes of them."""


def study_parts(
    request: StudyRequest, folders: Mapping[str, Path], installer: MethodInstaller, screen: Screen, *, makes: bool
) -> StudyParts:
    """What can be carried out. `makes`: datasets are made, methods installed; else only what is here is looked at."""
    study = request.study
    left_out = {f"dataset {name}": why for name in study.datasets if (why := lacking(study, name, folders))}
    sources = {word: installer.find(word) for word in request.methods or study.methods}
    left_out |= {f"method {m}": "not asked for (--method)" for m in study.methods if m not in sources}
    absent = {word: why for word, of in sources.items() if (why := _absent(installer, of, makes=makes))}
    left_out |= {f"method {word}": why for word, why in absent.items()}
    methods = [word for word in sources if word not in absent]
    parts = StudyParts({}, {}, {word: of.card.name for word, of in sources.items()}, left_out)
    tracks: dict[str, EvaluationRequest] = {}
    plans: dict[str, PlanOverview] = {}
    for done, (name, track) in enumerate(study.tracks.items(), start=1):
        screen.progress("look at tracks", done, len(study.tracks))
        mine = tuple(word for word in methods if not track.methods or word in track.methods)
        if f"dataset {track.dataset}" in left_out:
            left_out[f"track {name}"] = f"dataset {track.dataset} is not there"
        elif not mine:
            left_out[f"track {name}"] = "none of its methods is there"
        elif not makes and not (folders.get(track.dataset) or request.layout.dataset(track.dataset)).is_dir():
            left_out[f"track {name}"] = f"dataset {track.dataset} is made first: its plan is not known before"
        else:
            try:
                folder = made_dataset(request, track.dataset, folders, screen)
                tracks[name] = _track_request(request, name, track, folder, mine)
                plans[name] = plan_ahead(tracks[name], installer, Silent())
            except (DataError, UsageError) as error:
                tracks.pop(name, None)
                left_out[f"track {name}"] = request.layout.movable(str(error))
                parts.errors[name] = error
    return replace(parts, tracks=tracks, plans=plans)


def _track_request(
    request: StudyRequest, name: str, track: StudyTrack, folder: Path, methods: tuple[str, ...]
) -> EvaluationRequest:
    inside = {source: folder / path for source, path in track.derivatives.items()}
    script = request.options.write_sbatch
    return replace(
        request.options,
        methods=methods,
        bids=folder,
        out=request.layout.track(name).root,
        track=track_of(track),
        derivatives={**inside, **request.derivatives.get(track.dataset, {})},
        limit=track.limit,
        repeats=track.repeats,
        write_sbatch=script and script.with_name(f"{script.stem}-{name}{script.suffix}"),
    )


def _absent(installer: MethodInstaller, source: MethodSource, *, makes: bool) -> str:
    """Why a method cannot start; empty if it can, or if nobody tried to get it yet."""
    if not makes:
        return _parts_missing(installer, source) if installer.offline else ""
    try:
        installer.use(source)
    except UnavailableError as error:
        return _parts_missing(installer, source) or " ".join(str(error).split())
    return ""


def _parts_missing(installer: MethodInstaller, source: MethodSource) -> str:
    missing = [part.what for part in installer.missing(source)]
    return f"missing: {'; '.join(missing)}" if missing else ""
