"""Every path that a GPU takes, on a driver that is a text file: by UUID, two at a time, measured, and when one is lost."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.e2e.conftest import Command
from tests.e2e.slurm_world import make_crowd, make_method
from tests.gpu.rig import Gpu, Rig

MB = 10**6
CARD = "name: tiny\nversion: '1'\nsummary: for tests\nkind: reference\ndevice: gpu\n"
TRACK = """name: crowd
pairing: {scheme: chain}
prepare: {affine: none}
limits: {pair_timeout_s: 60, memory_bytes: 268435456}
on_failure: identity
"""
EVERYBODY = [("GPU-aaaa", 0, 0), ("GPU-bbbb", 0, 0)]


def order(folder: Path, card: str, people: int = 5, **parameters: object) -> tuple[object, ...]:
    """A method that claims 300 MB of its GPU for more than a second."""
    settings = {"mode": "gpu", "bytes": 300 * MB, "seconds": 1.5} | parameters
    method = make_method(folder / "tiny", f"{card}parameters: {json.dumps(settings)}\n")
    (folder / "crowd.yaml").write_text(TRACK)
    return ("run", "-m", method, "-t", folder / "crowd.yaml", make_crowd(folder / "people", people))


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(out.rglob("*_run.json"))]


@contextmanager
def once_seen(uuid: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """While the block runs: `act`, as soon as a process of a method uses this GPU."""
    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set() and not seen:
            for process in psutil.process_iter():
                try:
                    variables = process.environ()
                except psutil.Error:
                    continue
                devices = variables.get("NVIDIA_VISIBLE_DEVICES") or variables.get("CUDA_VISIBLE_DEVICES")
                if devices == uuid and "FAKE_GPU_BYTES" in variables and not seen:
                    act()
                    seen.append(uuid)
            time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def measured(run: dict[str, object]) -> None:
    usage = run["usage"]
    assert isinstance(usage, dict)
    assert usage["gpu_peak_memory_bytes"] == 300 * MB
    assert usage["gpu_how"] == "NVML"
    assert usage["gpu_energy_j"] == 0.0


def test_two_gpus_two_at_a_time_each_by_its_uuid(rig: Rig, harness: Command, tmp_path: Path):
    rig.has([Gpu("GPU-aaaa"), Gpu("GPU-bbbb")], EVERYBODY)
    done = harness(*order(tmp_path, CARD), tmp_path / "out", "--runtime", "local", "-j", "2", **rig.environment)
    assert done.returncode == 0, done.stderr
    runs = records(tmp_path / "out")
    assert len(runs) == 4
    assert {tuple(run["gpus"]) for run in runs} == {("GPU-aaaa",), ("GPU-bbbb",)}
    for run in runs:
        measured(run)


def test_a_gpu_that_is_lost_midway_costs_no_result(rig: Rig, harness: Command, tmp_path: Path):
    rig.has([Gpu("GPU-aaaa"), Gpu("GPU-bbbb")], EVERYBODY)
    typed = order(tmp_path, CARD, dies_on="GPU-aaaa")
    lose = lambda: rig.has([Gpu("GPU-aaaa", flags=("lost",)), Gpu("GPU-bbbb")], EVERYBODY)  # noqa: E731
    with once_seen("GPU-aaaa", lose) as seen:
        done = harness(*typed, tmp_path / "out", "--runtime", "local", "-j", "2", **rig.environment)
    assert seen
    assert done.returncode == 0, done.stderr
    runs = records(tmp_path / "out")
    assert [run["outcome"] for run in runs] == ["ok"] * 4
    assert {tuple(run["gpus"]) for run in runs} == {("GPU-bbbb",)}
    assert "GPU GPU-aaaa failed: the driver does not show it any more" in done.stderr
    assert sum(any("GPU-aaaa failed" in warning for warning in run["warnings"]) for run in runs) == 1


def test_a_lost_gpu_costs_nothing_to_methods_that_need_none(rig: Rig, harness: Command, tmp_path: Path):
    rig.has([Gpu("GPU-aaaa", flags=("lost",))])
    typed = order(tmp_path, CARD.replace("device: gpu", "device: cpu"), people=2)
    done = harness(*typed, tmp_path / "out", "--runtime", "local", **rig.environment)
    assert done.returncode == 0, done.stderr
    assert records(tmp_path / "out")[0]["gpus"] == []


def test_without_a_usable_gpu_nothing_is_begun_and_the_drivers_reason_is_told(
    rig: Rig, harness: Command, tmp_path: Path
):
    rig.has([Gpu("GPU-aaaa", flags=("lost",))])
    done = harness(*order(tmp_path, CARD, people=2), tmp_path / "out", "--runtime", "local", **rig.environment)
    assert done.returncode == 69
    assert "GPU 0 cannot be used: GPU is lost" in done.stderr
    assert records(tmp_path / "out") == []


def test_a_mig_instance_is_given_by_its_own_name(rig: Rig, harness: Command, tmp_path: Path):
    rig.has([Gpu("GPU-aaaa", mig=("MIG-1", "MIG-2"))], [("MIG-1", 0, 0), ("MIG-2", 0, 0)])
    done = harness(
        *order(tmp_path, CARD, people=3), tmp_path / "out", "--runtime", "local", "-j", "2", **rig.environment
    )
    assert done.returncode == 0, done.stderr
    runs = records(tmp_path / "out")
    assert {tuple(run["gpus"]) for run in runs} == {("MIG-1",), ("MIG-2",)}
    assert all(run["usage"]["gpu_peak_memory_bytes"] == 300 * MB for run in runs)
    assert all(run["usage"]["gpu_energy_j"] is None for run in runs)


@pytest.mark.parametrize(("asked", "given"), [("1", "GPU-bbbb"), ("GPU-b", "GPU-bbbb")])
def test_a_chosen_gpu_is_the_only_one_used(rig: Rig, harness: Command, tmp_path: Path, asked: str, given: str):
    typed = order(tmp_path, CARD, people=3)
    done = harness(*typed, tmp_path / "out", "--runtime", "local", "--gpus", asked, **rig.environment)
    assert done.returncode == 0, done.stderr
    assert {tuple(run["gpus"]) for run in records(tmp_path / "out")} == {(given,)}


def test_containers_get_their_gpu_from_the_engine_and_are_measured(
    rig: Rig, harness: Command, tmp_path: Path, gpu_engine: str, gpu_image: str
):
    rig.has([Gpu("GPU-aaaa"), Gpu("GPU-bbbb")], EVERYBODY)
    typed = order(tmp_path, f"{CARD}image: {gpu_image}\n", people=4, dies_on="GPU-aaaa")
    lose = lambda: rig.has([Gpu("GPU-aaaa", flags=("lost",)), Gpu("GPU-bbbb")], EVERYBODY)  # noqa: E731
    variables = {**rig.environment, "DOCKER_HOST": gpu_engine, "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    with once_seen("GPU-aaaa", lose) as seen:
        done = harness(*typed, tmp_path / "out", "--runtime", "docker", "-j", "2", **variables)
    assert seen
    assert done.returncode == 0, done.stderr
    runs = records(tmp_path / "out")
    assert [run["outcome"] for run in runs] == ["ok"] * 3
    assert {tuple(run["gpus"]) for run in runs} == {("GPU-bbbb",)}
    assert "GPU GPU-aaaa failed" in done.stderr
    for run in runs:
        measured(run)
