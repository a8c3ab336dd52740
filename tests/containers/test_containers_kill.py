"""Harness, containers and engine are killed; typed again, the results are those of an undisturbed run."""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker
import psutil
import pytest

from lumirage.model import Outcome, Run
from lumirage.records import read_json
from lumirage.running.lock import holder
from lumirage.running.runtimes.call import OWNER_LABEL, Runtime

PAIRS = 8
KILLS = {"docker": 20, "local": 6, "apptainer": 6}
WORKER = Path(__file__).with_name("kill_worker.py")


def start(root: Path, runtime: Runtime, image: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, str(WORKER), str(root), runtime.name, image, str(PAIRS), "2"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> int:
    with process:
        process.communicate(timeout=120)
    return process.returncode


def out(root: Path) -> Path:
    (found,) = root.glob("out *")
    return found


def records(root: Path) -> dict[str, tuple[int, str]]:
    """Record -> when it was written, and its content."""
    return {str(p): (p.stat().st_mtime_ns, p.read_text()) for p in out(root).rglob("*_run.json")}


def results(root: Path) -> dict[str, tuple[str, str]]:
    """Pair -> outcome and hash of its answer; each record must be whole."""
    runs = [read_json(path, Run) for path in out(root).rglob("*_run.json")]
    fields = {p.name.split("_xfm")[0]: p for p in out(root).rglob("*_xfm.nii")}
    assert len(fields) == len(runs)
    for path in out(root).rglob("*_run.json"):
        digest = hashlib.sha256(fields[path.name.split("_run")[0]].read_bytes()).hexdigest()
        assert read_json(path, Run).answer_sha256 == digest
    return {run.pair: (run.outcome, str(run.answer_sha256)) for run in runs}


@pytest.fixture
def undisturbed(tmp_path: Path, runtime: Runtime, image: str) -> dict[str, tuple[str, str]]:
    root = tmp_path / "undisturbed"
    assert finish(start(root, runtime, image)) == 0
    found = results(root)
    assert len(found) == PAIRS
    assert {outcome for outcome, _ in found.values()} == {Outcome.OK}
    assert len({digest for _, digest in found.values()}) > PAIRS // 2  # answers tell pairs apart
    return found


def containers(root: Path) -> list[str]:
    with contextlib.closing(docker.from_env()) as client:
        return [
            str(c.id) for c in client.containers.list(all=True, filters={"label": f"{OWNER_LABEL}=kill-{root.name}"})
        ]


def test_the_harness_is_killed_at_random_points(tmp_path: Path, runtime: Runtime, image: str, undisturbed):
    root, draw = tmp_path / f"killed-{os.getpid()}-{runtime.name}", random.Random(0)
    killed = 0
    for _ in range(KILLS[runtime.name]):
        process = start(root, runtime, image)
        before = records(root)
        time.sleep(draw.uniform(0.0, 0.9))
        process.send_signal(signal.SIGKILL)
        killed += finish(process) == -signal.SIGKILL
        now = records(root)
        assert {path: now[path] for path in before} == before
        if len(now) == PAIRS:
            break
    before = records(root)
    assert finish(start(root, runtime, image)) == 0
    assert killed >= 3
    assert {path: records(root)[path] for path in before} == before
    assert results(root) == undisturbed
    assert holder(out(root) / ".lock") is None
    assert not list((out(root) / "work" / "scratch").glob("*"))
    assert not list(out(root).rglob(".*-*_run.json"))
    if runtime.name == "docker":
        assert not containers(root)


def test_a_container_is_killed_by_somebody_else(tmp_path: Path, docker_runtime: Runtime, docker_image: str):
    root = tmp_path / f"container-{os.getpid()}"
    process = start(root, docker_runtime, docker_image)
    with contextlib.closing(docker.from_env()) as client:
        while not containers(root):
            time.sleep(0.05)
        time.sleep(0.4)
        with contextlib.suppress(docker.errors.APIError):
            client.containers.get(containers(root)[0]).kill()
    assert finish(process) == 0
    outcomes = sorted(outcome for outcome, _ in results_of_all(root).values())
    # Seen from outside it crashed: who killed it cannot be known, and the run says by which signal.
    assert outcomes.count(Outcome.OK) >= PAIRS - 1
    assert set(outcomes) <= {Outcome.OK, Outcome.CRASHED}
    assert not containers(root)


def results_of_all(root: Path) -> dict[str, tuple[str, str]]:
    runs = [read_json(path, Run) for path in out(root).rglob("*_run.json")]
    return {run.pair: (run.outcome, str(run.answer_sha256)) for run in runs}


@pytest.fixture
def own_daemon(monkeypatch: pytest.MonkeyPatch):
    """A second dockerd that may be killed: its own socket, folders and network namespace. Needs root and dockerd.

    The namespace is not for the tests' sake: a dockerd without a bridge removes docker0, which is the machine's own.
    """
    if os.getuid() != 0 or not (shutil.which("dockerd") and shutil.which("unshare")):
        if os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
            pytest.fail("this test starts a dockerd of its own, which needs root and dockerd")
        pytest.skip("this test starts a dockerd of its own, which needs root and dockerd")
    daemon = Daemon(Path(tempfile.mkdtemp(prefix="lumirage-dockerd-")))
    daemon.start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{daemon.socket}")
    yield daemon
    daemon.stop()


class Daemon:
    """One dockerd with the containerd that it starts itself."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.socket = Path(f"/run/lumirage-test-{os.getpid()}.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for name in ("data", "exec"):
            (self._folder / name).mkdir(exist_ok=True)
        options = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=overlay2"]
        places = [
            f"--data-root={self._folder}/data",
            f"--exec-root={self._folder}/exec",
            f"--pidfile={self._folder}/pid",
        ]
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--net", "dockerd", f"--host=unix://{self.socket}", *options, *places],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            # Not by the SDK: a client that finds nobody leaves its socket to the garbage collector.
            asked = subprocess.run(
                ["docker", "-H", f"unix://{self.socket}", "version"], capture_output=True, check=False
            )
            if asked.returncode == 0:
                return
            time.sleep(0.2)
        raise AssertionError((self._folder / "dockerd.log").read_text()[-3000:])

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=f"unix://{self.socket}")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        managed = self._folder / "exec" / "containerd" / "containerd.pid"
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(managed.read_text()), signal.SIGKILL)  # as a machine's service manager does
        for stale in (managed, self._folder / "pid"):
            stale.unlink(missing_ok=True)

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)
        self.socket.unlink(missing_ok=True)
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self._folder) in word for word in process.info["cmdline"] or []):
                process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)  # what is still mounted cannot be removed by pytest either


def test_the_engine_is_killed_once(tmp_path: Path, own_daemon: Daemon, docker_image_elsewhere: bytes):
    with contextlib.closing(own_daemon.client()) as client:
        (loaded,) = client.images.load(docker_image_elsewhere)
    root = tmp_path / f"engine-{os.getpid()}"

    class Named:
        name = "docker"

    process = start(root, Named(), str(loaded.id))  # type: ignore[arg-type]
    while not list(out(root).rglob("*_run.json")):
        time.sleep(0.05)
    time.sleep(0.3)
    own_daemon.kill()
    time.sleep(1.0)
    own_daemon.start()
    assert finish(process) == 0
    found = results(root)
    assert len(found) == PAIRS
    assert {outcome for outcome, _ in found.values()} == {Outcome.OK}
    with contextlib.closing(own_daemon.client()) as client:
        assert not client.containers.list(all=True)


@pytest.fixture(scope="session")
def docker_image_elsewhere(docker_image: str) -> bytes:
    """The test image as a file, for another daemon."""
    with contextlib.closing(docker.from_env()) as client:
        return b"".join(client.images.get(docker_image).save())
