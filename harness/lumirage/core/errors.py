"""The errors that a user can act on, each with its exit code. Only `cli.main` catches them all.

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
"""The error numbers of a full disk or quota, which the user has to resolve."""


class LumirageError(Exception):
    """Something that the user can correct. The message says what to change."""

    exit_code = EXIT_INTERNAL


class UsageError(LumirageError):
    """The command line, a track or a card asks for something that does not exist or contradicts itself."""

    exit_code = 2


class DataError(LumirageError):
    """An input file or dataset is missing, damaged or inconsistent."""

    exit_code = 65


class UnavailableError(LumirageError):
    """A container engine, an image or a file of weights that is needed is not available."""

    exit_code = 69


class BusyError(LumirageError):
    """Another process uses the output folder, or a resource is exhausted: try again later."""

    exit_code = 75


class DamagedFileError(DataError):
    """A file that the harness wrote has changed, or is missing although a record says that it was written."""

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
    """Another program paused a container, so its times are not valid."""


class GpuFaultError(EngineError):
    """A GPU failed while a method used it, or the method's log says so.

    `gpus` are the UUIDs of the GPUs that the method had. `lost`: the driver no longer lists one of them, so the failure
    is certain even without the log.
    """

    def __init__(self, message: str, gpus: tuple[str, ...], *, lost: bool) -> None:
        super().__init__(message)
        self.gpus, self.lost = gpus, lost


def nearest(word: str, choices: Iterable[str]) -> str:
    """For error messages: `; did you mean 'x'?` with the closest choices, and all choices if they are few."""
    known = sorted(choices)
    close = difflib.get_close_matches(word.lower(), [c.lower() for c in known], n=3, cutoff=0.5)
    close = [c for c in known if c.lower() in close]
    meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"{meant} (choose one of: {', '.join(known) or 'none'})" if len(known) <= 20 else meant
