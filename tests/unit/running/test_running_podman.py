"""podman's answers, as podman 5.4.2 gave them on Debian 13, from a socket; no podman is needed."""

import contextlib
import http.server
import json
import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from running_world import LIMITS

from lumirage.core.engine_hints import START, engine_hint
from lumirage.core.errors import UnavailableError
from lumirage.methods.method_list import images_here
from lumirage.running.control_groups import Hierarchy
from lumirage.running.doctor import Finding, explained
from lumirage.running.runtimes.docker import DockerRuntime
from lumirage.running.runtimes.docker_options import Engine, docker_options, isolation
from lumirage.running.runtimes.docker_state import create
from lumirage.running.runtimes.engine_probe import of_podman, probed
from lumirage.running.runtimes.podman import CONTROLLERS, DELEGATE, INFO, UNIFIED, Podman
from lumirage.running.runtimes.runtime_interface import Call, Feature
from lumirage.running.usage_sources import container_tree

VERSION = {
    "Components": [{"Name": "Podman Engine", "Version": "5.4.2"}, {"Name": "Conmon"}],
    "Version": "5.4.2",
    "ApiVersion": "1.41",
    "MinAPIVersion": "1.24",
}
COMPATIBLE_INFO = {"MemoryLimit": True, "SwapLimit": False, "CPUSet": False, "PidsLimit": True, "CgroupVersion": "2"}
"""The same for root, who can pin CPUs, and for others, who cannot."""
CREATED = "/v1.41/containers/create"
CALL = Call(
    name="lumirage-0001",
    owner="abcd",
    image="sha256:1234",
    arguments=("register",),
    output=Path("/w/out"),
    limits=LIMITS,
    cpus=(2, 3),
    user=(1000, 1001),
)


def libpod(
    *, rootless: bool, controllers: str, groups: str = "v2", ids: tuple[int, ...] = (1, 65536)
) -> dict[str, Any]:
    """The parts of podman's own `info` that are read."""
    uids = [{"container_id": number, "host_id": 1000, "size": size} for number, size in enumerate(ids)]
    return {
        "host": {
            "cgroupControllers": controllers.split(),
            "cgroupManager": "systemd",
            "cgroupVersion": groups,
            "idMappings": {"uidmap": uids if rootless else []},
            "security": {"rootless": rootless},
        },
        "version": {"Version": "5.4.2"},
    }


ORDINARY = libpod(rootless=True, controllers="cpu memory pids")
ROOT = libpod(rootless=False, controllers="cpuset cpu io memory hugetlb pids rdma misc")


class Answers(http.server.BaseHTTPRequestHandler):
    """Replays what it is given by path, and keeps what it was sent."""

    protocol_version = "HTTP/1.1"
    replies: dict[str, tuple[int, Any]]
    heard: list[tuple[str, Any]]

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, sent: Any) -> None:
        path = self.path.partition("?")[0]
        self.heard.append((path, sent))
        status, answer = self.replies.get(path, (404, {"message": f"no {path}"}))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return

    def address_string(self) -> str:
        return "socket"


@contextlib.contextmanager
def answering(folder: Path, replies: dict[str, Any]) -> Iterator[tuple[docker.DockerClient, list[tuple[str, Any]]]]:
    """A client of an engine that gives these replies, and what the engine was sent."""
    heard: list[tuple[str, Any]] = []
    full = {path: reply if isinstance(reply, tuple) else (200, reply) for path, reply in replies.items()}
    handler = type("Handler", (Answers,), {"replies": full, "heard": heard})
    address = str(folder / "s")
    with socketserver.ThreadingUnixStreamServer(address, handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        client = docker.DockerClient(f"unix://{address}", version="1.41", timeout=10)
        try:
            yield client, heard
        finally:
            client.close()
            server.shutdown()


def replies(info: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"/v1.41/info": COMPATIBLE_INFO, "/v1.41/version": VERSION, INFO: info, **more}


@pytest.mark.parametrize(("info", "unheld"), [(ORDINARY, {"cpus"}), (ROOT, set())], ids=["an ordinary user", "root"])
def test_the_limits_are_those_of_podmans_own_answer_and_not_of_dockers(tmp_path, info, unheld):
    with answering(tmp_path, replies(info)) as (client, _):
        engine = probed(client, Hierarchy({}))
    assert engine.podman
    assert engine.rootless is (info is ORDINARY)
    assert engine.cannot_limit == unheld
    assert engine.cgroup_parent is None


def test_a_rootless_container_is_made_in_the_users_own_namespace(tmp_path):
    """The SDK refuses every user namespace but the host's before it asks the engine."""
    made = {"Id": "c0ffee", "Warnings": []}
    shown = {"Id": "c0ffee", "Name": "/lumirage-0001", "State": {"Status": "created"}}
    with answering(tmp_path, {CREATED: (201, made), "/v1.41/containers/c0ffee/json": shown}) as (client, heard):
        options = docker_options(CALL, of_podman(Podman.read(ORDINARY)))
        assert create(client, options).id == "c0ffee"
    sent = next(body for path, body in heard if path == CREATED)
    host = sent["HostConfig"]
    assert host["UsernsMode"] == "keep-id"
    assert (sent["User"], sent["Image"], sent["Cmd"]) == ("1000:1001", "sha256:1234", ["register"])
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (LIMITS.memory_bytes, LIMITS.memory_bytes, 64)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["NanoCpus"], "CpusetCpus" in host) == (2 * 10**9, False)


