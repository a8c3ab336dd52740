"""One suite for every runtime: what it promises in `lumirage.running.runtimes.runtime_interface.Runtime`."""

import base64
import os
import threading
import time
from collections import Counter

import psutil
import pytest
from running_world import World, outcomes, replaced, with_limits
from time_limits import scaled

from lumirage.core.errors import UnavailableError
from lumirage.core.model import Outcome, Run
from lumirage.core.records import read_json
from lumirage.running.runtimes.runtime_interface import Runtime, Stopped

OK, FAILED, CRASHED = Outcome.OK, Outcome.FAILED, Outcome.CRASHED


def test_a_good_method_has_a_whole_record(runtime: Runtime, image: str, world: World):
    world.add_pairs(2)
    runs = world.execute(world.job(image), runtime)
    assert outcomes(runs) == [OK, OK]
    first, second = runs
    assert (first.cold, second.cold) == (True, False)
    assert first.load_s is not None
    assert second.load_s is None
    for run, pair in zip(runs, world.inputs, strict=True):
        assert run.pair == pair
        assert run.timed_by == "events"
        assert run.wall_s is not None
        assert 0 <= run.wall_s < run.usage.wall_s  # 0: both events came in one read
        assert run.usage.cpu_s
        assert run.usage.cpu_s > 0
        assert run.usage.memory_how
        assert run.isolation
        assert world.files(pair).field.is_file()
        assert read_json(world.files(pair).record, Run) == run
        assert "@lumirage" in world.files(pair).log.read_text()
    assert not list(world.layout.scratch("").iterdir())


def test_what_is_recorded_is_not_executed_again(runtime: Runtime, image: str, world: World):
    first, _ = world.add_pairs(2)
    world.execute(world.job(image, pairs=[first]), runtime)
    before = world.files(first).record.stat().st_mtime_ns
    runs = world.execute(world.job(image), runtime)
    assert len(runs) == 1
    assert world.files(first).record.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("mode", "outcome", "words"),
    [
        ("silent", Outcome.NO_ANSWER, "displacement.nii"),
        ("exits_3", Outcome.FAILED, "exit code 3"),
        ("aborts", Outcome.CRASHED, "signal 6"),
        ("nan", Outcome.INVALID_ANSWER, "NaN"),
    ],
)
def test_a_failing_method_is_a_value(runtime: Runtime, image: str, world: World, mode, outcome, words):
    world.add_pairs(1)
    (run,) = world.execute(world.job(image, mode=mode), runtime)
    assert run.outcome is outcome
    assert words in run.message
    assert not world.files(run.pair).field.exists()


def test_pairs_after_a_crash_go_on_in_a_new_container(runtime: Runtime, image: str, world: World):
    world.add_pairs(3)
    runs = world.execute(world.job(image, mode="dies_second"), runtime)
    assert outcomes(runs) == [OK, CRASHED, OK]
    assert [run.cold for run in runs] == [True, False, True]


def test_the_log_is_kept(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job(image, mode="exits_3"), runtime)
    assert "about to fail" in run.log_tail
    assert "about to fail" in world.files(run.pair).log.read_text()


def test_the_method_sees_only_the_harness_variables(runtime: Runtime, image: str, world: World, monkeypatch):
    monkeypatch.setenv("PRIVATE_TOKEN", "kvaroezeel")
    world.add_pairs(1)
    (run,) = world.execute(
        world.job(image, mode="looks_around", words=[base64.b64encode(b"kvaroezeel").decode()]), runtime
    )
    assert "FOUND" not in world.files(run.pair).log.read_text()


def test_a_call_that_is_stopped_leaves_no_record_and_nothing_behind(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    stop = threading.Event()
    world.context = replaced(world.context, stop=stop)
    threading.Timer(scaled(1.5), stop.set).start()
    before = time.monotonic()
    with pytest.raises(Stopped):
        world.execute(world.job(image, mode="sleeps"), runtime)
    assert time.monotonic() - before < scaled(10)
    assert not any(world.files(pair).record.exists() for pair in world.inputs)
    assert runtime.remove_stale(world.owner) == 0


def test_ctrl_c_keeps_the_pairs_that_had_ended(runtime: Runtime, image: str, world: World):
    world.add_pairs(3)
    stop = threading.Event()
    world.context = replaced(world.context, stop=stop)

    def when_two_ended() -> None:
        scratch = world.layout.scratch("")
        while len(list(scratch.glob("*/out/*/displacement.nii"))) < 2:
            time.sleep(0.02)
        time.sleep(0.3)
        stop.set()

    threading.Thread(target=when_two_ended).start()
    with pytest.raises(Stopped):
        world.execute(world.job(image, mode="third_sleeps"), runtime)
    assert [world.files(pair).record.exists() for pair in world.inputs] == [True, True, False]


def test_a_daemon_does_not_outlive_its_call(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job(image, mode="daemon"), runtime)
    assert run.outcome is OK
    left = [p for p in psutil.process_iter(["cmdline"]) if any(str(world.root) in w for w in p.info["cmdline"] or [])]
    assert not left
    assert runtime.remove_stale(world.owner) == 0


def test_start_after_start_leaves_nothing_open(runtime: Runtime, image: str, world: World):
    """benchmarks/running.py does it five hundred times."""
    world.add_pairs(1)
    me = psutil.Process()

    def starts(count: int) -> None:
        for _ in range(count):
            world.forget()
            assert outcomes(world.execute(world.job(image), runtime)) == [OK]

    def is_open() -> Counter[str]:
        found = {
            "files": me.num_fds(),
            "threads": threading.active_count(),
            "children": len(me.children(recursive=True)),
        }
        return Counter(found)

    starts(2)
    before = is_open()
    starts(8)
    until = time.monotonic() + scaled(5)
    while (more := is_open() - before) and time.monotonic() < until:
        time.sleep(0.02)  # a thread that has done its work may take a moment to be gone
    assert not more


def test_the_card_is_read_from_the_image(runtime: Runtime, image: str):
    assert runtime.card(image) == b"name: tiny\n"


def test_resolving_gives_an_identity_and_takes_it_again(runtime: Runtime, image: str):
    resolved = runtime.resolve(image)
    assert ":" in resolved.digest
    assert runtime.resolve(resolved.start) == resolved


def test_an_absent_image_is_named(runtime: Runtime):
    with pytest.raises(UnavailableError, match="nobody"):
        runtime.resolve("lumirage/nobody-built-this")


def test_a_time_limit_holds_against_a_method_that_ignores_sigterm(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job(image, mode="sleeps", limits=with_limits(pair_timeout_s=1.5)), runtime)
    assert run.outcome is Outcome.TIMEOUT
    assert run.usage.timed_out
    assert run.usage.wall_s < scaled(6)


def test_cpus_are_pinned(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    cpu = max(os.sched_getaffinity(0))
    world.context = replaced(world.context, cpus=(cpu,))
    (run,) = world.execute(world.job(image, mode="affinity"), runtime)
    assert f"cpus [{cpu}]" in world.files(run.pair).log.read_text()


def test_memory_beyond_the_limit_is_its_outcome(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job(image, mode="allocate"), runtime)
    assert run.outcome is Outcome.OUT_OF_MEMORY


def test_output_beyond_the_limit_is_stopped(runtime: Runtime, image: str, world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job(image, mode="ten_gigabytes"), runtime)
    assert run.outcome is FAILED
    assert "wrote more than" in run.message
