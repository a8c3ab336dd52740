"""Control groups as folders of files: what the kernel would write, in both versions."""

from pathlib import Path

import pytest

from lumirage.running.control_groups import Hierarchy, Totals
from lumirage.running.usage_sources import LiveGroup, ParentGroup

V1_STAT = "cache 4096\nrss 100\nshmem 7\ntotal_cache 9000000\ntotal_rss 1000000\ntotal_rss_huge 5\ntotal_shmem 2000\n"
V2_STAT = "anon 3000000\nfile 5000\nkernel 700\nshmem 40\nanon_thp 2\n"


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def v1(tmp_path: Path) -> Hierarchy:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"tmpfs {tmp_path} tmpfs rw 0 0\n"
        f"cgroup {tmp_path}/memory cgroup rw,relatime,memory 0 0\n"
        f"cgroup {tmp_path}/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n"
        f"cgroup2 {tmp_path}/unified cgroup2 rw 0 0\n"
    )
    group = {"memory__stat": V1_STAT, "memory__max_usage_in_bytes": "12345\n", "cgroup__procs": "11\n12\n"}
    fill(tmp_path / "memory/lumirage/x", **group, memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    fill(tmp_path / "memory/lumirage/x/child", **group)
    fill(tmp_path / "cpu,cpuacct/lumirage/x", cpuacct__usage="2500000000\n")
    fill(tmp_path / "unified")
    return Hierarchy.found(mounts)


@pytest.fixture
def v2(tmp_path: Path) -> Hierarchy:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"cgroup2 {tmp_path}/cgroup cgroup2 rw 0 0\n")
    fill(tmp_path / "cgroup", cgroup__controllers="cpu memory\n")
    fill(
        tmp_path / "cgroup/lumirage/x",
        memory__stat=V2_STAT,
        memory__peak="99999\n",
        memory__events="low 0\noom 1\noom_kill 1\noom_group_kill 0\n",
        cpu__stat="usage_usec 1500000\nuser_usec 1\n",
        cgroup__procs="21\n",
    )
    return Hierarchy.found(mounts)


def test_version_1(v1: Hierarchy):
    assert v1.version == 1
    group = v1.group("/lumirage/x")
    assert group.memory_bytes() == 1002000
    assert group.totals() == Totals(cpu_s=2.5, watermark_bytes=12345, oom_kills=2)
    assert sorted(group.pids()) == [11, 11, 12, 12]
    group.close()


def test_version_2(v2: Hierarchy):
    assert v2.version == 2
    group = v2.group("/lumirage/x")
    assert group.memory_bytes() == 3000040
    assert group.totals() == Totals(cpu_s=1.5, watermark_bytes=99999, oom_kills=1)
    assert group.pids() == [21]
    group.close()


def test_an_old_kernel_has_no_peak(v2: Hierarchy):
    (v2.mounts[""] / "lumirage/x/memory.peak").unlink()
    group = v2.group("lumirage/x")
    assert group.totals().watermark_bytes is None
    group.close()


def test_a_group_that_is_not_there_is_an_os_error(v1: Hierarchy, v2: Hierarchy):
    for hierarchy in (v1, v2):
        with pytest.raises(OSError, match="nobody"):
            hierarchy.group("/nobody")


def test_no_groups_at_all(tmp_path: Path):
    none = Hierarchy.found(tmp_path / "absent")
    assert none.version == 0
    assert not none.can_own()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_group_of_a_process(version: str, request: pytest.FixtureRequest, tmp_path: Path):
    hierarchy: Hierarchy = request.getfixturevalue(version)
    fill(tmp_path / "proc/7", cgroup="5:cpu,cpuacct:/lumirage/x\n4:memory:/lumirage/x\n0::/lumirage/x\n")
    assert hierarchy.path_of(7, tmp_path / "proc") == "/lumirage/x"


def test_a_parent_that_does_not_count_its_children_is_not_used(v1: Hierarchy):
    assert v1.can_own()
    (v1.mounts["memory"] / "memory.use_hierarchy").write_text("0\n")
    assert not v1.can_own()


def test_the_rungs_of_the_ladder_are_named_and_read(v1: Hierarchy):
    parent = ParentGroup(v1, "/lumirage/x", "child")
    assert parent.memory_bytes() == 1002000
    assert parent.totals().cpu_s == 2.5
    assert "exact" in parent.cpu_how
    parent.close()
    live = LiveGroup(v1, "/lumirage/x")
    assert live.memory_bytes() == 1002000
    assert not live.lasting
    assert "last sample" in live.cpu_how
    live.close()


def test_only_empty_groups_of_the_owner_are_cleared(v1: Hierarchy):
    groups = v1.mounts["memory"] / "lumirage"
    for name in ("me-dead", "me-alive/child", "other-about-to-be-read"):
        (groups / name).mkdir(parents=True)
    v1.remove_empty("/lumirage", "me-")
    assert {path.name for path in groups.iterdir()} == {"x", "me-alive", "other-about-to-be-read"}
