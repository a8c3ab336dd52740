"""Whether a GPU waits for the CPU: the time line of a method that only sleeps, pair after pair, one at a time.

    python benchmarks/gpu_waits.py WORK [--pairs 8] [--seconds 2] [--side 64]

The method holds its place (`-j 1`) as it would hold a GPU, sleeps and answers with a field of zeros. Prints when each pair was
begun and ended by the harness' clock, how long the place stood without a method at work before it, and the sums.
"""

import argparse
import json
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from lumirage.core.space import write_volume

TRACK = "name: sleep\npairing: {scheme: chain}\nprepare: {affine: none}\nlimits: {memory_bytes: 2147483648}\n"
CARD = "name: sleeper\nversion: '1'\nsummary: sleeps\nkind: reference\nparameters: {seconds: SECONDS}\n"
RUN = '''"""Sleeps, and says that nothing moves."""

import gzip
import json
import struct
import sys
import time
from pathlib import Path

job = json.loads(Path(sys.argv[2]).read_text())
for pair in job["pairs"]:
    print("@lumirage " + json.dumps({"event": "begin", "pair": pair["id"]}), flush=True)
    time.sleep(job["parameters"]["seconds"])
    fixed = (Path(sys.argv[2]).parent / pair["fixed"]).read_bytes()
    header = bytearray((gzip.decompress(fixed) if fixed[:2] == b"\\x1f\\x8b" else fixed)[:352])
    shape = struct.unpack_from("<3h", header, 42)
    struct.pack_into("<8h", header, 40, 5, *shape, 1, 3, 1, 1)
    struct.pack_into("<h", header, 68, 1007)
    struct.pack_into("<2h", header, 70, 16, 32)
    struct.pack_into("<f", header, 108, 352)
    out = Path(sys.argv[3]) / pair["id"]
    out.mkdir(exist_ok=True)
    (out / "displacement.nii").write_bytes(bytes(header) + bytes(shape[0] * shape[1] * shape[2] * 12))
    print("@lumirage " + json.dumps({"event": "end", "pair": pair["id"]}), flush=True)
'''


def make_world(work: Path, pairs: int, side: int, seconds: float) -> None:
    """People with an image of side x side x side voxels, and the method."""
    bids, method = work / "people", work / "sleeper"
    random = np.random.default_rng(0)
    for number in range(pairs + 1):
        folder = bids / f"sub-{number:02d}" / "anat"
        folder.mkdir(parents=True)
        write_volume(
            folder / f"sub-{number:02d}_T1w.nii.gz", random.uniform(1, 2, (side,) * 3).astype(np.float32), np.eye(4)
        )
    (bids / "dataset_description.json").write_text(json.dumps({"Name": "people", "BIDSVersion": "1.10.0"}))
    (work / "sleep.yaml").write_text(TRACK)
    method.mkdir()
    (method / "method.yaml").write_text(CARD.replace("SECONDS", str(seconds)))
    (method / "run.py").write_text(RUN)


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("work", type=Path)
    words.add_argument("--pairs", type=int, default=8)
    words.add_argument("--seconds", type=float, default=2.0)
    words.add_argument("--side", type=int, default=64)
    given = words.parse_args()
    work, out = given.work.resolve(), given.work.resolve() / "out"
    make_world(work, given.pairs, given.side, given.seconds)
    command = [sys.executable, "-m", "lumirage.cli", "run", "-m", work / "sleeper", "-t", work / "sleep.yaml"]
    command += ["--runtime", "local", "-j", 1, work / "people", out]
    subprocess.run([str(word) for word in command], check=True)
    found = [json.loads(path.read_text()) for path in out.rglob("*_run.json")]
    assert all(run["outcome"] == "ok" for run in found), [run["message"] for run in found]
    starts = sorted(
        (datetime.fromisoformat(run["started"]).timestamp() + run["load_s"], run["wall_s"]) for run in found
    )
    zero = starts[0][0]
    print("| begun, s | ended, s | idle before, s |\n|---|---|---|")
    print(f"| 0.0 | {starts[0][1]:.1f} | - |")
    gaps = []
    for (before, lasted), (at, wall) in pairwise(starts):
        gaps.append(at - before - lasted)
        print(f"| {at - zero:.1f} | {at - zero + wall:.1f} | {gaps[-1]:.2f} |")
    spent = json.loads((out / "times.json").read_text())["commands"][-1]
    print(f"\nat work {sum(wall for _, wall in starts):.1f} s, idle between {sum(gaps):.1f} s; times.json: {spent}")


if __name__ == "__main__":
    main()
