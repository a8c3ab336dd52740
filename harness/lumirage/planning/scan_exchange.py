"""Exchanges scans for a condition: the same people, paired by scans of another contrast or session. Pure."""

from collections.abc import Sequence

from lumirage.core.errors import DataError
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Condition, Select


def widened(select: Select, cells: Sequence[Condition]) -> Select:
    """A selection extended by the contrasts and sessions that conditions name."""
    suffixes, sessions = (
        (*own, *(cell.scans[axis] for cell in cells if axis in cell.scans)) if own else own
        for own, axis in ((select.suffixes, "contrast"), (select.sessions, "session"))
    )
    return select.model_copy(update={"suffixes": suffixes, "sessions": sessions})


def exchange(pairs: Sequence[Pair], cell: Condition, scans: Sequence[Scan]) -> tuple[Pair, ...]:
    """The pairs with the scans that a condition names; each replaces one original pair.

    Raises DataError if a person has no such scan, or several and none is named like the replaced one.
    """
    return tuple(
        Pair(fixed=_other(pair.fixed, cell, scans), moving=_other(pair.moving, cell, scans), stands_for=pair.id)
        for pair in pairs
    )


def _other(scan: Scan, cell: Condition, scans: Sequence[Scan]) -> Scan:
    suffix, session = cell.scans.get("contrast", scan.suffix), cell.scans.get("session", scan.session)
    found = [s for s in scans if (s.subject, s.suffix, s.session) == (scan.subject, suffix, session)]
    alike = [s for s in found if s.name == _renamed(scan, suffix, session)]
    if len(alike or found) == 1:
        return (alike or found)[0]
    wanted = f"a {suffix} scan of sub-{scan.subject}" + (f", session {session}" if session else "")
    said = f"has {len(found)} of them: {', '.join(s.name for s in found)}" if found else "has none"
    raise DataError(
        f"condition {cell.name} wants {wanted} in place of {scan.name}, and the dataset {said}; "
        "remove this level from the track's conditions.axes, leave the subject out, or follow the track's how_to_get"
    )


def _renamed(scan: Scan, suffix: str, session: str | None) -> str:
    """The name that the scan would have as another contrast and session."""
    name = scan.name.removesuffix(scan.suffix) + suffix
    return name.replace(f"_ses-{scan.session}_", f"_ses-{session}_") if session else name
