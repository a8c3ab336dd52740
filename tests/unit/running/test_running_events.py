import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumirage.running.method_events import MAX_EVENTS_A_PAIR, MAX_LINE_BYTES, EventReader, Log


def event(kind: str, pair: str, **more: object) -> bytes:
    return b"@lumirage " + json.dumps({"event": kind, "pair": pair, **more}).encode() + b"\n"


def reader() -> EventReader:
    return EventReader(["a", "b"], 100_000)


def test_a_pair_is_timed_from_its_begin_to_its_end():
    events = reader()
    events.feed(b"loading\n" + event("begin", "a"), 1.0)
    assert events.current == "a"
    events.feed(b"working\n" + event("end", "a"), 3.0)
    assert events.current is None
    assert (events.pairs["a"].begin_s, events.pairs["a"].end_s) == (1.0, 3.0)
    assert events.last_mark_s == 3.0
    assert "loading" in events.loading.log.text()
    assert "working" in events.pairs["a"].log.text()
    assert "working" not in events.loading.log.text()


def test_only_the_first_begin_and_end_count():
    events = reader()
    for at, kind in ((1.0, "begin"), (2.0, "begin"), (3.0, "end"), (4.0, "end"), (5.0, "begin")):
        events.feed(event(kind, "a"), at)
    assert (events.pairs["a"].begin_s, events.pairs["a"].end_s) == (1.0, 3.0)
    assert events.last_mark_s == 3.0


def test_an_end_without_a_begin_is_nothing():
    events = reader()
    events.feed(event("end", "a"), 1.0)
    assert events.pairs["a"].end_s is None
    assert events.last_mark_s is None


def test_two_pairs_never_share_a_second():
    events = reader()
    for at, kind, pair in ((1.0, "begin", "a"), (2.0, "begin", "b"), (3.0, "end", "a"), (4.0, "end", "b")):
        events.feed(event(kind, pair), at)
    a, b = events.pairs["a"], events.pairs["b"]
    assert (a.begin_s, a.end_s, a.after_s) == (1.0, 2.0, None)
    assert (b.begin_s, b.end_s, b.after_s) == (2.0, 4.0, 2.0)


def test_a_pair_cannot_be_begun_again_or_ended_for_another():
    events = reader()
    said = [("begin", "a"), ("end", "b"), ("phase", "b"), ("end", "a"), ("begin", "b"), ("begin", "a"), ("end", "a")]
    for at, (kind, pair) in enumerate(said):
        events.feed(event(kind, pair, phase="x"), float(at))
    assert (events.pairs["a"].begin_s, events.pairs["a"].end_s) == (0.0, 3.0)
    assert (events.pairs["b"].begin_s, events.pairs["b"].end_s, events.pairs["b"].after_s) == (4.0, None, 3.0)
    assert events.pairs["b"].phases == []
    assert events.current == "b"


def test_times_that_a_line_names_are_not_read():
    events = reader()
    for at, kind in ((1.0, "begin"), (2.0, "end")):
        events.feed(event(kind, "a", time=1e12, at=-5, timestamp="2999-01-01T00:00:00Z", begin_s=0, end_s=1e12), at)
    assert (events.pairs["a"].begin_s, events.pairs["a"].end_s) == (1.0, 2.0)


def test_a_flood_of_events_is_log_in_the_end():
    events = reader()
    events.feed(event("begin", "a"), 0.0)
    events.feed(event("end", "unknown") * (2 * MAX_EVENTS_A_PAIR), 1.0)
    events.feed(event("end", "a"), 2.0)
    assert events.pairs["a"].end_s is None


