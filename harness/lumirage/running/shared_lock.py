"""Several harnesses in one output tree, each with its own participants. Who takes the whole (`lock.held`) is alone."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock

from lumirage.errors import BusyError, UsageError
from lumirage.running.lock import held

_shared: set[int] = set()


def _let_go_in_child() -> None:
    """A forked worker must not keep the lock of a harness that was killed."""
    for descriptor in _shared:
        os.close(descriptor)
    _shared.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


@contextmanager
def held_in_part(whole: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Share the tree's lock with others like us, and hold the locks of our own parts alone.

    Raises BusyError when somebody holds the whole, or one of these parts; UsageError when the folder cannot be written.
    """
    with ExitStack() as stack:
        stack.enter_context(_shared_lock(whole))
        for part in parts:
            stack.enter_context(held(part))
        yield


@contextmanager
def _shared_lock(path: Path) -> Iterator[None]:
    owner = os.getpid()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be written ({error.strerror}); choose another OUT") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(f"{path.parent} is in use by another harness as a whole; wait for it") from error
        _shared.add(descriptor)
        yield
    finally:
        if os.getpid() == owner:  # in a forked child the descriptor is closed already
            _shared.discard(descriptor)
            os.close(descriptor)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """For the moment in which evaluation.json is read, changed and written: the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path):
        yield
