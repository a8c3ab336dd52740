"""Scores many answers, in worker processes, a few in flight at a time: memory does not grow with their number."""

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from lumirage.model import Score
from lumirage.scoring.files import ScoreTask
from lumirage.scoring.presets import Preset
from lumirage.scoring.score import score_pair

Scored = tuple[ScoreTask, dict[Preset, list[Score]]]


def score_many(
    tasks: Sequence[tuple[ScoreTask, tuple[Preset, ...]]], workers: int = 1, device: str = "cpu"
) -> Iterator[Scored]:
    """Score every task under its presets, in the order of the tasks. Raises what loading raises (DataError)."""
    if workers == 1:
        for task, presets in tasks:
            yield _score(task, presets, device)
        return
    # spawned, not forked: numba's threads and a parent's locks do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = deque(tasks)
        flying: deque[Future[Scored]] = deque()
        while waiting or flying:
            while waiting and len(flying) < 2 * workers:
                flying.append(pool.submit(_score, *waiting.popleft(), device))
            yield flying.popleft().result()


def _score(task: ScoreTask, presets: tuple[Preset, ...], device: str) -> Scored:
    rows = score_pair(task.load(), presets, device=device)
    return task, {preset: rows[preset.name] for preset in presets}
