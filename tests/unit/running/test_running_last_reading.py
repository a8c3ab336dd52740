"""Groups of version 2 as folders of files: what a group had used in all is read at its end, or it is said that it was not."""

import shutil
import time
from pathlib import Path

import pytest
from running_world import LIMITS

from lumirage.running.control_groups import Hierarchy, Totals
from lumirage.running.resource_leases import Leases
from lumirage.running.runtimes.docker import DockerRuntime
from lumirage.running.runtimes.docker_options import Engine, docker_options
from lumirage.running.runtimes.docker_slices import NEW, Slice, Slices
from lumirage.running.runtimes.runtime_interface import Call
from lumirage.running.usage_sources import LiveGroup, SliceGroup

SCOPE = "docker-1234.scope"


def write(folder: Path, cpu_s: float, *, peak: int = 0, kills: int = 0, populated: bool = True) -> None:
    """A group that has used this much so far."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.stat").write_text("anon 3000\nshmem 40\n")
    (folder / "cpu.stat").write_text(f"usage_usec {cpu_s * 1e6:.0f}\nuser_usec 1\n")
    (folder / "memory.peak").write_text(f"{peak}\n")
    (folder / "memory.events").write_text(f"oom 9\noom_kill {kills}\n")
    (folder / "cgroup.procs").write_text("21\n" if populated else "")
    (folder / "cgroup.events").write_text(f"populated {int(populated)}\nfrozen 0\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "cgroup"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "mounts").write_text(f"cgroup2 {folder} cgroup2 rw 0 0\n")
    return folder


@pytest.fixture
def hierarchy(root: Path) -> Hierarchy:
    return Hierarchy.found(root.parent / "mounts")


def wait_for(group: LiveGroup) -> None:
    until = time.monotonic() + 30
    while not group.lasting and time.monotonic() < until:
        time.sleep(0.01)
    assert group.lasting


def test_a_group_is_read_when_its_last_process_has_ended(root: Path, hierarchy: Hierarchy):
    write(root / "call", 1.5, peak=100)
    group = LiveGroup(hierarchy, "/call")
    assert group.totals() == Totals(1.5, 100, 0)
    assert not group.lasting
    assert group.cpu_how == "cgroup v2, last sample before the end (20 Hz)"
    write(root / "call", 4.0, peak=900, kills=1, populated=False)
    wait_for(group)
    shutil.rmtree(root / "call")
    assert group.totals() == Totals(4.0, 900, 1)
    assert group.cpu_how == "cgroup v2, read after its last process had ended, exact"
    assert group.memory_how.endswith("; watermark read after its last process had ended, exact")
    group.close()


def test_a_group_that_is_removed_too_soon_is_known_as_last_seen(root: Path, hierarchy: Hierarchy):
    write(root / "call", 1.5)
    (root / "call" / "cgroup.events").unlink()
    (root / "call" / "cgroup.events").mkdir()  # opens, and cannot be read, as a file of a group that is gone
    group = LiveGroup(hierarchy, "/call")
    time.sleep(0.05)
    assert not group.lasting
    assert "last sample" in group.cpu_how
    assert "watermark last sample" in group.memory_how
    group.close()


def slice_group(hierarchy: Hierarchy, slot: Slice) -> SliceGroup:
    return SliceGroup(hierarchy, slot.path, slot.before, SCOPE)


def test_a_call_has_used_what_its_slice_counted_meanwhile(root: Path, hierarchy: Hierarchy, tmp_path: Path):
    place = root / "lumirage.slice/lumirage-0.slice"
    write(place, 70.0, peak=5000, kills=3, populated=False)
    with Slices(hierarchy, Leases(str(tmp_path))).one() as slot:
        assert slot is not None
        write(place / SCOPE, 1.0, peak=200)
        source = slice_group(hierarchy, slot)
        assert source.memory_bytes() == 3040
        assert source.pids() == [21]
        shutil.rmtree(place / SCOPE)
        write(place, 72.5, peak=6000, kills=4, populated=False)
        assert source.totals() == Totals(2.5, 200, 1, source.totals().why_not)
        assert source.cpu_how == "cgroup v2, slice of its own, read before and after, exact"
        source.close()


def test_a_call_that_nobody_saw_has_its_cpu_time_and_no_watermark(root: Path, hierarchy: Hierarchy):
    write(root / "lumirage.slice/lumirage-0.slice", 0.25, peak=5000, populated=False)
    source = slice_group(hierarchy, Slice("lumirage-0.slice", "/lumirage.slice/lumirage-0.slice", NEW))
    with pytest.raises(OSError, match=SCOPE):
        source.memory_bytes()
    assert source.totals() == Totals(0.25, None, 0, "it ended before it was looked at")
    source.close()


def test_a_slice_that_was_never_made_claims_nothing(hierarchy: Hierarchy):
    source = slice_group(hierarchy, Slice("lumirage-0.slice", "/lumirage.slice/lumirage-0.slice", NEW))
    assert source.totals() == Totals(why_not="the call's slice cannot be read (No such file or directory)")


def test_no_two_calls_have_a_slice_at_a_time(root: Path, hierarchy: Hierarchy, tmp_path: Path):
    mine, theirs = (Slices(hierarchy, Leases(str(tmp_path))) for _ in range(2))
    with mine.one() as first, theirs.one() as second, mine.one() as third:
        assert [slot and slot.name for slot in (first, second, third)] == [f"lumirage-{n}.slice" for n in range(3)]
        assert first is not None
        assert first.before == NEW
    write(root / "lumirage.slice/lumirage-0.slice", 8.0, populated=False)
    with theirs.one() as again:
        assert again is not None
        assert (again.name, again.before.cpu_s) == ("lumirage-0.slice", 8.0)


def test_a_slice_with_the_container_of_a_killed_harness_is_left_alone(root: Path, hierarchy: Hierarchy, tmp_path: Path):
    write(root / "lumirage.slice/lumirage-0.slice", 8.0)
    with Slices(hierarchy, Leases(str(tmp_path))).one() as slot:
        assert slot is not None
        assert slot.name == "lumirage-1.slice"


def test_slices_are_for_who_sees_the_machines_root(root: Path, hierarchy: Hierarchy):
    assert hierarchy.is_whole
    (root / "cgroup.events").write_text("populated 1\n")  # as in the group of a container
    assert not hierarchy.is_whole


def test_the_slice_is_the_parent_of_the_container(tmp_path: Path):
    call = Call(name="n", owner="o", image="i", output=tmp_path, limits=LIMITS)
    assert docker_options(call, Engine(), parent="lumirage-3.slice")["cgroup_parent"] == "lumirage-3.slice"


class Container:
    id = "1234"


@pytest.mark.parametrize(
    ("path", "known"), [("/system.slice/docker-1234.scope", True), ("/user.slice/mail.service", False)]
)
def test_a_process_that_is_not_of_the_container_is_not_measured(
    root: Path, hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch, path: str, known: bool
):
    """An engine in a virtual machine has process numbers of its own."""
    write(root / path[1:], 1.0)
    runtime = DockerRuntime()
    runtime.__dict__.update(engine=Engine(), _hierarchy=hierarchy)
    monkeypatch.setattr(Hierarchy, "path_of", lambda _self, _pid: path)
    call = Call(name="n", owner="o", image="i", output=root, limits=LIMITS)
    source = runtime._source(call, Container(), 7, None)
    assert (source is not None) == known
    if source:
        source.close()
