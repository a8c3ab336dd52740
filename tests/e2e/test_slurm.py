"""On a real Slurm of one node: an array with accidents, completed by typing the command again; GPUs handed on."""

import contextlib
import subprocess
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from tests.e2e.slurm_world import CARD, TRACK, count, harness, make_method, require_slurm, wait_for_queue

from lumirage.datasets.phantom import PhantomSpec, make_phantom

PAIRS = 40


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven people at 6 mm: 42 ordered pairs."""
    require_slurm()
    folder = tmp_path_factory.mktemp("slurm") / "people"
    make_phantom(folder, PhantomSpec(subjects=7, spacing_mm=6.0, contrasts=("T1w",), seed=3))
    return folder


def tasks_running(out: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"run-job", "run-0"} <= set(process.info["cmdline"] or []) and str(out) in process.info["cmdline"]
    ]


def node(state: str) -> None:
    subprocess.run(["scontrol", "update", "nodename=ALL", f"state={state}", "reason=test"], check=True)


def kill_one(out: Path) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        for process in tasks_running(out):
            with contextlib.suppress(psutil.Error):
                process.kill()
                return
        time.sleep(0.05)
    raise TimeoutError("no task began")


def test_an_array_with_accidents_is_completed_by_the_same_command(people: Path, tmp_path: Path) -> None:
    card = CARD + "parameters: {mode: some_fail, seconds: 0.2}\n"
    method, track = make_method(tmp_path / "tiny", card), tmp_path / "many.yaml"
    track.write_text(TRACK)
    shared = ("-m", method, "--runtime", "local", "--track", track, "--limit", PAIRS, people)
    out = tmp_path / "slurm"
    typed = ("evaluate", *shared, out, "--executor", "slurm")
    assert "40 are missing" in harness(*typed).stderr
    kill_one(out)
    try:
        node("drain")
        while tasks_running(out):
            time.sleep(0.2)
        assert "1 are missing" in harness(*typed).stderr, "the killed one alone: what waits is not submitted twice"
        stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*_run.json")}
    finally:
        node("resume")
    wait_for_queue(out)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "nothing complete was done again"
    assert (count(out, "done") + count(out, "failed"), count(out, "missing")) == (PAIRS, 2)
    assert count(out, "failed") >= 1, "the method fails by itself on some pairs, which is a result"
    assert harness(*typed).returncode == 1
    here = tmp_path / "here"
    harness("run", *shared, here, "-j", 2)
    harness("score", here)
    pd.testing.assert_frame_equal(pd.read_csv(out / "scores.tsv", sep="\t"), pd.read_csv(here / "scores.tsv", sep="\t"))
    assert (out / "report" / "index.html").is_file()


def test_two_tasks_get_different_gpus_and_hand_on_exactly_those(people: Path, tmp_path: Path) -> None:
    gres = subprocess.run(["sinfo", "-h", "-o", "%G"], capture_output=True, text=True, check=True).stdout
    if "gpu" not in gres:
        pytest.fail("bring Slurm up with SLURM_FAKE_GPUS=2")
    card = CARD + "device: gpu\nparameters: {mode: shows_environment, seconds: 20}\n"
    method, track = make_method(tmp_path / "gpus", card), tmp_path / "many.yaml"
    track.write_text(TRACK)
    out = tmp_path / "out"
    harness(
        "run", "-m", method, "--runtime", "local", "--track", track, "--limit", 2, people, out, "--executor", "slurm"
    )
    wait_for_queue(out)
    logs = [log.read_text() for log in out.rglob("*_log.txt")]
    seen = [text.split("CUDA_VISIBLE_DEVICES=")[1].splitlines()[0] for text in logs]
    assert sorted(seen) == ["0", "1"]