def test_who_cannot_pin_gets_the_time_of_as_many_cpus_and_the_record_says_so():
    ordinary, root = of_podman(Podman.read(ORDINARY)), of_podman(Podman.read(ROOT))
    assert isolation(ordinary)["cpus"] == "not held: the engine cannot pin them; the CPU time of as many is held"
    assert docker_options(CALL, root)["cpuset_cpus"] == "2,3"
    assert isolation(root)["cpus"] == "held: pinned"
    nothing = of_podman(Podman.read(libpod(rootless=True, controllers="")))
    assert not {"cpuset_cpus", "nano_cpus"} & docker_options(CALL, nothing).keys()
    assert isolation(nothing)["cpus"] == "not held: the engine cannot limit cpus"


def test_each_thing_that_podman_lacks_is_a_line_that_tells_what_to_do():
    bare = Podman.read(libpod(rootless=True, controllers="memory", ids=(1,)))
    lines = {feature.name: feature for feature in bare.features()}
    assert lines["engine"].how == "podman 5.4.2, rootless, control groups v2 (systemd), controllers memory"
    assert [name for name, line in lines.items() if not line.has] == ["user_ids", "cpus", "processes"]
    assert "--add-subuids" in lines["user_ids"].how
    assert "podman system migrate" in lines["user_ids"].how
    assert lines["cpus"].how == f"podman was given no controller cpuset; {DELEGATE}"


def test_rootless_podman_limits_nothing_on_control_groups_version_1():
    old = Podman.read(libpod(rootless=True, controllers="", groups="v1"))
    assert old.cannot_limit == set(CONTROLLERS)
    assert all(feature.how.endswith(UNIFIED) for feature in old.features() if not feature.has)
    assert Podman.read(libpod(rootless=False, controllers="", groups="v1")).cannot_limit == set()


def process(folder: Path, pid: int, *numbers: int) -> Path:
    (folder / str(pid)).mkdir()
    (folder / str(pid) / "status").write_text("Name:\tinit\nNSpid:\t" + "\t".join(map(str, numbers)) + "\n")
    return folder


def test_without_a_group_of_its_own_a_container_is_measured_by_its_processes_and_by_nobody_elses(tmp_path):
    """Rootless podman on control groups version 1 leaves its containers in the group of whoever started it."""
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        tree = container_tree(os.getpid(), process(tmp_path, os.getpid(), os.getpid(), 1))
        assert tree is not None
        assert {os.getpid(), child.pid} <= set(tree.pids())
        assert tree.memory_bytes() > 2**20
        assert tree.memory_how.endswith("temporary files in memory do not count")
    finally:
        child.kill()
        child.wait()
    for pid, numbers in ((11, (11,)), (12, (12, 7)), (2**22 + 1, (2**22 + 1, 1))):
        assert container_tree(pid, process(tmp_path, pid, *numbers)) is None


def test_memory_that_podman_cannot_limit_is_told_in_the_record():
    old = of_podman(Podman.read(libpod(rootless=True, controllers="", groups="v1")))
    said = "not held: the engine cannot limit memory; it is sampled 20 times a second and killed above its limit"
    assert isolation(old)["memory"] == said


