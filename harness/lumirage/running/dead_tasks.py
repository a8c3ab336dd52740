"""Scratch folders whose task was killed, and continues on another node or never: the next task on this node removes them.

A living task holds a lock in the scratch folder; the kernel gives it up with the process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lumirage.core.errors import LumirageError
from lumirage.running.folder_removal import remove_tree
from lumirage.running.job_execution import RunContext
from lumirage.running.runtimes.runtime_interface import Runtime

_ALIVE = ".alive"


@contextmanager
def alive(context: RunContext) -> Iterator[None]:
    """While it lasts, others see that the owner of this context lives."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    path = context.scratch / f"{context.owner}{_ALIVE}"
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # somebody took an earlier life of ours for dead and removed its file meanwhile
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def remove_dead(scratch: Path, runtime: Runtime) -> int:
    """Remove what dead tasks left in this folder for scratch files: their folders, containers and processes. Gives how many
    there were."""
    found = 0
    for path in sorted(scratch.glob(f"*{_ALIVE}")):
        with suppress(OSError, LumirageError):  # somebody else's, or gone meanwhile: no reason to fail
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, path):
                    owner = path.name.removesuffix(_ALIVE)
                    runtime.remove_stale(owner)
                    for folder in scratch.glob(f"{owner}-*"):
                        remove_tree(folder)
                    path.unlink()
                    found += 1
            finally:
                os.close(descriptor)
    return found


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
