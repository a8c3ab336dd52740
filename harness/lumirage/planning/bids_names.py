"""Checks that the file names of a dataset are valid BIDS names, before a BIDS App starts."""

import os
from pathlib import Path

from pathspec import GitIgnoreSpec

from lumirage.core.errors import DataError

SHOWN = 5
_NOT_CHECKED = {"derivatives", "sourcedata", "code", "stimuli", ".git", ".datalad"}


def check_names(root: Path) -> None:
    """Raise DataError if file names are not valid in BIDS; the message lists the first of them and says how to go on.

    Files that match the dataset's .bidsignore (.gitignore syntax) are skipped.
    """
    from bids_validator import BIDSValidator

    known, ignored = BIDSValidator(), _ignored(root)
    odd: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NOT_CHECKED)
        names = (f"/{(Path(folder) / file).relative_to(root).as_posix()}" for file in sorted(files))
        odd += [
            name
            for name in names
            if not name.startswith("/.") and not known.is_bids(name) and not ignored.match_file(name[1:])
        ]
    if odd:
        more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        raise DataError(
            f"{root}: not valid BIDS names: {', '.join(odd[:SHOWN])}{more}; rename or remove them, name them in "
            ".bidsignore, or add --skip-bids-validation"
        )


def _ignored(root: Path) -> GitIgnoreSpec:
    file = root / ".bidsignore"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return GitIgnoreSpec.from_lines(lines)
