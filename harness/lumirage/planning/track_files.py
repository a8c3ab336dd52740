"""Finds and reads tracks, by name or file."""

from pathlib import Path

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import shipped
from lumirage.core.records import read_yaml
from lumirage.core.track import IN_DATASET, Track


def shipped_tracks() -> dict[str, Path]:
    """Name -> file of the tracks shipped with the harness."""
    return {path.stem: path for path in sorted((shipped("specs") / "tracks").glob("*.yaml"))}


def is_track(word: str) -> bool:
    """Whether a word is a YAML file or the name of a shipped track (case-insensitive)."""
    path = Path(word)
    return path.suffix in (".yaml", ".yml") or path.is_file() or word.lower() in {n.lower() for n in shipped_tracks()}


def load_track(name: str) -> Track:
    """The track with a name (case-insensitive), or in a YAML file. Raises UsageError with file and field, or near names."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        track = read_yaml(path, Track)
    else:
        known = shipped_tracks()
        found = {key.lower(): value for key, value in known.items()}.get(name.lower())
        if found is None:
            raise UsageError(f"unknown track '{name}'{nearest(name, known)}; or give the path of a YAML file")
        path, track = found, read_yaml(found, Track)
    pairing = track.pairing.model_copy(update={"file": _beside(path, track.pairing.file)})
    labels = track.labels.model_copy(update={"mapping": _beside(path, track.labels.mapping)})
    return track.model_copy(update={"pairing": pairing, "labels": labels})


def _beside(track: Path, file: Path | None) -> Path | None:
    """A file that a track names, relative to the track."""
    if file is None or file.is_absolute() or str(file).startswith(IN_DATASET):
        return file
    return (track.parent / file).resolve()
