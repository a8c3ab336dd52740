"""Submits arrays in their order, as far as the queue has room; the rest is held back, and follows as tasks end.

Whoever ends a task looks whether there is room, at most once a minute; so does the command, typed again.
"""

import time
from collections.abc import Sequence

from lumirage.core.errors import BusyError, UnavailableError
from lumirage.core.layout import Layout, write_text
from lumirage.core.records import read_json
from lumirage.core.screen import Screen, Silent
from lumirage.core.submission_files import SubmissionFiles
from lumirage.running.executors.cluster_tasks import Array, Submission
from lumirage.running.executors.slurm import QueueFullError, submit_array
from lumirage.running.executors.slurm_queue import queue
from lumirage.running.tree_lock import lock_exclusively

EVERY_S = 60.0


def submit_in_order(arrays: Sequence[Array], files: SubmissionFiles, screen: Screen) -> None:
    """Submit arrays that wait for none that is not in the queue. Those that it has no room for are held back.

    Raises QueueFullError if it has no room for the first, UnavailableError in Slurm's own words.
    """
    done: list[str] = []
    for place, array in enumerate(arrays):
        after = [files.number(one).read_text().strip() for one in array.after]
        try:
            number = submit_array(array, files, after)
        except QueueFullError as full:
            if place == 0:
                raise
            _hold(arrays[place:], files)
            screen.say(f"submitted: {', '.join(done)}")
            screen.say(
                f"the queue takes no more of your tasks now ({full}); {len(arrays) - place} arrays follow as others end"
            )
            return
        write_text(files.number(array.name), number + "\n")
        done.append(f"{array.name} {number.partition(';')[0]}")
    screen.say(f"submitted: {', '.join(done)}")


def _hold(arrays: Sequence[Array], files: SubmissionFiles) -> None:
    if arrays:
        write_text(files.held, "".join(f"{array.name}\n" for array in arrays))
    else:
        files.held.unlink(missing_ok=True)


def feed_all(layout: Layout, screen: Screen) -> int | None:
    """Submit what earlier commands held back, as far as there is room.

    Where Slurm refuses an array for another reason, or there is no room for it although nothing else is there, the rest of
    its submission is given up: what it would have done is missing then, and is submitted with the options of now. Gives how
    many tasks an array may then have, if arrays were too large.
    """
    most = None
    for held in sorted(layout.jobs.glob(f"*/{SubmissionFiles(layout.jobs).held.name}")):
        files = layout.submission(held.parent.name)
        first = held.read_text(encoding="utf-8").split()[0]
        try:
            with lock_exclusively(files.feeding):
                _feed(files, screen)
        except BusyError:
            continue
        except UnavailableError as error:
            screen.say(f"tasks that were not submitted yet are dropped and planned again: {error}")
            held.unlink(missing_ok=True)
            if isinstance(error, QueueFullError):
                counts = {array.name: array.count for array in read_json(files.record, Submission).arrays}
                most = max(min(counts[first] // 2, most or counts[first]), 1)
    return most


def feed_after_task(files: SubmissionFiles) -> None:
    """The same for one submission, by a task of it that has ended; what goes wrong is left to the next."""
    if not files.held.is_file():
        return
    if files.feeding.is_file() and time.time() - files.feeding.stat().st_mtime < EVERY_S:
        return
    try:
        with lock_exclusively(files.feeding):
            _feed(files, Silent())
    except (BusyError, UnavailableError):
        return


def _busy(files: SubmissionFiles) -> bool:
    """Whether anything of a submission waits or runs: else there will not be more room for it than now."""
    paths = (files.number(array.name) for array in read_json(files.record, Submission).arrays)
    return bool(queue(path.read_text().strip() for path in paths if path.is_file()))


def _feed(files: SubmissionFiles, screen: Screen) -> None:
    """Raises QueueFullError if nothing of the submission is in the queue and it has no room all the same."""
    if not files.held.is_file():
        return
    waiting = files.held.read_text(encoding="utf-8").split()
    arrays = [array for array in read_json(files.record, Submission).arrays if array.name in waiting]
    for place, array in enumerate(arrays):
        numbers = [path.read_text().strip() for one in array.after if (path := files.number(one)).is_file()]
        there = {number for number, _ in queue(numbers)}  # Slurm soon forgets what has ended
        try:
            number = submit_array(array, files, [number for number in numbers if number in there])
        except QueueFullError:
            _hold(arrays[place:], files)
            if place == 0 and not _busy(files):
                raise
            return
        write_text(files.number(array.name), number + "\n")
        screen.say(f"submitted, as there is room now: {array.name} {number.partition(';')[0]}")
        _hold(arrays[place + 1 :], files)
