"""Orders the sessions of a person: by the times in sessions.tsv, else by their labels."""

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lumirage.core.model import Scan

Order = dict[tuple[str, str], int]
"""(subject, session) -> its position in time among the sessions of that person, from 0."""


def session_order(scans: Sequence[Scan], root: Path | None = None) -> tuple[Order, tuple[str, ...]]:
    """The order of the sessions, and a note if labels decided because times are missing.

    Times are `acq_time` of sub-X/sub-X_sessions.tsv in the dataset `root`. They are used for a person if every session
    has one; labels are in natural order, 2 before 10.
    """
    sessions: dict[str, set[str]] = {}
    for scan in scans:
        if scan.session is not None:
            sessions.setdefault(scan.subject, set()).add(scan.session)
    order: Order = {}
    by_label: dict[str, list[str]] = {}
    for subject, names in sorted(sessions.items()):
        times = _times(root / f"sub-{subject}" / f"sub-{subject}_sessions.tsv") if root else {}
        ranked = sorted(names, key=natural)
        if names <= times.keys():
            ranked.sort(key=lambda name: times[name])
        elif len(names) > 1:
            by_label[subject] = ranked
        order |= {(subject, name): place for place, name in enumerate(ranked)}
    return order, _told(by_label)


def natural(label: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which 2 comes before 10, and numbers before words."""
    parts = re.split(r"(\d+)", label)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part)


def _told(by_label: dict[str, list[str]]) -> tuple[str, ...]:
    if not by_label:
        return ()
    subject, names = next(iter(by_label.items()))
    many = "1 person is" if len(by_label) == 1 else f"{len(by_label)} people are"
    how = (
        f"ordered by their labels (sub-{subject}: {', '.join(names)}), as sessions.tsv has no acq_time for all of them"
    )
    return (f"the sessions of {many} {how}",)


def _times(table: Path) -> dict[str, datetime]:
    """Session -> its time, of the rows that have one."""
    found = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                time = _time(row.get("acq_time") or "")
                if time is not None:
                    found[(row.get("session_id") or "").removeprefix("ses-")] = time
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return found


def _time(text: str) -> datetime | None:
    """BIDS times look like 2009-06-15T13:45:30; dates and time zones occur too. A time without a zone is used unchanged."""
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
