"""Reads the output of a running method: `@lumirage {...}` lines are events, timed on arrival; everything else is log.

The output is not trusted: lines may be forged, binary or endless. Only the first begin and the first end of a pair of the
job count, and an end only after its begin. A begin ends the current pair, so that times of pairs do not overlap. Times
within lines are ignored. docs/decisions/0004.md says what a method could gain by false events.
"""

import copy
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from lumirage.running.failure_words import gpu_fault, says_gpu_memory, says_memory
from lumirage.running.printable_text import readable

MARK = b"@lumirage "
MAX_LINE_BYTES = 8 * 1024
MAX_PHASES = 64
MAX_PHASE_NAME = 40
MIN_LOG_BYTES = 16 * 1024
MAX_EVENTS_A_PAIR = 1000
"""Lines that are read as events, over all pairs of a container; a flood of them must not keep the harness busy."""


class Log:
    """The first and the last bytes of what was printed, at most `limit_bytes` together."""

    def __init__(self, limit_bytes: int):
        self._half = max(limit_bytes // 2, 1)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self.left_out_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        room = self._half - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:][-self._half :] if room > 0 else chunk[-self._half :]
        self.left_out_bytes += max(len(chunk) - max(room, 0), 0) - len(rest)
        if not rest:
            return
        self._tail.append(rest)
        self._tail_bytes += len(rest)
        while self._tail_bytes - len(self._tail[0]) >= self._half:
            dropped = len(self._tail.popleft())
            self._tail_bytes -= dropped
            self.left_out_bytes += dropped

    def text(self) -> str:
        """All that is kept, with a line that says how much is not; undecodable bytes and control codes are escaped."""
        gap = f"\n[... {self.left_out_bytes} bytes left out ...]\n" if self.left_out_bytes else ""
        return _readable(bytes(self._head)) + gap + _readable(b"".join(self._tail))


def _readable(raw: bytes) -> str:
    text = raw.decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    return readable(text)


@dataclass
class PairEvents:
    """What was said about one pair, and while it was under way; times are time.monotonic. `after_s`: when the pair
    before had ended; None for the first that was begun."""

    log: Log
    begin_s: float | None = None
    end_s: float | None = None
    after_s: float | None = None
    phases: list[tuple[str, float]] = field(default_factory=list)

    @property
    def gpu_memory(self) -> bool:
        """Whether what is kept of the log says that the GPU's memory was exhausted."""
        return says_gpu_memory(self.log.text())

    @property
    def memory(self) -> bool:
        """Whether what is kept of the log says that memory was exhausted."""
        return says_memory(self.log.text())

    @property
    def gpu_fault(self) -> str:
        """The words with which what is kept of the log says that the GPU itself failed; empty where it does not."""
        return gpu_fault(self.log.text())

    def phases_s(self) -> dict[str, float]:
        """Name -> seconds, each phase until the next or the end of the pair; empty while the pair has not ended."""
        lasted: dict[str, float] = {}
        if self.end_s is None:
            return lasted
        ends = [*(at for _, at in self.phases[1:]), self.end_s]
        for (name, at), until in zip(self.phases, ends, strict=False):
            lasted[name] = lasted.get(name, 0.0) + until - at
        return lasted


class EventReader:
    """Takes the raw output of a container and keeps what it means. `loading` is what came before the first begin."""

    def __init__(self, ids: Sequence[str], log_bytes: int):
        share = max(log_bytes // (len(ids) + 1), MIN_LOG_BYTES)
        self.pairs = {name: PairEvents(Log(share)) for name in ids}
        self.loading = PairEvents(Log(share))
        self.current: str | None = None
        self.on_end: Callable[[str], None] = lambda _: None
        """Told of each pair that has ended."""
        self.last_mark_s: float | None = None
        self._last_end_s: float | None = None
        self._left = MAX_EVENTS_A_PAIR * max(len(ids), 1)
        self._about = self.loading
        self._rest = b""

    def feed(self, chunk: bytes, at_s: float) -> None:
        """Take the next bytes that arrived at `at_s`."""
        # Most output holds no event: nothing here is done line by line, so that a flood costs next to nothing.
        text = self._rest + chunk
        logged, start = len(self._rest), _next_event(text, 0)
        while start >= 0 and self._left and (end := text.find(b"\n", start)) >= 0:
            if start > logged:
                self._about.log.add(text[logged:start])
                logged = start
            self._left -= 1
            if end - start <= MAX_LINE_BYTES:
                self._event(text[start + len(MARK) : end], at_s)
            self._about.log.add(text[logged : end + 1])  # after the event: a begin stands in the log of its own pair
            logged, start = end + 1, _next_event(text, end + 1)
        self._about.log.add(text[logged:])
        self._rest = text[text.rfind(b"\n") + 1 :][: MAX_LINE_BYTES + 1]

    def _event(self, raw: bytes, at_s: float) -> None:
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            return
        name = event.get("pair") if isinstance(event, dict) else None
        if not isinstance(name, str) or name not in self.pairs:
            return
        pair = self.pairs[name]
        kind = event.get("event")
        if kind == "begin" and pair.begin_s is None:
            if self.current:
                self._end(self.current, at_s)
            pair.begin_s, pair.after_s, self.last_mark_s = at_s, self._last_end_s, at_s
            self.current, self._about = name, pair
        elif kind == "end" and name == self.current:
            self._end(name, at_s)
            self.current = None
        elif kind == "phase" and name == self.current and len(pair.phases) < MAX_PHASES:
            phase = event.get("phase")
            if isinstance(phase, str):
                pair.phases.append((readable(phase[:MAX_PHASE_NAME]), at_s))

    def _end(self, name: str, at_s: float) -> None:
        self.pairs[name].end_s = self.last_mark_s = self._last_end_s = at_s
        self.on_end(name)

    def as_of_now(self, name: str) -> Self:
        """A copy that ignores further events of one pair, and output before the first pair."""
        now = copy.copy(self)
        now.pairs = {**self.pairs, name: copy.deepcopy(self.pairs[name])}
        now.loading = copy.deepcopy(self.loading)
        return now


def _next_event(text: bytes, start: int) -> int:
    """Where the next line that begins with MARK begins, of those after `start`, itself the beginning of one; else -1."""
    if text.startswith(MARK, start):
        return start
    found = text.find(b"\n" + MARK, start)
    return found + 1 if found >= 0 else -1
