"""Control groups of our own and proportional set sizes, on made-up folders."""

from pathlib import Path

import pytest

from lumirage.core.model import Limits
from lumirage.running.call_control_group import OwnGroup
from lumirage.running.control_groups import Hierarchy
from lumirage.running.process_memory import pss_bytes

LIMITS = Limits(memory_bytes=1000, pids=7)


def test_version_2_holds_memory_swap_and_processes(tmp_path: Path):
    place = tmp_path / "lumirage" / "x"
    place.mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    (place / "memory.swap.max").write_text("max")
    (place / "memory.stat").write_text("anon 30\nshmem 12\n")
    (place / "cgroup.procs").write_text("")
    group = OwnGroup(Hierarchy({"": tmp_path}), "x", LIMITS)
    assert (place / "memory.max").read_text() == "1000"
    assert (place / "memory.swap.max").read_text() == "0"
    assert (place / "pids.max").read_text() == "7"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert group.procs == (place / "cgroup.procs",)
    assert group.memory_bytes() == 42
    group.close()


def test_version_1_joins_every_controller(tmp_path: Path):
    mounts = {name: tmp_path / name for name in ("memory", "cpuacct", "pids")}
    memory = mounts["memory"] / "lumirage" / "x"
    memory.mkdir(parents=True)
    (memory / "memory.stat").write_text("total_rss 5\ntotal_shmem 6\n")
    group = OwnGroup(Hierarchy(mounts), "x", LIMITS)
    assert [path.relative_to(tmp_path).parts[0] for path in group.procs] == ["memory", "cpuacct", "pids"]
    assert (memory / "memory.limit_in_bytes").read_text() == "1000"
    assert group.memory_bytes() == 11
    group.close()


def test_a_hierarchy_that_cannot_be_written_raises(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        OwnGroup(Hierarchy({"memory": tmp_path / "file"}), "x", LIMITS)


def test_shared_pages_count_once(tmp_path: Path):
    rollup = tmp_path / "smaps_rollup"
    rollup.write_text(
        "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss: 100 kB\nPss_Anon: 60 kB\nPss_Shmem: 4 kB\n"
    )
    assert pss_bytes(rollup) == 64 * 1024
    rollup.write_text("Rss: 900 kB\nPss: 100 kB\n")
    assert pss_bytes(rollup) == 100 * 1024
    assert pss_bytes(tmp_path / "absent") is None
