import threading

import pytest
from running_world import LIMITS

from lumirage.core.model import Usage
from lumirage.running.job_watch import JobWatch
from lumirage.running.method_events import EventReader, Log, PairEvents
from lumirage.running.pair_timing import MAX_POINTS, Changes, Times, memory_table, times_of

USAGE = Usage(wall_s=20.0, exit_code=0)


@pytest.fixture
def watch() -> JobWatch:
    made = JobWatch(EventReader(["a", "b"], 1000), [], LIMITS, threading.Event())
    made.began_s, made.began_epoch_s = 100.0, 5000.0
    return made


def events(begin: float | None = None, end: float | None = None, after: float | None = None) -> PairEvents:
    return PairEvents(Log(100), begin, end, after)


def test_by_events(watch: JobWatch):
    times = times_of(watch, USAGE, events(101.0, 104.0), Changes(5003.9))
    assert (times.wall_s, times.by, times.warnings) == (3.0, "events", ())


def test_an_end_said_too_early_is_not_believed(watch: JobWatch):
    times = times_of(watch, USAGE, events(101.0, 102.0), Changes(5009.0))
    assert times.wall_s == 8.0
    assert times.by == "answers"
    assert "7.0 s after" in times.warnings[0]


def test_a_begin_said_too_late_is_not_believed(watch: JobWatch):
    times = times_of(watch, USAGE, events(106.0, 107.0, after=102.0), Changes(5006.5))
    assert (times.wall_s, times.by) == (5.0, "events")
    assert "4.0 s after the pair before" in times.warnings[0]
    prompt = times_of(watch, USAGE, events(102.4, 107.0, after=102.0), Changes(5006.5))
    assert (prompt.begin_s, prompt.warnings) == (102.4, ())


def test_both_ends_may_be_lies(watch: JobWatch):
    times = times_of(watch, USAGE, events(106.0, 106.1, after=102.0), Changes(5009.0))
    assert (times.wall_s, times.by, len(times.warnings)) == (7.0, "answers", 2)


def test_a_clock_of_another_machine_is_set_right(watch: JobWatch):
    watch.ahead_s = 3600.0
    assert times_of(watch, USAGE, events(101.0, 104.0), Changes(5003.9 + 3600)).by == "events"
    assert times_of(watch, USAGE, events(101.0, 102.0), Changes(5009.0 + 3600)).wall_s == 8.0


def test_a_limit_has_the_slack_of_the_clocks():
    assert not Times(0.0, 10.4, "events").longer_than(10.0)
    assert Times(0.0, 10.6, "events").longer_than(10.0)
    assert not Times(None, None, "answers").longer_than(10.0)


def test_a_pair_that_never_ended_lasts_until_its_container_did(watch: JobWatch):
    assert times_of(watch, USAGE, events(105.0), Changes(None)).wall_s == 15.0


def test_alone_and_silent_a_pair_lasts_as_long_as_its_container(watch: JobWatch):
    watch.events.pairs.pop("b")
    times = times_of(watch, USAGE, events(), Changes(5001.0))
    assert (times.wall_s, times.by) == (20.0, "container")


def test_silent_pairs_last_from_answer_to_answer(watch: JobWatch):
    first = times_of(watch, USAGE, events(), Changes(5004.0, [5009.0]))
    second = times_of(watch, USAGE, events(), Changes(5009.0, [5004.0]))
    assert (first.wall_s, second.wall_s) == (4.0, 5.0)


def test_nobody_knows_when_a_silent_pair_without_an_answer_ran(watch: JobWatch):
    assert times_of(watch, USAGE, events(), Changes(None, [5004.0])).wall_s is None


def test_a_pairs_part_of_the_time_line():
    timeline = [(float(i), i * 10) for i in range(10)]
    assert memory_table(timeline, 100.0, Times(103.0, 105.0, "events")) == (
        "seconds\tbytes\n0.000\t30\n1.000\t40\n2.000\t50\n"
    )


def test_a_long_time_line_keeps_its_peak():
    timeline = [(float(i), 1 if i != 77_777 else 999) for i in range(100_000)]
    lines = memory_table(timeline, 0.0, Times(None, None, "answers")).splitlines()
    assert len(lines) <= MAX_POINTS + 1
    assert sum(line.endswith("\t999") for line in lines) == 1
