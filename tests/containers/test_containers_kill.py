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
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import psutil
import pytest
from tests.containers.conftest import cache_of

from lumirage.core.model import Outcome, Run
from lumirage.core.records import read_json
from lumirage.running.control_groups import Hierarchy
from lumirage.running.runtimes.runtime_interface import OWNER_LABEL, Runtime
from lumirage.running.scratch import temporary
from lumirage.running.tree_lock import holder

PAIRS = 6
KILLS = 20
WORKER = Path(__file__).with_name("kill_worker.py")
PATIENCE_S = 180.0
RECORDED_WITHIN_S = 0.4
"""Of its end, a pair of a batch has its record."""
Results = dict[str, tuple[Outcome, str]]


class Harness:
    """Starts harnesses, one at a time, and kills them."""

    def __init__(self, runtime: str, image: str, cache: Path, seconds: float):
        words = [sys.executable, str(WORKER), runtime, image, str(cache), str(PAIRS), str(seconds)]
        self._parent = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._pid: int | None = None

    def begin(self, root: Path) -> None:
        """Returns when it works in the tree of `root`."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{root}\n")
        self._parent.stdin.flush()
        word, number = self._read()
        assert word == "ready", f"it ended with status {number}"
        self._pid = int(number)

    def kill(self) -> bool:
        """Kill it; whether it was still there."""
        assert self._pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return self.end() == -signal.SIGKILL

    def end(self) -> int:
        """Its exit status, once it has ended."""
        word, status = self._read()
        assert word == "ended"
        return int(status)

    def complete(self, root: Path) -> None:
        """Let it do all that is left."""
        self.begin(root)
        assert self.end() == 0

    def _read(self) -> tuple[str, str]:
        assert self._parent.stdout is not None
        impatience = threading.Timer(PATIENCE_S, self._parent.kill)
        impatience.start()
        try:
            word, number = self._parent.stdout.readline().split()
        finally:
            impatience.cancel()
        return word, number

    def close(self) -> None:
        self._parent.communicate(timeout=PATIENCE_S)


@pytest.fixture
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Harness]]:
    """Makes a harness for a runtime and an image; each pair takes so many seconds."""
    made: list[Harness] = []

    def start(runtime: str, image: str, seconds: float = 0.1) -> Harness:
        made.append(Harness(runtime, image, cache_of(tmp_path_factory), seconds))
        return made[-1]

    yield start
    for harness in made:
        harness.close()


def out(root: Path) -> Path:
    (found,) = root.glob("out *")
    return found


def records(root: Path) -> dict[str, tuple[int, str]]:
    """Record -> when it was written, and its content."""
    return {str(p): (p.stat().st_mtime_ns, p.read_text()) for p in out(root).rglob("[!.]*_run.json")}


def results(root: Path) -> Results:
    """Pair -> outcome and hash of its answer; each record must be whole, and its answer the one it speaks of."""
    runs = {path.name.split("_run")[0]: read_json(path, Run) for path in out(root).rglob("*_run.json")}
    fields = {path.name.split("_xfm")[0]: path for path in out(root).rglob("*_xfm.nii")}
    assert fields.keys() == {name for name, run in runs.items() if run.outcome is Outcome.OK}
    for name, field in fields.items():
        assert runs[name].answer_sha256 == hashlib.sha256(field.read_bytes()).hexdigest()
    return {run.pair: (run.outcome, str(run.answer_sha256)) for run in runs.values()}


def undisturbed(harness: Harness, root: Path) -> Results:
    """What a run that nobody kills gives; the same on every engine and at every speed."""
    harness.complete(root)
    found = results(root)
    assert len(found) == PAIRS
    assert {outcome for outcome, _ in found.values()} == {Outcome.OK}
    assert len({digest for _, digest in found.values()}) > PAIRS // 2  # answers tell pairs apart
    return found


def containers(root: Path, **filters: str) -> list[str]:
    chosen = {"label": f"{OWNER_LABEL}=kill-{root.name}", **filters}
    with contextlib.closing(docker.from_env()) as client:
        return [str(c.id) for c in client.containers.list(all=True, ignore_removed=True, filters=chosen)]


def nothing_is_left(root: Path, runtime: str) -> None:
    """No lock, no scratch, no half of a file, no container, no process."""
    assert holder(out(root) / ".lock") is None
    assert not list((out(root) / "work" / "scratch").glob("*"))
    assert not [path for path in out(root).rglob(".*") if path.name != ".lock"]
    if runtime == "docker":
        assert not containers(root)
    owner = f"kill-{root.name}"
    assert not list(temporary(os.environ).glob(f"lumirage-{owner}-*"))
    assert not [group for mount in Hierarchy.found().mounts.values() for group in mount.glob(f"lumirage/{owner}-*")]
    assert not [process for process in psutil.process_iter(["environ"]) if owner in str(process.info["environ"])]


class Disturbed:
    """One tree in which harness after harness is killed."""

    def __init__(self, root: Path):
        self.root = root
        self.under_way = self.kept = 0

    def kill(self, harness: Harness, part: float, lasts_s: float) -> bool:
        """Kill one after this part of what it has left to do, where all of it lasts that long; whether it was there.

        What was recorded before must be as it was, and pairs that ended in containers under way must have a record.
        """
        left = self.folders()  # by those before, which this one has yet to clear away
        harness.begin(self.root)
        before = records(self.root)
        time.sleep(part * lasts_s * (PAIRS - len(before)) / PAIRS)
        killed, killed_at = harness.kill(), time.time()
        now = records(self.root)
        answers = [path for folder in self.folders() - left for path in folder.glob("out/*/displacement.nii")]
        ended = [path for path in answers if path.stat().st_mtime < killed_at - RECORDED_WITHIN_S]
        assert len(ended) <= len(now) - len(before)
        assert {path: now[path] for path in before} == before
        self.kept += bool(before)
        self.under_way += bool(list((out(self.root) / "work" / "scratch").glob("*")))
        return killed

    def folders(self) -> set[Path]:
        """Of containers, under way or left."""
        places = (tree / "work" / "scratch" for tree in self.root.glob("out *"))
        return {folder for place in places if place.is_dir() for folder in place.iterdir()}

    @property
    def saved(self) -> int:
        """Pairs that had ended in a container that was under way when its harness was killed."""
        return sum('"container_ended": false' in text for _, text in records(self.root).values())

    @property
    def is_complete(self) -> bool:
        return len(records(self.root)) == PAIRS


def test_the_harness_is_killed_at_random_points(
    tmp_path: Path, runtime: Runtime, image: str, started: Callable[..., Harness]
):
    harness, draw = started(runtime.name, image, seconds=0.3), random.Random(0)
    runtime.prepare(image)  # what is made once is not to be timed
    began = time.monotonic()
    expected = undisturbed(harness, tmp_path / "undisturbed")
    lasts_s = time.monotonic() - began
    trees: list[Disturbed] = []
    killed = 0
    while killed < KILLS:
        if not trees or trees[-1].is_complete:
            trees.append(Disturbed(tmp_path / f"killed-{os.getpid()}-{runtime.name}-{len(trees)}"))
            trees[-1].root.mkdir()
        hit = trees[-1].kill(harness, draw.random(), lasts_s)
        killed += hit
        lasts_s *= 1.0 if hit else 0.7  # it was measured when the machine was busier
    for tree in trees:
        before = records(tree.root)
        harness.complete(tree.root)
        after = records(tree.root)
        assert {path: after[path] for path in before} == before
        assert results(tree.root) == expected
        nothing_is_left(tree.root, runtime.name)
    # The points were good ones: in the middle of runs, with records that had to be kept, and within batches.
    assert sum(tree.under_way for tree in trees) >= KILLS // 4
    assert sum(tree.kept for tree in trees) >= KILLS // 4
    assert sum(tree.saved for tree in trees) >= 2


@pytest.fixture(scope="session")
def expected(docker_image: str, docker_runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Results:
    with contextlib.closing(Harness("docker", docker_image, cache_of(tmp_path_factory), 0.1)) as harness:
        return undisturbed(harness, tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("by_whom", ["the engine", "the machine", "nobody: it is paused"])
def test_a_container_is_killed(
    tmp_path: Path, docker_image: str, started: Callable[..., Harness], expected: Results, by_whom: str
):
    """By the engine's order it is no word about the method, and is done again; without, it is: a method can kill itself.
    Then it crashed, and the record says by which signal. One that was paused is done again too: its times are wrong."""
    harness = started("docker", docker_image, seconds=0.6)
    root = tmp_path / f"container-{os.getpid()}-{by_whom[4:7]}"
    root.mkdir()
    harness.begin(root)
    with contextlib.closing(docker.from_env()) as client:
        until = time.monotonic() + PATIENCE_S
        while not (there := containers(root, status="running")) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        if by_whom == "the engine":
            client.containers.get(there[0]).kill()
        elif by_whom != "the machine":
            client.containers.get(there[0]).pause()
            time.sleep(1.0)
            client.containers.get(there[0]).unpause()
        else:  # a process beside the method, as a machine short of memory would: the engine gives no order
            client.containers.get(there[0]).exec_run(["python3", "-c", "import os; os.kill(-1, 9)"])
    assert harness.end() == 0
    found = results(root)
    if by_whom != "the machine":
        assert found == expected
        times = [read_json(path, Run).wall_s for path in out(root).rglob("*_run.json")]
        assert max(time_s for time_s in times if time_s) < 1.6, "a pair takes 0.6 s"
    else:
        crashed = {pair for pair, (outcome, _) in found.items() if outcome is Outcome.CRASHED}
        assert len(crashed) == 1
        assert {**found, **{pair: expected[pair] for pair in crashed}} == expected
    before = records(root)
    harness.complete(root)
    assert records(root) == before
    nothing_is_left(root, "docker")


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


def test_the_engine_is_killed_once(
    tmp_path: Path,
    own_daemon: Daemon,
    docker_image_elsewhere: bytes,
    started: Callable[..., Harness],
    expected: Results,
):
    with contextlib.closing(own_daemon.client()) as client:
        (loaded,) = client.images.load(docker_image_elsewhere)
    harness = started("docker", str(loaded.id))
    root = tmp_path / f"engine-{os.getpid()}"
    root.mkdir()
    harness.begin(root)
    until = time.monotonic() + PATIENCE_S
    while not records(root) and time.monotonic() < until:
        time.sleep(0.02)
    own_daemon.kill()
    before = records(root)
    assert 0 < len(before) < PAIRS
    time.sleep(1.0)
    own_daemon.start()
    assert harness.end() == 0
    assert {path: records(root)[path] for path in before} == before
    before = records(root)
    harness.complete(root)
    assert records(root) == before
    assert results(root) == expected
    with contextlib.closing(own_daemon.client()) as client:
        assert not client.containers.list(all=True)
    nothing_is_left(root, "docker")


@pytest.fixture(scope="session")
def docker_image_elsewhere(docker_image: str) -> bytes:
    """The test image as a file, for another daemon."""
    with contextlib.closing(docker.from_env()) as client:
        return b"".join(client.images.get(docker_image).save())
