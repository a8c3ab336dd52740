"""Known allocations and a known burn of CPU, measured from outside."""

import pytest
from running_world import World, with_limits
from time_limits import slowness

from lumirage.core.model import Outcome, Usage
from lumirage.running.runtimes.runtime_interface import Runtime

MB = 2**20
MOST_SLOWNESS = 4
"""No more than so many times longer is memory held and CPU time burnt on a slow machine, or the tests would take an hour."""
KNOWN_MB = {"anonymous": 1024, "page_cache": 100, "forks": 1024, "spike": 1024, "tmpfs": 300}


def measure(world: World, runtime: Runtime, image: str, **parameters: object) -> Usage:
    if not world.inputs:
        world.add_pairs(1)
    world.forget()
    limits = with_limits(memory_bytes=4 * 2**30, output_bytes=4 * 2**30, pair_timeout_s=600)
    (run,) = world.execute(world.job(image, limits=limits, **parameters), runtime)
    assert run.outcome is Outcome.OK, run
    return run.usage


@pytest.mark.parametrize("kind", sorted(KNOWN_MB.keys() - {"tmpfs"}))
def test_peak_memory_of_a_known_allocation(world: World, runtime: Runtime, image: str, kind: str):
    peak_is_as_known(world, runtime, image, kind)


def test_peak_memory_of_temporary_files_in_memory(world: World, docker_runtime: Runtime, docker_image: str):
    """Only docker has its temporary files in memory."""
    peak_is_as_known(world, docker_runtime, docker_image, "tmpfs")


def peak_is_as_known(world: World, runtime: Runtime, image: str, kind: str) -> None:
    slow = min(slowness(), MOST_SLOWNESS)
    usage = measure(world, runtime, image, mode="takes", kind=kind, slowness=slow)
    idle = measure(world, runtime, image, mode="takes", kind="nothing", slowness=slow)
    assert usage.peak_memory_bytes is not None
    assert idle.peak_memory_bytes is not None
    taken = (usage.peak_memory_bytes - idle.peak_memory_bytes) / MB
    assert taken == pytest.approx(KNOWN_MB[kind], rel=0.10 if kind == "spike" else 0.05)
    if usage.memory_watermark_bytes is not None:
        assert usage.memory_watermark_bytes >= 0.95 * usage.peak_memory_bytes


def test_cpu_time_of_a_known_burn(world: World, runtime: Runtime, image: str):
    idle = measure(world, runtime, image, mode="ok").cpu_s
    busy = measure(world, runtime, image, mode="burns", seconds=5.0 * min(slowness(), MOST_SLOWNESS)).cpu_s
    assert idle is not None
    assert busy is not None
    log = world.files(next(iter(world.inputs))).log.read_text()
    burnt = float(log.split("burnt ")[1].split()[0])
    assert busy - idle == pytest.approx(burnt, rel=0.02)


def test_the_time_line_shows_the_spike(world: World, runtime: Runtime, image: str):
    measure(world, runtime, image, mode="takes", kind="spike", slowness=min(slowness(), MOST_SLOWNESS))
    pair = next(iter(world.inputs))
    lines = world.files(pair).memory.read_text().splitlines()
    assert lines[0] == "seconds\tbytes"
    values = [int(line.split("\t")[1]) for line in lines[1:]]
    assert max(values) > 900 * MB
    assert values[-1] < 200 * MB
