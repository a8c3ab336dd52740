"""Paths of the host, from within a container."""

from pathlib import Path
from types import SimpleNamespace

import docker
import pytest

from lumirage.core.errors import UnavailableError
from lumirage.core.model import Limits, Usage
from lumirage.running.runtimes.docker import DockerRuntime
from lumirage.running.runtimes.docker_siblings import SiblingDocker, own_identity, translated
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Mount, Watch

MOUNTS = {"/data/out": "/srv/x/out", "/cache": "/home/u/cache", "/data/out/deep": "/other"}


@pytest.mark.parametrize(
    ("here", "host"),
    [
        ("/data/out", "/srv/x/out"),
        ("/data/out/deeper/a/in", "/srv/x/out/deeper/a/in"),
        ("/data/out/deep/b", "/other/b"),
        ("/cache/lumirage/weights/1", "/home/u/cache/lumirage/weights/1"),
    ],
)
def test_a_path_in_a_mount_is_the_hosts(here: str, host: str):
    assert translated(here, MOUNTS) == host


def test_a_path_in_no_mount_is_refused_with_what_to_do():
    with pytest.raises(UnavailableError, match=r"/data/outside/x is not on the host.*-v FOLDER:FOLDER"):
        translated("/data/outside/x", MOUNTS)


def test_the_own_container_is_known_by_its_hostname_file():
    name = "ab" * 32
    line = f"700 600 254:0 /var/lib/docker/containers/{name}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
    assert own_identity("1 2 0:1 / / rw - overlay overlay rw\n" + line) == name
    assert own_identity("1 2 0:1 / / rw - overlay overlay rw\n") is None


class Engine:
    """Knows the container in which the harness runs, or does not."""

    def __init__(self, mounts: dict[str, str] | None):
        self.api = SimpleNamespace(inspect_container=self._inspect)
        self._known = mounts

    def _inspect(self, identity: str) -> dict[str, object]:
        if self._known is None:
            raise docker.errors.NotFound(identity)
        return {"Mounts": [{"Destination": here, "Source": host} for here, host in self._known.items()]}

    def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("known", "started_with"),
    [(None, "/data/out/in"), ({"/data/out": "/srv/out", "/tmpfs": ""}, "/srv/out/in")],
    ids=["an engine within this container", "the host's engine"],
)
def test_mounts_are_the_hosts_only_where_the_engine_is_the_hosts(
    known: dict[str, str] | None, started_with: str, monkeypatch: pytest.MonkeyPatch
):
    calls: list[Call] = []
    monkeypatch.setattr(DockerRuntime, "run", lambda _, call, __: calls.append(call) or CallResult(Usage(wall_s=1.0)))
    monkeypatch.setattr(DockerRuntime, "_client", lambda *_: Engine(known))
    output = Path("/data/out/out")
    asked = Call(
        name="n", owner="o", image="i", mounts=(Mount(Path("/data/out/in"), "/in"),), output=output, limits=Limits()
    )
    SiblingDocker().run(asked, Watch)
    assert [(call.mounts, call.output) for call in calls] == [((Mount(Path(started_with), "/in"),), output)]