def test_an_image_of_podmans_has_the_name_that_it_was_given(tmp_path, monkeypatch):
    """podman lists what was built here under `localhost/`; a method would be built again and again."""
    listed = [{"Id": "sha256:1", "RepoTags": ["localhost/lumirage/tiny:v1"]}]
    shown = {"Id": "sha256:1", "RepoTags": ["localhost/lumirage/tiny:v1", "docker.io/some/image:2"]}
    answers = {"/v1.41/images/json": listed, "/v1.41/images/sha256:1/json": shown}
    with answering(tmp_path, answers) as (client, _):
        monkeypatch.setattr(docker, "from_env", lambda **_: client)
        found = images_here()
    assert found == {"localhost/lumirage/tiny:v1", "lumirage/tiny:v1", "docker.io/some/image:2", "some/image:2"}


NO_INIT = {
    "cause": "no such file or directory",
    "message": 'container create: lookup init binary: could not find "catatonit" in one of [/usr/libexec/podman]',
    "response": 500,
}


def test_podman_without_an_init_program_says_what_to_install(tmp_path, monkeypatch):
    replied = replies(ROOT, **{CREATED: (500, NO_INIT), "/v1.41/images/sha256:1234/json": {"Id": "sha256:1234"}})
    with answering(tmp_path, replied) as (client, _):
        runtime = DockerRuntime()
        monkeypatch.setattr(runtime, "_client", lambda *_: client)
        with pytest.raises(UnavailableError, match="podman has no init program: install catatonit"):
            runtime.run(CALL, None)  # type: ignore[arg-type]  # nothing starts


def test_no_gpu_goes_to_podman_unnoticed(tmp_path, monkeypatch):
    runtime = DockerRuntime()
    runtime.__dict__["engine"] = Engine(podman=True)
    gpu = Call(name="n", owner="o", image="i", output=tmp_path, limits=LIMITS, gpus=("GPU-a",))
    with pytest.raises(UnavailableError, match="use Docker or --runtime apptainer"):
        runtime.run(gpu, None)  # type: ignore[arg-type]  # nothing starts
    assert "apptainer" in runtime.gpu_refusal()


def test_the_doctor_joins_what_failed_with_what_to_change():
    features = (
        Feature("engine", True, "podman 5"),
        Feature("cpus", False, "no cpuset; do this"),
        Feature("swap", False, "no swap; do that"),
        Feature("memory", False, "says that it cannot"),
    )
    found = [Finding("cpus", False, "2 CPUs seen"), Finding("memory", True, "exit code 137")]
    assert explained(found, features) == [
        Finding("engine", True, "podman 5"),
        Finding("swap", False, "no swap; do that"),
        Finding("cpus", False, "2 CPUs seen; no cpuset; do this"),
        Finding("memory", True, "exit code 137"),
    ]


def only(*names: str) -> Any:
    return lambda name: f"/usr/bin/{name}" if name in names else None


def test_where_podman_is_installed_and_docker_is_not_the_hint_is_its_socket(tmp_path):
    enable, export = "systemctl --user enable --now podman.socket", "export DOCKER_HOST=unix://"
    socket = tmp_path / "user" / "1000" / "podman" / "podman.sock"
    said = engine_hint({}, uid=1000, run=tmp_path, which=only("podman"))
    assert said == f"podman is installed: `{enable} && {export}{socket}`"
    root = engine_hint({}, uid=0, run=tmp_path, which=only("podman"))
    assert root == (
        f"podman is installed: `systemctl enable --now podman.socket && {export}{tmp_path / 'podman' / 'podman.sock'}`"
    )
    socket.parent.mkdir(parents=True)
    socket.touch()
    assert engine_hint({}, uid=1000, run=tmp_path, which=only("podman")) == f"podman is installed: `{export}{socket}`"


def test_a_docker_host_that_does_not_answer_is_named():
    said = engine_hint({"DOCKER_HOST": "unix:///run/user/7/podman/podman.sock"}, uid=7)
    assert said.endswith("start podman's socket with `systemctl --user enable --now podman.socket`")
    said = engine_hint({"DOCKER_HOST": "tcp://far:1"}, uid=7)
    assert said == "DOCKER_HOST is tcp://far:1; start the engine there, or unset DOCKER_HOST"
    assert engine_hint({}, uid=7, which=only("podman", "dockerd")) == engine_hint({}, uid=7, which=only()) == START
