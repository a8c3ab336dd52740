"""CPU time of scoring every answer of a finished evaluation, once warm, and a digest of all rows: scoring_again.md.

python benchmarks/scoring_again.py OUT [--hard]

To compare two commits, run it with the code of each (PYTHONPATH=.../harness) on the same OUT: the digests must be equal.
Nothing is written. The answers are scored in the order and in the process in which `lumirage-harness score` does it with -j 1.
`--hard` also scores answers that nobody should get, made for the first pair: its head turned by 20 and by 45 degrees, and
noise of 30 mm in each voxel.
"""

import argparse
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumirage.core.layout import Layout
from lumirage.flow.score import runs_to_score
from lumirage.flow.score_tasks import ScoringRequest, unscored_tasks
from lumirage.flow.stored_evaluation import load_evaluation
from lumirage.scoring.pair_constants import PairConstants
from lumirage.scoring.pair_scores import score_pair
from lumirage.scoring.parallel_scoring import score_many
from lumirage.scoring.presets import Preset, preset_named
from lumirage.scoring.score_files import ScoreTask


def main() -> None:
    """Score all twice and print the second time, a line a method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hard", action="store_true")
    given = parser.parse_args()
    layout = Layout(given.out)
    evaluation = load_evaluation(layout)
    presets = [preset_named(name) for name in evaluation.track.presets]
    request = ScoringRequest(evaluation, evaluation.pairs, runs_to_score(layout, evaluation, evaluation.pairs), presets)
    tasks = list(unscored_tasks(layout, request, {preset.name: set() for preset in presets}))
    spent: dict[str, list[float]] = {}
    rows = hashlib.sha256()
    for _ in range(2):
        spent.clear()
        before = time.process_time()
        for task, scores in score_many(tasks):
            now = time.process_time()
            spent.setdefault(task.method, []).append(now - before)
            rows.update(repr([score for preset in presets for score in scores[preset]]).encode())
            before = time.process_time()
    for method, seconds in spent.items():
        print(f"| {method} | {sum(seconds) / len(seconds):.2f} | {' '.join(f'{s:.2f}' for s in seconds)} |")
    if given.hard:
        _score_hard(next(task for task, _ in tasks if task.forward.field), presets, rows)
    print("rows", rows.hexdigest()[:12])


def _score_hard(task: ScoreTask, presets: list[Preset], rows: Any) -> None:
    """Print what answers to the task's pair cost that are far from right, and add their rows to the digest."""
    inputs, constants = task.load(), PairConstants()
    for name, u in _hard_answers(inputs.displacement.u.shape):
        changed = replace(inputs, displacement=replace(inputs.displacement, u=np.asfortranarray(u)))
        for _ in range(2):
            before = time.process_time()
            scores = score_pair(changed, presets, constants=constants)
            spent = time.process_time() - before
        rows.update(repr(scores).encode())
        print(f"| {name} | {spent:.2f} | without reading |")


def _hard_answers(shape: tuple[int, ...]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    middle = np.array(shape[:3]) / 2
    at = np.moveaxis(np.indices(shape[:3]), 0, -1) - middle
    for degrees in (20, 45):
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        yield f"turned by {degrees} degrees", (at @ (turn - np.eye(3)).T).astype(np.float32)
    yield "noise of 30 mm", np.random.default_rng(0).normal(0, 30, shape).astype(np.float32)


if __name__ == "__main__":
    main()
