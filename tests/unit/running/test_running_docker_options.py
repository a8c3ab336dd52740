"""The options of one hardened container, as a whole text: a property that is lost shows here first."""

import json
from pathlib import Path

import pytest
from running_world import LIMITS

from lumirage.running.runtimes.docker_options import HELD, Engine, cannot_limit, docker_options, isolation
from lumirage.running.runtimes.runtime_interface import Call, Mount

CALL = Call(
    name="lumirage-0001",
    owner="abcd",
    image="sha256:1234",
    arguments=("register", "/in/job.json", "/out"),
    mounts=(Mount(Path("/w/in"), "/in"), Mount(Path("/w/out"), "/out", readonly=False)),
    output=Path("/w/out"),
    environment={"OMP_NUM_THREADS": "2", "HOME": "/tmp/home"},
    limits=LIMITS,
    cpus=(2, 3),
    gpus=("GPU-aaaa",),
    user=(1000, 1001),
)
GOLDEN = """{
 "image": "sha256:1234",
 "command": ["register", "/in/job.json", "/out"],
 "name": "lumirage-0001",
 "labels": {"lumirage.owner": "abcd", "lumirage.call": "lumirage-0001"},
 "environment": {"HOME": "/tmp/home", "OMP_NUM_THREADS": "2"},
 "mounts": [
  {"Target": "/in", "Source": "/w/in", "Type": "bind", "ReadOnly": true},
  {"Target": "/out", "Source": "/w/out", "Type": "bind", "ReadOnly": false}
 ],
 "network_mode": "none",
 "read_only": true,
 "cap_drop": ["ALL"],
 "security_opt": ["no-new-privileges"],
 "pids_limit": 64,
 "mem_limit": 268435456,
 "memswap_limit": 268435456,
 "shm_size": 134217728,
 "tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777,size=268435456"},
 "init": true,
 "log_config": {"Type": "none", "Config": {}},
 "ipc_mode": "private",
 "hostname": "method",
 "healthcheck": {"test": ["NONE"]},
 "cpuset_cpus": "2,3",
 "user": "1000:1001",
 "device_requests": [
  {
   "Driver": "", "Count": 0, "DeviceIDs": ["GPU-aaaa"],
   "Capabilities": [["gpu", "compute", "utility"]], "Options": {}
  }
 ],
 "cgroup_parent": "/lumirage/abcd-lumirage-0001",
 "ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}]
}"""


def test_docker():
    assert docker_options(CALL, Engine(cgroup_parent="/lumirage")) == json.loads(GOLDEN)


def test_podman_gets_no_limits_that_a_rootless_user_may_not_set():
    options = docker_options(CALL, Engine(podman=True, rootless=True))
    assert options["ulimits"] == []
    assert options["userns_mode"] == "keep-id"
    assert "cgroup_parent" not in options


def test_what_is_not_asked_for_is_not_said():
    plain = Call(name="n", owner="o", image="i", output=Path("/o"), limits=LIMITS)
    assert not {"cpuset_cpus", "user", "device_requests", "entrypoint"} & docker_options(plain, Engine()).keys()


def test_what_the_image_declares_as_volume_is_mounted_read_only_where_nothing_of_ours_is():
    mounts = docker_options(CALL, Engine(), ("/out", "/tmp/", "/data/", "/cache/deep"))["mounts"]
    labels = {"lumirage.owner": "abcd", "lumirage.call": "lumirage-0001"}
    assert [mount["Target"] for mount in mounts] == ["/in", "/out", "/cache/deep", "/data"]
    assert mounts[2:] == [
        {
            "Target": path,
            "Source": f"lumirage-0001-{number}",
            "Type": "volume",
            "ReadOnly": True,
            "VolumeOptions": {"Labels": labels},
        }
        for number, path in enumerate(["/cache/deep", "/data"])
    ]


CAN = {"MemoryLimit": True, "SwapLimit": True, "PidsLimit": True, "CPUSet": True, "CgroupVersion": "1"}


@pytest.mark.parametrize(
    ("info", "rootless", "unheld"),
    [
        (CAN, False, set()),
        ({}, False, set()),
        ({**CAN, "SwapLimit": False}, False, {"swap"}),
        ({**CAN, "MemoryLimit": False, "PidsLimit": False}, False, {"memory", "processes"}),
        ({**CAN, "CPUSet": False}, False, {"cpus"}),
        (CAN, True, {"memory", "swap", "processes", "cpus"}),
        ({**CAN, "CgroupVersion": "2"}, True, set()),
        ({**CAN, "CgroupVersion": "2", "CgroupDriver": "none"}, True, {"memory", "swap", "processes", "cpus"}),
    ],
)
def test_what_the_engine_says_it_cannot_limit(info: dict[str, object], rootless: bool, unheld: set[str]):
    assert cannot_limit(info, rootless=rootless) == unheld


@pytest.mark.parametrize(
    ("unheld", "said"),
    [
        (set(), {}),
        ({"swap"}, {"memory": "not held: the engine cannot limit swap; memory without it is held"}),
        ({"memory", "swap"}, {"memory": "not held: the engine cannot limit memory"}),
        ({"processes"}, {"processes": "not held: the engine cannot limit processes"}),
        ({"cpus"}, {"cpus": "not held: the engine cannot limit cpus"}),
    ],
)
def test_the_record_claims_no_limit_that_the_engine_cannot_hold(unheld: set[str], said: dict[str, str]):
    assert isolation(Engine(cannot_limit=frozenset(unheld))) == HELD | said
