"""The errors a user can act on, each with its exit code. `cli.main` is the only place that catches them.

A failing method is not an error: it is a `lumirage.core.model.Outcome`.
"""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Self

EXIT_OK = 0
EXIT_SOME_FAILED = 1
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""What an OSError says when nothing more can be written; the user's to mend."""


class LumirageError(Exception):
    """Something the user can mend. The message says what to change."""

    exit_code = EXIT_INTERNAL


class UsageError(LumirageError):
    """The command line, a track or a card asks for something that does not exist or contradicts itself."""

    exit_code = 2


class DataError(LumirageError):
    """An input file or dataset is missing, damaged or inconsistent."""

    exit_code = 65


class UnavailableError(LumirageError):
    """A container engine, an image or a weights file that the request needs is not there."""

    exit_code = 69


class BusyError(LumirageError):
    """Somebody else holds the output folder, or a resource is short: try again later."""

    exit_code = 75


class DamagedFileError(DataError):
    """A file that the harness wrote is not what it wrote, or is gone, though a record says that it is there."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str]]:
        return type(self), (self.path, self.why)  # through the pipe of a process that scores


class InvalidAnswerError(LumirageError):
    """What a method wrote is not a displacement field on the working grid. Becomes `Outcome.INVALID_ANSWER`."""

    exit_code = 65


class EngineError(LumirageError):
    """The container engine failed, not the method. Leaves no run record and is tried again."""

    exit_code = 69


class PausedError(EngineError):
    """Somebody else paused a container: nothing that was timed in it counts."""


class GpuFaultError(EngineError):
    """A GPU failed under a method, or its log says so. `gpus` are the UUIDs of those that it had; `lost`: the driver does
    not show one of them any more, so that nobody need believe the log."""

    def __init__(self, message: str, gpus: tuple[str, ...], *, lost: bool) -> None:
        super().__init__(message)
        self.gpus, self.lost = gpus, lost


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'x'?` with the closest choices, and all of them where they are few; for error messages."""
    known = sorted(choices)
    close = difflib.get_close_matches(word.lower(), [c.lower() for c in known], n=3, cutoff=0.5)
    close = [c for c in known if c.lower() in close]
    meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"{meant} (choose one of: {', '.join(known) or 'none'})" if len(known) <= 20 else meant
