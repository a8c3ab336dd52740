"""A quick look whether a dataset's file names are BIDS, before a BIDS App starts on it."""

import os
from pathlib import Path

from lumirage.errors import DataError

SHOWN = 5
_NOT_CHECKED = {"derivatives", "sourcedata", "code", "stimuli", ".git", ".datalad"}


def check_names(root: Path) -> None:
    """Raise DataError when a file has a name that BIDS does not know, with the first of them and how to go on."""
    from bids_validator import BIDSValidator

    known = BIDSValidator()
    odd: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NOT_CHECKED)
        names = (f"/{(Path(folder) / file).relative_to(root).as_posix()}" for file in sorted(files))
        odd += [name for name in names if not name.startswith("/.") and not known.is_bids(name)]
    if odd:
        more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        raise DataError(
            f"{root}: not names that BIDS knows: {', '.join(odd[:SHOWN])}{more}; rename or remove them, or add "
            "--skip-bids-validation"
        )
