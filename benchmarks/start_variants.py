"""Starts every variant of every card once, on one pair of a small phantom, and prints what came of it as a table.

    python benchmarks/start_variants.py [--only voxelmorph ...] [--weights FOLDER] [--runtime docker]

Images are built where they are not here; weights come from the cache, from `--weights` (files by their names), else from
their addresses unless LUMIRAGE_OFFLINE is set. The table of the last run stands in docs/variants.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from lumirage.core.model import Method
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.methods.weights import fetch_weights, missing_weights
from lumirage.planning.method_cards import MethodSource, all_methods

TRACK = """name: start
pairing: {scheme: chain}
prepare: {affine: none, spacing_mm: 4.0}
limits: {memory_bytes: 12000000000, pair_timeout_s: 900, cpus: 1}
"""
HARNESS = (sys.executable, "-m", "lumirage.cli")


def main() -> int:
    """The table; 1 where a variant whose parts are here did not start or did not answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="methods, with all their variants")
    parser.add_argument("--weights", type=Path, help="folder in which weights are looked for by name")
    parser.add_argument("--runtime", default="docker")
    order = parser.parse_args()
    wanted = {name.lower() for name in order.only}
    failed = 0
    print(f"{datetime.now(UTC):%Y-%m-%d}, runtime {order.runtime}, one pair of a phantom at 4 mm\n")
    print("| method | outcome | wall s | what it said |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="lumirage-variants-") as folder:
        place = Path(folder)
        make_phantom(place / "bids", PhantomSpec(subjects=2, spacing_mm=4.0, contrasts=("T1w",), seed=3))
        (place / "start.yaml").write_text(TRACK)
        for source in all_methods().values():
            family = source.folder.name if source.folder else ""
            if wanted and family not in wanted:
                continue
            outcome, wall_s, said = started(source, order, place)
            failed += outcome not in {"ok", "not here"}
            print(f"| {source.card.name} | {outcome} | {wall_s:.0f} | {said} |", flush=True)
    return 1 if failed else 0


def started(source: MethodSource, order: argparse.Namespace, place: Path) -> tuple[str, float, str]:
    """Outcome, seconds of the whole command, and the last line of a failure."""
    card = source.card
    if order.weights:
        bring(card, order.weights)
    out = place / "out" / card.name
    words = ("run", "-m", card.name, "-t", str(place / "start.yaml"), "--runtime", order.runtime, "--limit", "1")
    began = time.monotonic()
    done = subprocess.run(
        [*HARNESS, *words, str(place / "bids"), str(out)], capture_output=True, text=True, check=False
    )
    wall_s = time.monotonic() - began
    runs = [json.loads(path.read_text()) for path in out.rglob("*_run.json")]
    if runs:
        return runs[0]["outcome"], wall_s, runs[0]["message"].replace("|", "/").replace("\n", " ")[:160]
    last = next(lines_with("lumirage-harness: ", done.stderr), done.stderr.strip()[-160:])
    return "not here" if done.returncode == 69 else f"exit {done.returncode}", wall_s, last.replace("|", "/")[:200]


def bring(card: Method, folder: Path) -> None:
    """Put what the card needs into the cache, from files of the same names."""
    files = [found for item in missing_weights(card) for found in sorted(folder.rglob(item.file))[:1]]
    if files:
        fetch_weights(card, from_files=files)


def lines_with(begin: str, text: str) -> Iterator[str]:
    """What follows `begin` in the lines that start with it."""
    return (line.removeprefix(begin) for line in text.splitlines() if line.startswith(begin))


if __name__ == "__main__":
    sys.exit(main())
