"""On a real Slurm of one node: an array with accidents, completed by typing the command again; GPUs handed on."""

import contextlib
import json
import subprocess
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from tests.e2e.conftest import HARNESS
from tests.e2e.slurm_world import CARD, TRACK, count, harness, make_method, require_slurm, wait_for_queue, wait_until
from tests.gpu.rig import build

from lumirage.datasets.phantom import PhantomSpec, make_phantom

PAIRS = 40


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven people at 6 mm: 42 ordered pairs."""
    require_slurm()
    folder = tmp_path_factory.mktemp("slurm") / "people"
    make_phantom(folder, PhantomSpec(subjects=7, spacing_mm=6.0, contrasts=("T1w",), seed=3))
    return folder


def typed_anyway(*words: object) -> subprocess.CompletedProcess[str]:
    """A command that is expected to fail."""
    done = subprocess.run([*HARNESS, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode not in (0, 1), done.stdout
    return done


def local(method: Path, folder: Path) -> tuple[object, ...]:
    """Options of a small evaluation on this machine's own Python."""
    track = folder / "many.yaml"
    track.write_text(TRACK)
    return "-m", method, "--runtime", "local", "--track", track


def tasks_running(out: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if {"run-job", "run-0"} <= set(process.info["cmdline"] or []) and str(out) in process.info["cmdline"]
    ]


def scontrol(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True)


def state(task: str) -> str:
    return subprocess.run(
        ["squeue", "-h", "-j", task, "-o", "%T"], capture_output=True, text=True, check=True
    ).stdout.strip()


def node(state: str) -> None:
    scontrol("update", "nodename=ALL", f"state={state}", "reason=test")


def kill_one(out: Path) -> bool:
    for process in tasks_running(out):
        with contextlib.suppress(psutil.Error):
            process.kill()
            return True
    return False


@pytest.mark.long
def test_an_array_with_accidents_is_completed_by_the_same_command(people: Path, tmp_path: Path) -> None:
    card = CARD + "parameters: {mode: some_fail, seconds: 0.2}\n"
    shared = (*local(make_method(tmp_path / "tiny", card), tmp_path), "--limit", PAIRS, people)
    out = tmp_path / "slurm"
    typed = ("run", *shared, out, "--executor", "slurm")
    assert "40 are missing" in harness(*typed).stderr
    wait_until(lambda: kill_one(out), "a task runs")
    try:
        node("drain")
        while tasks_running(out):
            time.sleep(0.2)
        assert "1 are missing" in harness(*typed).stderr, "the killed one alone: what waits is not submitted twice"
        assert "in the cluster's queue" in typed_anyway("clean", out).stderr
        stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*_run.json")}
    finally:
        node("resume")
    wait_for_queue(out)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "nothing complete was done again"
    assert count(out, "done") + count(out, "failed") == PAIRS
    assert count(out, "failed") >= 1, "the method fails by itself on some pairs, which is a result"
    assert "40 runs are complete" in (ended := harness(*typed)).stderr
    assert ended.returncode == 1
    here = tmp_path / "here"
    harness("run", *shared, here, "-j", 2)
    assert answers(out) == answers(here), "to the last byte; equal answers have equal scores"
    assert len(answers(out)) == count(out, "done")
    assert outcomes(out) == outcomes(here)


def answers(out: Path) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*_xfm.nii")}


def outcomes(out: Path) -> dict[Path, str]:
    return {path.relative_to(out): json.loads(path.read_text())["outcome"] for path in out.rglob("*_run.json")}


