"""CPU time of scoring every answer of a finished evaluation, once warm, and a digest of all rows: scoring_again.md.

python benchmarks/scoring_again.py OUT

To compare two commits, run it with the code of each (PYTHONPATH=.../harness) on the same OUT: the digests must be equal.
Nothing is written. The answers are scored in the order and in the process in which `lumirage-harness score` does it with -j 1.
"""

import argparse
import hashlib
import time
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.flow.score_tasks import ScoringRequest, unscored_tasks
from lumirage.flow.stored_evaluation import load_evaluation, load_runs
from lumirage.scoring.parallel_scoring import score_many
from lumirage.scoring.presets import preset_named


def main() -> None:
    """Score all twice and print the second time, a line a method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    layout = Layout(parser.parse_args().out)
    evaluation = load_evaluation(layout)
    presets = [preset_named(name) for name in evaluation.track.presets]
    request = ScoringRequest(evaluation, evaluation.pairs, load_runs(layout, evaluation), presets)
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
    print("rows", rows.hexdigest()[:12])


if __name__ == "__main__":
    main()
