"""A Slurm that answers, one that only pretends, and a small evaluation for them."""

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from tests.e2e.conftest import HARNESS

from lumirage.core.space import write_volume

Seen = TypeVar("Seen")
METHOD = Path(__file__).parents[1] / "containers" / "hostile_method.py"
CARD = "name: tiny\nversion: '1'\nsummary: for tests\nkind: reference\n"
TRACK = """name: many
pairing: {scheme: all}
prepare: {affine: none}
limits: {pair_timeout_s: 60, memory_bytes: 268435456}
on_failure: identity
"""


def require_slurm() -> None:
    """Fail or skip where no Slurm answers."""
    works = shutil.which("sinfo") and subprocess.run(["sinfo", "-h"], capture_output=True, check=False).returncode == 0
    if not works and os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
        raise RuntimeError("no Slurm answers, and LUMIRAGE_REQUIRE_ENGINE=1 wants one")
    if not works:
        pytest.skip("no Slurm answers")


FAKES = {
    "sbatch": 'n=$(cat "$FAKE/n" 2>/dev/null || echo 0); n=$((n + 1)); echo $n >"$FAKE/n"\n'
    'cp "${@: -1}" "$FAKE/script-$n"; echo $n',
    "scontrol": "echo 'MaxArraySize = 10001'",
    "squeue": "",
}


def fake_slurm(folder: Path, squeue: str = "") -> dict[str, str]:
    """Variables under which sbatch only counts, keeping each script as FAKE/script-N, and the queue is what is said."""
    folder.mkdir()
    for name, text in (FAKES | {"squeue": squeue}).items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(stat.S_IRWXU)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "FAKE": str(folder)}


def make_crowd(root: Path, subjects: int) -> Path:
    """People with a tiny image each."""
    for i in range(subjects):
        folder = root / f"sub-{i:03d}" / "anat"
        folder.mkdir(parents=True)
        head = np.arange(64, dtype=np.float32).reshape(4, 4, 4) + i  # an image without any contrast is refused
        write_volume(folder / f"sub-{i:03d}_T1w.nii", head, np.eye(4))
    (root / "dataset_description.json").write_text(json.dumps({"Name": "crowd", "BIDSVersion": "1.10.0"}))
    return root


def make_method(folder: Path, card: str = CARD) -> Path:
    """A method of the standard library alone, for the runtime local."""
    folder.mkdir()
    shutil.copy(METHOD, folder / "run.py")
    (folder / "method.yaml").write_text(card)
    return folder


def wait_until(look: Callable[[], Seen], what: str, timeout_s: float = 300) -> Seen:
    """What is seen once it is something."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise TimeoutError(f"not within {timeout_s} s: {what}")


def wait_for_queue(out: Path, timeout_s: float = 600) -> None:
    """Until no task of this tree is in Slurm's queue."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        numbers = {path.read_text().strip() for path in out.glob("work/jobs/*/*.id")}
        told = subprocess.run(["squeue", "-h", "-o", "%F"], capture_output=True, text=True, check=True).stdout.split()
        if not numbers & set(told):
            return
        time.sleep(1)
    raise TimeoutError(f"{out}: tasks are still in the queue after {timeout_s} s")


def harness(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*HARNESS, *map(str, words)], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done


def count(out: Path, state: str) -> int:
    return sum(row[state] for row in json.loads(harness("status", out, "--json").stdout)["methods"].values())
