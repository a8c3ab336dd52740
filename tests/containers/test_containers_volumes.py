"""What an image declares as VOLUME: it shows what the image holds there, and takes nothing."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from running_world import LIMITS
from tests.containers.conftest import BASE, built

from lumirage.running.doctor import examine
from lumirage.running.runtimes import docker as docker_module
from lumirage.running.runtimes.runtime_interface import CALL_LABEL, OWNER_LABEL, Call, Runtime, StopReason

WRITES = """
print(open("/data/deep/weights").read().strip())
for place in ("/data", "/data/deep", "/empty"):
    try:
        open(place + "/big", "wb").write(b"1" * 60 * 2**20)
    except OSError as error:
        print(place, error.strerror)
    else:
        print(place, "written")
"""


class Heard:
    text = b""

    def started(self, at_s: float) -> None:
        return

    def output(self, chunk: bytes, at_s: float) -> None:
        self.text += chunk

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        return None


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    dockerfile = (
        f"FROM {BASE}\nRUN mkdir -p /data/deep /empty && echo of the image >/data/deep/weights "
        "&& chmod -R 777 /data /empty\nVOLUME /data /data/deep/ /empty /tmp\n"
    )
    with built(dockerfile, {}) as tag:
        yield tag


def left(owner: str) -> list[str]:
    with contextlib.closing(docker.from_env()) as client:
        return [str(volume.name) for volume in client.volumes.list(filters={"label": f"{OWNER_LABEL}={owner}"})]


def test_a_volume_of_the_image_is_seen_and_cannot_be_written(docker_runtime: Runtime, image: str, tmp_path: Path):
    words = ("python3", "-c", WRITES)
    name, owner = f"lumirage-{uuid.uuid4().hex}", uuid.uuid4().hex
    call = Call(
        name=name, owner=owner, image=image, entrypoint=words, output=tmp_path, limits=LIMITS, user=(65534, 65534)
    )
    heard = Heard()
    assert docker_runtime.run(call, heard).usage.exit_code == 0
    refused = "Read-only file system"
    assert heard.text.decode().splitlines() == [
        "of the image",
        f"/data {refused}",
        f"/data/deep {refused}",
        f"/empty {refused}",
    ]
    assert left(owner) == []
    assert docker_runtime.isolation()["image_volumes"] == "held: read-only"


def test_volumes_that_a_dead_harness_left_are_removed(docker_runtime: Runtime):
    owner = uuid.uuid4().hex
    labels = {OWNER_LABEL: owner, CALL_LABEL: "lumirage-dead"}
    with contextlib.closing(docker.from_env()) as client:
        for number in range(2):
            client.volumes.create(f"{owner}-{number}", labels=labels)
    assert len(left(owner)) == 2
    assert docker_runtime.remove_stale(owner) == 1
    assert left(owner) == []


def test_the_doctor_tries_the_volumes_of_an_image_that_has_some(
    docker_runtime: Runtime, image: str, monkeypatch: pytest.MonkeyPatch
):
    found = {one.name: one for one in examine(docker_runtime, image)}
    assert found["image_volumes"].held
    assert found["image_volumes"].how == "OSError: read-only: /data, /data/deep, /empty"
    assert found["memory"].held
    monkeypatch.setattr(docker_module, "image_volumes", lambda *_: ())  # as if nobody had thought of them
    assert not {one.name: one for one in examine(docker_runtime, image)}["image_volumes"].held


def test_the_doctor_says_nothing_of_volumes_where_there_are_none(docker_runtime: Runtime):
    assert "image_volumes" not in {one.name for one in examine(docker_runtime, BASE)}
