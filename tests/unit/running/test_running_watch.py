"""Deadlines: each pair has its time, and talking does not buy more."""

import threading
from pathlib import Path

from running_world import as_nobody, with_limits

from lumirage.running.job_watch import JobWatch
from lumirage.running.method_events import EventReader

LIMITS = with_limits(pair_timeout_s=10.0)


def watch(tmp_path: Path, count: int = 3, **changes: object) -> JobWatch:
    ids = [f"p{i}" for i in range(count)]
    made = JobWatch(
        EventReader(ids, 1000),
        [tmp_path / name for name in ids],
        with_limits(pair_timeout_s=10.0, **changes),
        threading.Event(),
    )
    made.started(100.0)
    return made


def say(one: JobWatch, kind: str, pair: str, at: float) -> None:
    one.output(f'@lumirage {{"event": "{kind}", "pair": "{pair}"}}\n'.encode(), at)


def test_a_pair_has_its_time_from_the_last_mark(tmp_path: Path):
    one = watch(tmp_path)
    assert one.reason_to_stop(109.0) is None
    say(one, "begin", "p0", 109.0)
    assert one.reason_to_stop(118.0) is None
    say(one, "end", "p0", 118.0)
    assert one.reason_to_stop(127.0) is None
    assert one.reason_to_stop(128.5) == "timeout"


def test_repeated_and_unknown_events_buy_no_time(tmp_path: Path):
    one = watch(tmp_path)
    say(one, "begin", "p0", 101.0)
    for at in range(102, 111):
        say(one, "begin", "p0", float(at))
        say(one, "begin", "unknown", float(at))
    assert one.reason_to_stop(111.5) == "timeout"


def test_an_answer_that_appears_is_a_mark_too(tmp_path: Path):
    one = watch(tmp_path)
    assert one.reason_to_stop(105.0) is None
    (tmp_path / "p0").touch()
    assert one.reason_to_stop(109.0) is None
    assert one.reason_to_stop(118.0) is None
    assert one.reason_to_stop(119.5) == "timeout"


def test_a_container_has_the_time_of_all_its_pairs(tmp_path: Path):
    one = watch(tmp_path, count=1)
    say(one, "begin", "p0", 109.0)
    assert one.reason_to_stop(110.5) == "timeout"


def test_a_container_time_limit_of_its_own(tmp_path: Path):
    one = watch(tmp_path, container_timeout_s=5.0)
    assert one.reason_to_stop(104.0) is None
    assert one.reason_to_stop(105.5) == "timeout"


def test_links_and_locked_folders_do_not_stop_the_looking(tmp_path: Path):
    one = watch(tmp_path / "locked")
    for name, target in {"p0": "a" * 300, "p1": "/root/private"}.items():
        (tmp_path / "locked").mkdir(exist_ok=True)
        (tmp_path / "locked" / name).symlink_to(target)
    with as_nobody(tmp_path):
        assert one.reason_to_stop(105.0) is None
        (tmp_path / "locked").chmod(0)
        assert one.reason_to_stop(107.0) is None
        assert one.reason_to_stop(116.0) == "timeout"
