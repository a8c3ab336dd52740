"""CPU time of preparing each pair of an evaluation anew, affine included, and a digest of what was made.

python benchmarks/preparing_again.py OUT

Nothing is written into OUT. The first pair also pays for loading libraries and is left out of the mean.
"""

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.flow.stored_evaluation import load_evaluation
from lumirage.planning.preparation import Preparer


def main() -> None:
    """Prepare all pairs in a temporary folder and print the CPU seconds a pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    evaluation = load_evaluation(Layout(parser.parse_args().out))
    seconds, made = [], hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        preparer = Preparer(Layout(Path(folder)))
        for pair in evaluation.pairs:
            before = time.process_time()
            prepared = preparer.prepare(pair, evaluation.track.prepare)
            seconds.append(time.process_time() - before)
            made.update(repr((prepared.affine, sorted(prepared.checksums.items()))).encode())
    kept = seconds[1:] or seconds
    print(f"| preparing | {sum(kept) / len(kept):.2f} | {' '.join(f'{s:.2f}' for s in seconds)} |")
    print("images", made.hexdigest()[:12])


if __name__ == "__main__":
    main()
