"""Run by another user: three jobs under Apptainer; pickles their records."""

import os
import pickle
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "running"))

import psutil
from running_world import World, with_limits

from lumirage.running.runtimes.apptainer import ApptainerRuntime

os.setgroups([])  # now: this Python and its modules may lie where that user cannot read
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
root = Path(sys.argv[1])
world, runtime = World(root), ApptainerRuntime()
image = str(root / "image.sif")
world.add_pairs(1)
runs = []
for mode, limits in {
    "fingerprint": with_limits(),
    "allocate": with_limits(memory_bytes=256 * 2**20),
    "sleeps": with_limits(pair_timeout_s=2),
}.items():
    world.forget()
    runs += world.execute(world.job(image, mode=mode, limits=limits), runtime)


def mine() -> list[str]:
    me = psutil.Process()
    return [
        p.name()
        for p in psutil.process_iter()
        if p.pid != me.pid and p.uids().real == me.uids().real and p.status() != psutil.STATUS_ZOMBIE
    ]


until = time.monotonic() + 5
while (left := mine()) and time.monotonic() < until:
    time.sleep(0.1)
assert not left, left
(root / "runs.pickle").write_bytes(pickle.dumps(runs))
