"""The BIDS filter file (as fMRIPrep and others read it) as part of a track's selection."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lumirage.errors import UsageError
from lumirage.track import Track


def filtered(track: Track, file: Path) -> Track:
    """The track with its selection narrowed by {"t1w": {"acquisition": "mprage", "session": ["1"]}, ...}.

    A query counts when the track selects its contrast: its suffix, else its name. Raises UsageError for a file that is
    none, for an entity with several values (but session), and for contrasts whose queries contradict each other.
    """
    entities: dict[str, str] = {}
    sessions: set[str] = set()
    for name, query in _read(file).items():
        suffixes = {suffix.lower() for suffix in track.select.suffixes}
        if suffixes and str(query.get("suffix", name)).lower() not in suffixes:
            continue
        for entity, value in query.items():
            if entity == "session":
                sessions |= {str(one).removeprefix("ses-") for one in (value if isinstance(value, list) else [value])}
            elif entity not in ("suffix", "datatype"):
                _add(entities, entity, value, file)
    if sessions and track.select.sessions:
        sessions &= set(track.select.sessions)
        if not sessions:
            raise UsageError(f"{file}: none of its sessions is one of the track's ({', '.join(track.select.sessions)})")
    changed = {"entities": track.select.entities | entities}
    if sessions:
        changed["sessions"] = tuple(sorted(sessions))  # type: ignore[assignment]  # fields of different types
    return track.model_copy(update={"select": track.select.model_copy(update=changed)})


def _add(entities: dict[str, str], entity: str, value: Any, file: Path) -> None:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise UsageError(f"{file}: {entity}: {json.dumps(value)}: one text is wanted")
    if entities.setdefault(entity, str(value)) != str(value):
        raise UsageError(f"{file}: {entity}: {entities[entity]} for one contrast and {value} for another; give one")


def _read(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: not a BIDS filter file ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(query, dict) for query in content.values()):
        raise UsageError(f'{file}: {{"t1w": {{"acquisition": "mprage"}}}} is the form that is wanted')
    return content