def test_two_tasks_get_different_gpus_and_hand_on_exactly_those(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gres = subprocess.run(["sinfo", "-h", "-o", "%G"], capture_output=True, text=True, check=True).stdout
    if "gpu" not in gres:
        pytest.fail("bring Slurm up with SLURM_FAKE_GPUS=2")
    for name, value in build(tmp_path / "driver").environment.items():  # tasks see it: sbatch hands the environment on
        monkeypatch.setenv(name, value)
    method = make_method(tmp_path / "gpus", CARD + "device: gpu\nparameters: {mode: sleeps}\n")
    out = tmp_path / "out"
    harness("run", *local(method, tmp_path), "--limit", 2, people, out, "--executor", "slurm")
    (number,) = (path.read_text().strip() for path in out.glob("work/jobs/*/run-0.id"))
    seen = wait_until(lambda: two_at_once(out), "two methods run at a time")
    subprocess.run(["scancel", number], check=True)
    wait_for_queue(out)
    assert sorted(seen) == ["GPU-aaaa", "GPU-bbbb"]


def two_at_once(out: Path) -> list[str]:
    """CUDA_VISIBLE_DEVICES of the two methods that run now in this tree; nothing while there is only one."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "register" in words and any(word.startswith(str(out)) for word in words):
            with contextlib.suppress(psutil.Error):
                found.append(process.environ()["CUDA_VISIBLE_DEVICES"])
    return found if len(found) == 2 else []


def test_a_task_that_is_ended_or_requeued_loses_only_the_pair_under_way(people: Path, tmp_path: Path) -> None:
    method = make_method(tmp_path / "tiny", CARD + "parameters: {mode: lingers}\n")
    out = tmp_path / "out"
    typed = ("run", *local(method, tmp_path), "--limit", 6, "--batch", 3, people, out, "--executor", "slurm")
    assert "6 are missing" in harness(*typed).stderr
    wait_until(lambda: len([*out.glob("work/scratch/*/out/*/lingers")]) == 2, "both tasks are at their second pair")
    (number,) = (path.read_text().strip() for path in out.glob("work/jobs/*/run-0.id"))
    scontrol("requeue", f"{number}_0")
    scontrol("update", f"jobid={number}_1", "timelimit=1")
    wait_until(lambda: state(f"{number}_0") == "PENDING", "the task is in the queue again")
    # Slurm itself waits two minutes. Within the second of the kill its node takes the new life for the old one and
    # refuses it ("already killed, do not launch"), and the controller calls the task done.
    scontrol("update", f"jobid={number}_0", "starttime=now+5")
    wait_for_queue(out)
    assert (count(out, "done"), count(out, "failed")) == (4, 0), "being ended is no result about the method"
    assert sorted(pairs_in_container(out)) == [2, 2, 3, 3], "the first pair of each task was kept, and not run again"
    first = {path: path.read_bytes() for path in out.rglob("*_run.json")}
    assert "2 are missing" in harness(*typed).stderr
    wait_for_queue(out)
    assert sorted(pairs_in_container(out)) == [2, 2, 2, 2, 3, 3]
    assert {path: path.read_bytes() for path in first} == first


def pairs_in_container(out: Path) -> list[int]:
    """Of each run that is complete: how many pairs its container was given."""
    return [json.loads(path.read_text())["pairs_in_job"] for path in out.rglob("*_run.json")]


@pytest.mark.long
def test_written_scripts_complete_the_evaluation(people: Path, tmp_path: Path) -> None:
    method, out, go = make_method(tmp_path / "tiny"), tmp_path / "o u't; $x", tmp_path / "go.sh"
    typed = ("evaluate", *local(method, tmp_path), "--limit", 4, people, out)
    assert "nothing was submitted" in harness(*typed, "--write-sbatch", go).stderr
    assert not [*out.glob("work/jobs/*/*.id")]
    submitted = subprocess.run([go], capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[0] for line in submitted.splitlines()] == ["prepare-0", "run-0", "score-0", "finish-0"]
    assert subprocess.run([go], capture_output=True, text=True, check=True).stdout == submitted, "nothing twice"
    wait_for_queue(out)
    assert (count(out, "done"), count(out, "failed")) == (4, 0)
    scores = pd.read_csv(out / "scores.tsv", sep="\t")
    assert set(scores["method"]) == {"identity", "affine", "tiny"}
    assert scores["pair"].nunique() == 4
    assert (out / "report" / "index.html").is_file()
