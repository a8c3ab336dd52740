"""Checks by name that the landmarks of pairs correspond; every file is read before anything runs."""

from collections.abc import Iterable

from lumirage.core.landmark_files import read_landmarks
from lumirage.core.model import Pair


def landmark_notes(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Notes on landmarks without a counterpart. Raises DataError for an unusable file, or one that has a name twice."""
    names = {}
    both = [pair for pair in pairs if pair.fixed.landmarks and pair.moving.landmarks]
    for scan in {scan.name: scan for pair in both for scan in (pair.fixed, pair.moving)}.values():
        if scan.landmarks:
            names[scan.name] = set(read_landmarks(scan.landmarks))
    shared = {pair.id: names[pair.fixed.name] & names[pair.moving.name] for pair in both}
    none = [pair.id for pair in both if not shared[pair.id]]
    few = [p for p in both if shared[p.id] and names[p.fixed.name] ^ names[p.moving.name]]
    notes = []
    if none:
        notes.append(f"landmarks: none has the same name in both images of {_some(none)}")
    if few:
        fixed = sum(len(names[p.fixed.name] - shared[p.id]) for p in few)
        moving = sum(len(names[p.moving.name] - shared[p.id]) for p in few)
        where = _some([p.id for p in few])
        notes.append(f"landmarks: {fixed} of fixed and {moving} of moving images have no counterpart, in {where}")
    return tuple(notes)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} pair{'s' if len(names) > 1 else ''} ({', '.join(names[:3])}{more})"
