"""What the engine tells of a container, without an engine."""

from collections.abc import Iterator

import pytest
import requests
import urllib3
from docker.utils.socket import SocketError

from lumirage.running.runtimes import docker_state
from lumirage.running.runtimes.docker_state import printed
from lumirage.running.supervision import pump

BREAKS = [
    SocketError("unexpected end"),
    urllib3.exceptions.ProtocolError("connection broken"),
    requests.exceptions.ChunkedEncodingError("incomplete read"),
    ValueError("a closed file"),
]


class Heard:
    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def started(self, at_s: float) -> None:
        raise AssertionError

    def output(self, chunk: bytes, at_s: float) -> None:
        self.chunks.append(chunk)

    def reason_to_stop(self, now_s: float) -> None:
        raise AssertionError


@pytest.mark.parametrize("error", BREAKS, ids=lambda error: type(error).__name__)
def test_a_stream_that_breaks_ends_its_reader_quietly(error: Exception, monkeypatch: pytest.MonkeyPatch):
    """An exception in the thread would be a warning, and so an error here."""

    def frames(_socket: object, *, tty: bool) -> Iterator[tuple[int, bytes]]:
        assert not tty
        yield 1, b"before"
        raise error

    monkeypatch.setattr(docker_state, "frames_iter", frames)
    heard = Heard()
    reader = pump(printed(object()), heard)
    reader.join(10)
    assert not reader.is_alive()
    assert heard.chunks == [b"before"]
