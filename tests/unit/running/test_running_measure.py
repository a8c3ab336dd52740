"""What the meter makes of what was seen."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.running.control_groups import Hierarchy, Totals
from lumirage.running.measurement import End, Meter
from lumirage.running.supervision import Watched
from lumirage.running.usage_sources import LiveGroup, ParentGroup, _resident


class Source:
    memory_how, cpu_how, lasting = "fake", "fake", True

    def memory_bytes(self) -> int:
        return 7

    def totals(self) -> Totals:
        return Totals(cpu_s=2.0, watermark_bytes=90, oom_kills=0)

    def pids(self) -> list[int]:
        return []

    def close(self) -> None:
        return


def watched(*timeline: tuple[float, int]) -> Watched:
    return Watched(3.0, None, timeline)


def test_peak_and_totals():
    usage = Meter(Source(), ()).usage(watched((0.0, 10), (0.1, 80), (0.2, 20)), End(0))
    assert (usage.peak_memory_bytes, usage.memory_watermark_bytes, usage.cpu_s) == (80, 90, 2.0)
    assert not any("looked at" in warning for warning in usage.warnings)


def test_exact_cpu_time_of_the_kernel_goes_first():
    assert Meter(Source(), ()).usage(watched(), End(0, cpu_s=1.5)).cpu_s == 1.5


def test_a_time_in_which_nobody_looked_is_confessed():
    usage = Meter(Source(), ()).usage(watched((0.0, 10), (0.1, 80), (2.0, 20)), End(0))
    assert any("not looked at for 1.9 s" in warning for warning in usage.warnings)


@pytest.mark.parametrize("timeline", [(), ((0.0, 10),)])
def test_few_samples_are_no_gap(timeline: tuple[tuple[float, int], ...]):
    assert not any("looked at" in warning for warning in Meter(Source(), ()).usage(watched(*timeline), End(0)).warnings)


@pytest.fixture
def v2(tmp_path: Path) -> Hierarchy:
    """A hierarchy of version 2, in which the group /call/own is as on a kernel before 5.19."""
    (tmp_path / "mounts").write_text(f"cgroup2 {tmp_path} cgroup2 rw 0 0\n")
    group = tmp_path / "call" / "own"
    group.mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    for folder in (group.parent, group):
        (folder / "memory.stat").write_text("anon 3000\nshmem 40\n")
        (folder / "cpu.stat").write_text("usage_usec 1500000\n")
        (folder / "cgroup.procs").write_text("21\n" if folder == group else "")
    return Hierarchy.found(tmp_path / "mounts")


def test_a_parent_group_that_was_never_there_claims_nothing(v2: Hierarchy):
    meter = Meter(ParentGroup(v2, "/nobody", "own"), ())
    assert meter.sample() is None
    assert meter.pids() is None
    usage = meter.usage(watched(), End(0))
    meter.close()
    assert (usage.cpu_s, usage.peak_memory_bytes, usage.memory_watermark_bytes) == (None, None, None)
    assert usage.cpu_how == "absent: the call's parent group cannot be read (No such file or directory)"
    assert usage.memory_how.startswith("absent: it could not be read while the call ran; no watermark: the call's")


@pytest.mark.parametrize("lasting", [True, False])
def test_a_kernel_without_a_watermark_is_the_reason_given(v2: Hierarchy, lasting: bool):
    source = ParentGroup(v2, "/call", "own") if lasting else LiveGroup(v2, "/call/own")
    meter = Meter(source, ())
    assert meter.sample() == 3040
    assert meter.pids() == [21]
    usage = meter.usage(watched((0.0, 3040)), End(0))
    meter.close()
    assert (usage.cpu_s, usage.peak_memory_bytes, usage.memory_watermark_bytes) == (1.5, 3040, None)
    assert usage.cpu_how == source.cpu_how
    missing = "the control group has no readable memory.peak (it came with Linux 5.19)"
    assert usage.memory_how == f"{source.memory_how}; no watermark: {missing}"


def test_what_has_its_watermark_gives_no_excuse():
    usage = Meter(Source(), ()).usage(watched((0.0, 10)), End(0))
    assert (usage.cpu_how, usage.memory_how) == ("fake", "fake")


def test_where_the_kernel_has_no_proc_the_resident_size_counts_as_a_processs_own() -> None:
    process = SimpleNamespace(pid=2**30, memory_info=lambda: SimpleNamespace(rss=4096))
    assert _resident(process) == (4096, 0)
