"""Scores many answers in worker processes, a few at a time: memory does not grow with their number."""

import functools
import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Generator, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from lumirage.core.errors import BusyError
from lumirage.core.model import Score
from lumirage.scoring.pair_constants import PairConstants
from lumirage.scoring.pair_scores import score_pair
from lumirage.scoring.presets import Preset
from lumirage.scoring.score_files import ScoreTask

Scored = tuple[ScoreTask, dict[Preset, list[Score]]]


def score_many(
    tasks: Sequence[tuple[ScoreTask, tuple[Preset, ...]]], workers: int = 1, device: str = "cpu"
) -> Generator[Scored, None, None]:
    """Score every task under its presets, in the order of the tasks. Raises what loading raises (DataError).

    If it is closed early, it kills its workers.
    """
    if workers == 1:
        for task, presets in tasks:
            yield _score(task, presets, device)
        return
    scorers = [Scorer(device) for _ in range(workers)]
    free: queue.SimpleQueue[Scorer] = queue.SimpleQueue()
    for scorer in scorers:
        free.put(scorer)

    def score(task: ScoreTask, presets: tuple[Preset, ...]) -> Scored:
        scorer = free.get()
        try:
            return scorer.score(task, presets)
        finally:
            free.put(scorer)

    threads = ThreadPoolExecutor(workers)  # each waits for one process
    try:
        waiting = deque(tasks)
        flying: deque[Future[Scored]] = deque()
        while waiting or flying:
            while waiting and len(flying) < 2 * workers:
                flying.append(threads.submit(score, *waiting.popleft()))
            yield flying.popleft().result()
    finally:
        for scorer in scorers:
            scorer.kill()
        threads.shutdown(cancel_futures=True)


class Scorer:
    """A process that scores one task at a time. It starts with the first task, ends with this process, and may be killed."""

    def __init__(self, device: str = "cpu") -> None:
        # spawned, not forked: numba's threads and a parent's locks do not survive a fork
        context = multiprocessing.get_context("spawn")
        self._pipe, self._its = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._its, device), daemon=True)
        self._killed = False
        self._changing = threading.Lock()

    def score(self, task: ScoreTask, presets: tuple[Preset, ...], cpu: int | None = None) -> Scored:
        """The task's scores, made on one CPU if given. Raises what scoring raises, BusyError if the process was killed."""
        try:
            with self._changing:
                if self._process.pid is None and not self._killed:
                    with _inherited(cpu):
                        self._process.start()
                    self._its.close()  # so that the pipe ends with the process
            self._pipe.send((task, presets, cpu))
            made: Scored | Exception = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise BusyError(
                "a scoring process was killed, perhaps for lack of memory; score fewer at a time (-j)"
            ) from error
        if isinstance(made, Exception):
            raise made
        return made

    def kill(self) -> None:
        """End the process at once; it scores nothing afterwards."""
        with self._changing:
            self._killed = True
            self._its.close()
            if self._process.pid is not None:
                self._process.kill()
                self._process.join()


@contextmanager
def _inherited(cpu: int | None) -> Iterator[None]:
    """Inside this context, a process started by this thread ignores Ctrl-C and is bound to its CPU: its imports take a second
    of CPU time, which must not come from a method's CPU."""
    mask, cpus = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}), None
    try:
        if cpu is not None and hasattr(os, "sched_setaffinity"):
            cpus = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {cpu})
        yield
    finally:
        if cpus:
            os.sched_setaffinity(0, cpus)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _pin(cpu: int) -> None:
    """Bind every thread of this process to a CPU; libraries start threads of their own."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {cpu})


def _serve(pipe: Connection, device: str) -> None:
    # Ctrl-C reaches all processes of a terminal; it was blocked here before the imports: the harness ends its scorers
    with suppress(EOFError, OSError):  # the harness is gone
        while True:
            task, presets, cpu = pipe.recv()
            try:
                if cpu is not None:
                    _pin(cpu)
                made: Scored | Exception = _score(task, presets, device)
            except Exception as error:  # noqa: BLE001 -- handed to the harness, which raises it
                made = error
            pipe.send(made)


@functools.lru_cache(maxsize=1)
def _constants(_pair: Hashable) -> PairConstants:
    """Those of the pair whose answers are scored one after another."""
    return PairConstants()


def _score(task: ScoreTask, presets: tuple[Preset, ...], device: str) -> Scored:
    rows = score_pair(task.load(), presets, device=device, constants=_constants(task.shared_with))
    return task, {preset: rows[preset.name] for preset in presets}
