"""Applies a BIDS filter file (as for fMRIPrep and others) to a track's selection."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lumirage.core.errors import UsageError
from lumirage.core.track import Track

NOT_CHOSEN_BY = ("suffix", "datatype", "extension")
"""Keys that only name the contrast of a query, or change nothing: scans are always NIfTI images."""

Value = str | tuple[str, ...] | None


def filtered(track: Track, file: Path) -> Track:
    """The track with its selection narrowed by {"t1w": {"acquisition": "mprage", "session": ["1"]}, ...}.

    A query counts if the track selects its contrast (its suffix, else its name). A list means any of its values; null
    means that the name lacks the entity. Raises UsageError for a file that is not a filter file, for a value of another
    type, and for contrasts whose queries contradict each other.
    """
    entities: dict[str, Value] = {}
    sessions: set[str] = set()
    for name, query in _read(file).items():
        suffixes = {suffix.lower() for suffix in track.select.suffixes}
        if suffixes and str(query.get("suffix", name)).lower() not in suffixes:
            continue
        for entity, value in query.items():
            wanted = _value(value, f"{file}: {entity}")
            if entity == "session" and wanted is not None:
                ones = (wanted,) if isinstance(wanted, str) else wanted
                sessions |= {one.removeprefix("ses-") for one in ones}
            elif entity not in NOT_CHOSEN_BY and entities.setdefault(entity, wanted) != wanted:
                raise UsageError(
                    f"{file}: {entity}: {json.dumps(entities[entity])} for one contrast and {json.dumps(wanted)} for "
                    "another; use one value for all contrasts"
                )
    if sessions and track.select.sessions:
        sessions &= set(track.select.sessions)
        if not sessions:
            raise UsageError(f"{file}: none of its sessions is one of the track's ({', '.join(track.select.sessions)})")
    changed: dict[str, Any] = {"entities": track.select.entities | entities}
    if sessions:
        changed["sessions"] = tuple(sorted(sessions))
    return track.model_copy(update={"select": track.select.model_copy(update=changed)})


def _value(value: Any, where: str) -> Value:
    """A value of a query, numbers as the text they are in a file's name."""
    if isinstance(value, list) and value and all(_is_text(one) for one in value):
        return tuple(str(one) for one in value)
    if value is None or _is_text(value):
        return None if value is None else str(value)
    raise UsageError(f"{where}: {json.dumps(value)}: expected a string, a list of strings or null")


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _read(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: not a BIDS filter file ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(query, dict) for query in content.values()):
        raise UsageError(f'{file}: expected the form {{"t1w": {{"acquisition": "mprage"}}}}')
    return content
