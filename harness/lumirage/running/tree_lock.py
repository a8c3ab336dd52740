"""Only one harness works in an output tree at a time. The kernel keeps the lock, so it ends with the process."""

import fcntl
import getpass
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lumirage.core.errors import BusyError, UsageError
from lumirage.core.layout import ASIDE, Layout

_open_locks: set[int] = set()


def _close_in_child() -> None:
    """A forked worker must not keep the lock of a harness that was killed."""
    for descriptor in _open_locks:
        os.close(descriptor)
    _open_locks.clear()


os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def lock_tree(layout: Layout) -> Iterator[None]:
    """Hold a whole output tree and remove the partial files that a killed harness left. Raises as `lock_exclusively`."""
    with lock_exclusively(layout.lock):
        remove_asides(layout)
        yield


@contextmanager
def lock_exclusively(path: Path) -> Iterator[None]:
    """Lock an output tree exclusively. Makes the lock file and its folder if needed.

    Raises BusyError, which names the holder of the lock; UsageError if the folder cannot be written.
    """
    with file_lock(
        path, fcntl.LOCK_EX, lambda: f"{_describe_holder(path)}; wait for it, stop it, or choose another OUT"
    ) as file:
        os.pwrite(file, json.dumps(_self()).encode(), 0)
        yield


@contextmanager
def file_lock(path: Path, kind: int, holder: Callable[[], str]) -> Iterator[int]:
    """Lock a file (LOCK_EX or LOCK_SH). Gives its descriptor. What an earlier holder wrote into it is erased.

    Raises BusyError if it is locked by `holder()`, UsageError if the folder cannot be written.
    """
    owner = os.getpid()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be written ({error.strerror}); choose another OUT") from error
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(f"{path.parent} is in use by {holder()}") from error
        _open_locks.add(descriptor)
        os.ftruncate(descriptor, 0)
        yield descriptor
    finally:
        if os.getpid() == owner:  # in a forked child the descriptor is closed already
            _open_locks.discard(descriptor)
            os.close(descriptor)


def holder(path: Path) -> str | None:
    """Who holds the lock file now, in words; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _describe_holder(path)
    finally:
        os.close(descriptor)
    return None


def _self() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "user": _user(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv)[:500],
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return str(os.getuid())


def _describe_holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text())
        return f"process {who['pid']} of {who['user']} on {who['host']} since {who['since']} ({who['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another harness"


def remove_asides(layout: Layout) -> None:
    """Remove what `written_aside` left of killed writers. Only for who is alone in the tree."""
    for place in (layout.root, *([layout.work] if layout.work.is_symlink() else [])):
        for folder, inner, names in os.walk(place):
            inner[:] = [n for n in inner if n != "scratch" or Path(folder) != layout.work]  # deeper than we can go?
            for name in filter(ASIDE.match, names):
                with suppress(OSError):  # it does no harm
                    Path(folder, name).unlink()
