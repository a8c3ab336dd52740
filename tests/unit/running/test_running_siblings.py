"""Paths of the host, from within a container."""

import pytest

from lumirage.errors import UnavailableError
from lumirage.running.runtimes.siblings import own_identity, translated

MOUNTS = {"/data/out": "/srv/x/out", "/cache": "/home/u/cache", "/data/out/deep": "/other"}


@pytest.mark.parametrize(
    ("here", "host"),
    [
        ("/data/out", "/srv/x/out"),
        ("/data/out/work/scratch/a/in", "/srv/x/out/work/scratch/a/in"),
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
