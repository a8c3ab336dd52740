"""Twenty thousand jobs with a Slurm that only pretends: time and memory of planning, submitting and looking."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.slurm_world import fake_slurm, make_crowd, make_method

from lumirage.flow.cluster.cluster_arrays import BLOCK

SUBJECTS = 142
JOBS = SUBJECTS * (SUBJECTS - 1)
# CPU seconds, not the clock's: 23 at a load of 4; what grew with the square of the jobs would take minutes
MOST_S, MOST_BYTES = 40.0, 500 * 10**6
BLOCKS = -(-JOBS // BLOCK)
ALL_WAIT = (
    f"for b in $(seq 0 {BLOCKS - 1}); do i=0; while [ $i -lt {BLOCK} ]; do "
    'echo "$((3 * b + 2))|$i|PENDING|Priority"; i=$((i + 1)); done; done'
)
"""Of each block preparing, runs and scores are submitted, in this order: the runs wait."""


def measured(words: list[str], environment: dict[str, str]) -> tuple[float, int, str]:
    """CPU seconds and peak bytes of a command and all it starts, and what it printed."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)\n"
        "sys.stdout.write(done.stdout.decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    first, _, rest = done.stdout.partition("\n")
    return float(first.split()[0]), int(first.split()[1]), rest


def test_twenty_thousand_jobs(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    fakes, crowd = tmp_path / "fakes", make_crowd(tmp_path / "crowd", SUBJECTS)
    environment = {**os.environ, **fake_slurm(fakes, ALL_WAIT)}
    track, out = tmp_path / "all.yaml", tmp_path / "out"
    track.write_text("name: all\npairing: {scheme: all}\nprepare: {affine: none}\n")
    method = make_method(tmp_path / "tiny")
    harness = [sys.executable, "-m", "lumirage.cli"]
    options = ["-m", str(method), "--runtime", "local", "--track", str(track), "--executor", "slurm", "-j", "50"]
    submitting_s, submitting_bytes, _ = measured([*harness, "evaluate", *options, str(crowd), str(out)], environment)
    looking_s, looking_bytes, printed = measured([*harness, "status", str(out), "--json"], environment)
    record_property("measured", f"{submitting_s:.1f} s {submitting_bytes} B, {looking_s:.1f} s {looking_bytes} B")
    counts = {"done": 0, "failed": 0, "running": 0, "pending": JOBS, "missing": 0, "not_asked": 0}
    assert json.loads(printed)["methods"] == {"tiny": counts}
    assert f"--array=0-{BLOCK - 1}%12" in (fakes / "script-2").read_text(), "four blocks at a time share the 50"
    assert f"--array=0-{JOBS % BLOCK - 1}%12" in (fakes / f"script-{3 * BLOCKS - 1}").read_text()
    assert submitting_s + looking_s < MOST_S, (submitting_s, looking_s)
    assert max(submitting_bytes, looking_bytes) < MOST_BYTES
