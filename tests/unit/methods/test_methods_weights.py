"""Weights against a small server of this process."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumirage.core.errors import BusyError, DataError, UnavailableError, UsageError
from lumirage.core.model import Method, Weights
from lumirage.methods.weights import fetch_weights, missing_weights, require_weights, weights_folder

CONTENT = bytes(range(256)) * 64
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, from an offset where asked; /short breaks off; counts what it was asked for."""

    asked: list[str | None] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = CONTENT[start:]
        self.send_response(206 if wanted else 200)
        self.end_headers()
        self.wfile.write(body[: (len(body) + 1) // 2] if self.path == "/short" else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Server.asked.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def card(url: str, sha: str = SHA) -> Method:
    item = Weights(file="net.pt", url=url, sha256=sha, bytes=len(CONTENT), licence="MIT")
    return Method(name="deep", version="1", summary="Deep.", kind="deep", weights=(item,))


def test_they_are_fetched_once(address: str, tmp_path: Path) -> None:
    method = card(f"{address}/net")
    seen: list[tuple[int, int]] = []
    (path,) = fetch_weights(method, cache=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch_weights(method, cache=tmp_path) == []
    assert require_weights(method, tmp_path) == path.parent


def test_a_broken_download_goes_on_where_it_stopped(address: str, tmp_path: Path) -> None:
    method = card(f"{address}/short")
    with pytest.raises(BusyError, match="again"):
        fetch_weights(method, cache=tmp_path)
    folder = weights_folder(method, tmp_path)
    assert folder is not None
    assert (folder / "net.pt.part").stat().st_size == len(CONTENT) // 2
    while missing_weights(method, tmp_path):
        try:
            fetch_weights(method, cache=tmp_path)
        except BusyError:
            continue
    assert (folder / "net.pt").read_bytes() == CONTENT
    assert Server.asked[1] == f"bytes={len(CONTENT) // 2}-"


def test_another_file_is_refused_and_not_kept(address: str, tmp_path: Path) -> None:
    method = card(f"{address}/net", sha="0" * 64)
    with pytest.raises(DataError, match="SHA-256"):
        fetch_weights(method, cache=tmp_path)
    assert not list(tmp_path.rglob("net.pt*"))


def test_files_brought_along(tmp_path: Path) -> None:
    method = card("http://127.0.0.1:1/net")
    brought = tmp_path / "usb" / "net.pt"
    brought.parent.mkdir()
    brought.write_bytes(CONTENT)
    (path,) = fetch_weights(method, from_files=(brought,), cache=tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    brought.write_bytes(b"other")
    with pytest.raises(DataError, match="SHA-256"):
        fetch_weights(method, from_files=(brought,), cache=tmp_path / "cache2")
    with pytest.raises(UsageError, match=r"net\.pt"):
        fetch_weights(method, from_files=(tmp_path / "unknown.pt",), cache=tmp_path)


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="--from-file"):
        fetch_weights(card("http://127.0.0.1:1/net"), cache=tmp_path)


def test_what_is_missing_is_said_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        require_weights(card("https://example.org/net.pt"), tmp_path)
    message = str(caught.value)
    assert "https://example.org/net.pt" in message
    assert "0.0 MB" in message
    assert "lumirage-harness methods fetch deep\n" in message
    assert "lumirage-harness methods fetch deep --from-file net.pt" in message
    assert caught.value.exit_code == 69


def test_a_variant_needs_only_the_file_it_names(tmp_path: Path) -> None:
    items = tuple(
        Weights(file=name, url=f"http://x/{name}", sha256=SHA, bytes=1, licence="MIT") for name in ("a.h5", "b.h5")
    )
    method = card("http://x").model_copy(update={"weights": items, "parameters": {"weights": "b.h5"}})
    assert [item.file for item in missing_weights(method, tmp_path)] == ["b.h5"]


def test_no_weights_no_folder(tmp_path: Path) -> None:
    method = card("http://x").model_copy(update={"weights": ()})
    assert require_weights(method, tmp_path) is None
    with pytest.raises(UsageError, match="no weights"):
        fetch_weights(method, cache=tmp_path)
