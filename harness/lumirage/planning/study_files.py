"""Finds and reads studies, by name or file, and the tracks that they name."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lumirage.core.errors import UsageError, nearest
from lumirage.core.field_errors import field_errors
from lumirage.core.layout import shipped
from lumirage.core.metrics import METRICS
from lumirage.core.records import read_yaml
from lumirage.core.study import Claim, Study, StudyTrack
from lumirage.core.track import Track
from lumirage.planning.track_files import load_track

ENDINGS = (".yaml", ".yml")


def shipped_studies() -> dict[str, Path]:
    """Name -> file of the studies shipped with the harness."""
    return {path.stem: path for path in sorted((shipped("specs") / "studies").glob("*.yaml"))}


def load_study(name: str) -> Study:
    """The study with a name (case-insensitive), or in a YAML file, with the paths of its tracks made absolute.

    Raises UsageError with file and field, or near names; also for a claim about a condition or metric that does not exist.
    """
    path = Path(name)
    if path.suffix not in ENDINGS and not path.is_file():
        known = shipped_studies()
        found = {key.lower(): value for key, value in known.items()}.get(name.lower())
        if found is None:
            raise UsageError(f"unknown study '{name}'{nearest(name, known)}; or give the path of a YAML file")
        path = found
    study = read_yaml(path, Study)
    tracks = {
        key: track.model_copy(update={"track": _beside(path, track.track)}) for key, track in study.tracks.items()
    }
    study = study.model_copy(update={"tracks": tracks})
    made = {key: _told(path, f"tracks.{key}", track) for key, track in tracks.items()}
    for claim in study.claims:
        _check_claim(path, claim, made)
    return study


def _beside(study: Path, track: str) -> str:
    """A track's file that a study names, relative to the study; the name of a shipped track as it is."""
    is_file = Path(track).suffix in ENDINGS
    return str((study.parent / track).resolve()) if is_file and not Path(track).is_absolute() else track


def _told(path: Path, where: str, wanted: StudyTrack) -> Track:
    try:
        return track_of(wanted)
    except UsageError as error:
        raise UsageError(f"{path}: {where}: {error}") from error


def track_of(wanted: StudyTrack) -> Track:
    """A track as a study wants it. Raises UsageError for a change of a field that does not exist or takes no such value."""
    track = load_track(wanted.track)
    if not wanted.change:
        return track
    try:
        return Track.model_validate(_merged(track.model_dump(), wanted.change))
    except ValidationError as error:
        raise UsageError("; ".join(f"change.{line}" for line in field_errors(error, Track))) from error


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Fields within fields are changed one by one; a table of axes is replaced, as an axis may have to go."""
    merged = dict(old)
    for key, value in new.items():
        inside = isinstance(value, dict) and isinstance(old.get(key), dict) and key != "axes"
        merged[key] = _merged(old[key], value) if inside else value
    return merged


def _check_claim(path: Path, claim: Claim, tracks: dict[str, Track]) -> None:
    if claim.metric not in METRICS:
        raise UsageError(
            f"{path}: claims.{claim.id}.metric: unknown metric '{claim.metric}'{nearest(claim.metric, METRICS)}"
        )
    if claim.preset not in METRICS[claim.metric].presets:
        presets = ", ".join(METRICS[claim.metric].presets)
        raise UsageError(f"{path}: claims.{claim.id}.preset: {claim.metric} is measured by {presets}")
    for place in claim.places:
        names = [cell.name for cell in tracks[place.track].cells()]
        if place.condition not in names:
            hint = nearest(place.condition, names)
            raise UsageError(
                f"{path}: claims.{claim.id}: track {place.track} has no condition '{place.condition}'{hint}"
            )
        if claim.preset not in tracks[place.track].presets:
            raise UsageError(f"{path}: claims.{claim.id}: track {place.track} is not scored by preset {claim.preset}")
