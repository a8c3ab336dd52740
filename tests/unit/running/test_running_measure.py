"""What the meter makes of what was seen."""

import pytest

from lumirage.running.cgroups import Totals
from lumirage.running.measure import End, Meter
from lumirage.running.supervise import Watched


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
