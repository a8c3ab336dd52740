"""Several harnesses in one output tree, each with its own participants. `tree_lock.lock_tree` excludes them all."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import filelock

from lumirage.running.tree_lock import file_lock, lock_exclusively


@contextmanager
def lock_participants(whole: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Share the tree's lock with other processes of this kind, and lock our own parts exclusively.

    Raises BusyError if another process has locked the whole tree or one of these parts, UsageError if the folder cannot
    be written.
    """
    with ExitStack() as stack:
        stack.enter_context(file_lock(whole, fcntl.LOCK_SH, lambda: "another harness as a whole; wait for it"))
        for part in parts:
            stack.enter_context(lock_exclusively(part))
        yield


@contextmanager
def lock_evaluation(path: Path) -> Iterator[None]:
    """For the moment in which evaluation.json is read, changed and written: the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path):
        yield