@pytest.mark.parametrize(
    "unit",
    [
        b" @lumirage x" + b"\n" * 200,
        b"@lumirage x\n" + b"\n" * 32_756,
        b"@lumirage " + b"x" * MAX_LINE_BYTES + b"\n" * 24_000,
        b"x" * 99 + b"\n",
        b"cublas",
        b"ITK ERROR",
    ],
)
def test_no_flood_keeps_the_harness_busy(unit: bytes):
    flood = unit * (4 * 2**20 // len(unit))
    events = EventReader(["a"], 2**20)
    began = time.process_time()
    for at in range(0, len(flood), 32 * 1024):
        events.feed(flood[at : at + 32 * 1024], 1.0)
    assert not events.loading.gpu_memory
    assert not events.loading.memory
    assert time.process_time() - began < 1.0


def test_unknown_pairs_and_garbage_are_log():
    events = reader()
    for line in (
        event("begin", "zz"),
        b"@lumirage {\n",
        b"@lumirage []\n",
        b'@lumirage {"event": "begin", "pair": ["a"]}\n',
        b"@lumirage " + b"[" * 100_000 + b"\n",
        b"\xff\xfe\x00\n",
        b" @lumirage " + event("begin", "a")[10:],
        event("begin", "a", pad="x" * MAX_LINE_BYTES),
    ):
        events.feed(line, 1.0)
    assert events.current is None
    assert all(pair.begin_s is None for pair in events.pairs.values())


def test_phases_last_until_the_next_one():
    events = reader()
    events.feed(event("begin", "a"), 0.0)
    events.feed(event("phase", "a", phase="affine"), 1.0)
    events.feed(event("phase", "a", phase="syn"), 3.0)
    assert events.pairs["a"].phases_s() == {}
    events.feed(event("end", "a"), 7.0)
    assert events.pairs["a"].phases_s() == {"affine": 2.0, "syn": 4.0}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_how_the_stream_is_cut_does_not_matter(cuts: list[int]):
    text = b"noise\n" + event("begin", "a") + b"x" * 50 + b"\n" + event("end", "a") + event("begin", "b") + b"tail"
    events = reader()
    at = 0
    for cut in cuts:
        events.feed(text[at : at + cut], float(at))
        at += cut
    events.feed(text[at:], float(at))
    a, b = events.pairs["a"], events.pairs["b"]
    assert a.begin_s is not None
    assert a.end_s is not None
    assert a.begin_s <= a.end_s
    assert events.current == "b"
    whole = events.loading.log.text() + a.log.text() + b.log.text()
    assert whole == text.decode()


def test_words_of_exhausted_memory_are_found_in_the_pair_that_said_them():
    events = reader()
    events.feed(event("begin", "a") + b"RuntimeError: CUDA out of memory. Tried to allocate\n" + event("end", "a"), 1.0)
    events.feed(event("begin", "b") + b"MemoryError\n", 2.0)
    assert (events.pairs["a"].gpu_memory, events.pairs["a"].memory) == (True, False)
    assert (events.pairs["b"].gpu_memory, events.pairs["b"].memory) == (False, True)


@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(2, 200))
def test_a_log_keeps_its_first_and_last_bytes(chunks: list[bytes], limit: int):
    log = Log(limit)
    for chunk in chunks:
        log.add(chunk)
    whole = b"".join(chunks)
    half = limit // 2
    head, tail = bytes(log._head), b"".join(log._tail)
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + len(tail) + log.left_out_bytes == len(whole)
    assert len(head) == min(half, len(whole))
    assert len(tail) >= min(half, len(whole) - len(head))
    assert len(tail) <= half + 300


def test_control_codes_of_terminals_are_shown_and_not_obeyed():
    log = Log(1000)
    log.add(b"\x1b[2Jclear\x00 \xff\r\nnext\n")
    assert log.text() == "\\x1b[2Jclear\\x00 \\xff\nnext\n"


def test_what_reorders_letters_is_shown_and_not_obeyed():
    log = Log(1000)
    log.add("\x85 \x9b2J \u202egpj.exe \u2066 \u200f é 脑\n".encode())
    assert log.text() == "\\x85 \\x9b2J \\u202egpj.exe \\u2066 \\u200f é 脑\n"


def test_phases_can_be_written_down():
    events = reader()
    events.feed(event("begin", "a"), 0.0)
    for at, phase in enumerate(["\ud800", "\u202e\x1b", ["no word"], 5, "ok"]):
        events.feed(event("phase", "a", phase=phase), float(at))
    events.feed(event("end", "a"), 9.0)
    assert [name.encode() for name in events.pairs["a"].phases_s()] == [b"\\ud800", b"\\u202e\\x1b", b"ok"]
