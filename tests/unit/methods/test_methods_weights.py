"""Weights against a small server of this process that has every fault a server and a line can have."""

import hashlib
import http.server
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumirage.core.errors import BusyError, DataError, UnavailableError, UsageError
from lumirage.core.model import Method, Weights
from lumirage.methods import downloads
from lumirage.methods.downloads import RESUMED_AT_MOST, Address, download
from lumirage.methods.weights import (
    checked_weights,
    fetch_weights,
    missing_weights,
    mounted_weights,
    require_weights,
    weights_folder,
)

CONTENT = bytes(range(256)) * 64
SHA = hashlib.sha256(CONTENT).hexdigest()
WHOLE = len(CONTENT)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, from an offset where asked; the path says which fault it has. `asked`: the Range of each request."""

    asked: list[str | None] = []
    tag = '"one"'
    content = CONTENT

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        fault = self.path.strip("/")
        if fault == "moved":
            self.send_response(302)
            self.send_header("Location", "/net")
            self.end_headers()
        elif fault == "gone":
            self.send_error(404)
        elif fault == "silent":
            self._answer(0, None)
            time.sleep(1.0)
        else:
            same = self.headers.get("If-Range") in (None, self.tag)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and same else 0
            self._answer(start, fault)

    def _answer(self, start: int, fault: str | None) -> None:
        body = self.content[start:] + (b"more" if fault == "long" else b"")
        self.send_response(206 if start else 200)
        if fault != "untagged":
            self.send_header("ETag", self.tag)
        if fault not in ("unsized", "long-unsized"):
            self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.end_headers()
        if fault == "slow":
            for i in range(0, len(body), 4096):
                self.wfile.write(body[i : i + 4096])
                time.sleep(0.03)
        elif fault == "cut":
            self.wfile.write(body[: (len(body) + 1) // 2])
        elif fault == "stuck":  # the first half, and then never a byte more
            self.wfile.write(body[: WHOLE // 2] if not start else b"")
        elif fault == "long-unsized":
            self.wfile.write(body + b"more")
        elif fault is not None:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Server.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def card(url: str, sha: str = SHA, size: int = WHOLE) -> Method:
    item = Weights(file="net.pt", url=url, sha256=sha, bytes=size, licence="MIT")
    return Method(name="deep", version="1", summary="Deep.", kind="deep", weights=(item,))


def test_they_are_fetched_once(address: str, tmp_path: Path) -> None:
    method = card(f"{address}/net")
    seen: list[tuple[int, int]] = []
    (path,) = fetch_weights(method, cache=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (WHOLE, WHOLE)
    assert fetch_weights(method, cache=tmp_path) == []
    assert require_weights(method, tmp_path) == path.parent
    assert [p.name for p in path.parent.iterdir()] == ["net.pt"], "a method sees its weights and nothing else"


@pytest.mark.parametrize("fault", ["moved", "unsized", "slow", "untagged"])
def test_what_is_no_fault_works(address: str, tmp_path: Path, fault: str) -> None:
    (path,) = fetch_weights(card(f"{address}/{fault}"), cache=tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_broken_connection_is_resumed_by_the_same_command_and_by_the_next(address: str, tmp_path: Path) -> None:
    method = card(f"{address}/cut")
    with pytest.raises(BusyError, match=r"\d+ of 16384 bytes are here and are kept"):
        fetch_weights(method, cache=tmp_path)
    assert len(Server.asked) == 1 + RESUMED_AT_MOST
    assert Server.asked[1] == f"bytes={WHOLE // 2}-"
    while missing_weights(method, tmp_path):
        try:
            fetch_weights(method, cache=tmp_path)
        except BusyError:
            continue
    folder = weights_folder(method, tmp_path)
    assert folder is not None
    assert (folder / "net.pt").read_bytes() == CONTENT


def test_a_connection_that_brings_nothing_more_is_not_tried_again(address: str, tmp_path: Path) -> None:
    with pytest.raises(BusyError, match=f"{WHOLE // 2} of {WHOLE} bytes are here"):
        fetch_weights(card(f"{address}/stuck"), cache=tmp_path)
    assert Server.asked == [None, f"bytes={WHOLE // 2}-"]


def test_a_server_that_goes_silent_is_not_waited_for(address: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="timed out"):
        download(Address(f"{address}/silent", WHOLE, True), tmp_path / "part", lambda *_: None, silence_s=0.2)
    assert len(Server.asked) == 1


def test_no_two_versions_of_a_file_are_mixed(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = card(f"{address}/cut", sha="")
    with pytest.raises(BusyError):
        fetch_weights(method, cache=tmp_path)
    monkeypatch.setattr(Server, "content", CONTENT[::-1])
    monkeypatch.setattr(Server, "tag", '"two"')
    changed = card(f"{address}/cut", sha="")
    while missing_weights(changed, tmp_path):
        try:
            fetch_weights(changed, cache=tmp_path)
        except BusyError:
            continue
    folder = weights_folder(changed, tmp_path)
    assert folder is not None
    assert (folder / "net.pt").read_bytes() == CONTENT[::-1]


def test_without_a_sum_and_a_tag_it_begins_anew(address: str, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"?" * 100)
    download(Address(f"{address}/untagged", WHOLE, False), part, lambda *_: None)
    assert part.read_bytes() == CONTENT
    assert Server.asked == [None]


@pytest.mark.parametrize(("fault", "size"), [("long", WHOLE), ("long-unsized", WHOLE), ("net", WHOLE + 9)])
def test_a_file_of_another_length_is_refused_and_not_kept(address: str, tmp_path: Path, fault: str, size: int) -> None:
    with pytest.raises(DataError, match="(longer|shorter) than expected" if fault != "long-unsized" else "longer"):
        fetch_weights(card(f"{address}/{fault}", size=size), cache=tmp_path)
    assert not list(tmp_path.rglob("net.pt*"))
    assert len(Server.asked) == 1


def test_another_file_is_refused_and_not_kept(address: str, tmp_path: Path) -> None:
    method = card(f"{address}/net", sha="0" * 64)
    with pytest.raises(DataError, match="SHA-256"):
        fetch_weights(method, cache=tmp_path)
    assert not list(tmp_path.rglob("net.pt*"))


def test_an_address_that_is_gone_is_said_once(address: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"404 Not Found; or bring the file.*--from-file net\.pt"):
        fetch_weights(card(f"{address}/gone"), cache=tmp_path)
    assert len(Server.asked) == 1


def test_a_full_disk_is_told_before_and_while_it_fills(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "net.part"
    part.symlink_to("/dev/full")
    with pytest.raises(BusyError, match="the disk of"):
        download(Address(f"{address}/net", WHOLE, True), part, lambda *_: None)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage(10, 10, 100))
    with pytest.raises(BusyError, match="the disk of"):
        fetch_weights(card(f"{address}/net"), cache=tmp_path)
    monkeypatch.undo()
    assert shutil.disk_usage(tmp_path).free > 100
    assert fetch_weights(card(f"{address}/net"), cache=tmp_path)


def test_two_at_once_fetch_it_once(address: str, tmp_path: Path) -> None:
    method, got = card(f"{address}/slow"), list[list[Path]]()
    threads = [threading.Thread(target=lambda: got.append(fetch_weights(method, cache=tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, got)) == [0, 1]
    assert Server.asked == [None]


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


def test_without_a_published_sum_the_first_use_is_what_later_ones_are_held_against(
    address: str, tmp_path: Path
) -> None:
    method = card(f"{address}/net", sha="")
    (path,) = fetch_weights(method, cache=tmp_path)
    assert checked_weights(method, tmp_path) == {"net.pt": SHA}
    path.write_bytes(b"poisoned")
    with pytest.raises(DataError, match="at its first use"):
        checked_weights(method, tmp_path)
    path.unlink()
    fetch_weights(method, cache=tmp_path)
    assert checked_weights(method, tmp_path) == {"net.pt": SHA}


def test_weights_that_lay_there_before_are_recorded_at_their_first_use(tmp_path: Path) -> None:
    method = card("http://127.0.0.1:1/net", sha="")
    folder = weights_folder(method, tmp_path)
    assert folder is not None
    folder.mkdir(parents=True)
    (folder / "net.pt").write_bytes(CONTENT)
    assert checked_weights(method, tmp_path) == {"net.pt": SHA}
    (folder / "net.pt").write_bytes(CONTENT[1:])
    with pytest.raises(DataError, match="at its first use"):
        checked_weights(method, tmp_path)


def test_a_variant_needs_only_the_file_it_names(tmp_path: Path) -> None:
    items = tuple(
        Weights(file=name, url=f"http://x/{name}", sha256=SHA, bytes=1, licence="MIT") for name in ("a.h5", "b.h5")
    )
    method = card("http://x").model_copy(update={"weights": items, "parameters": {"weights": "b.h5"}})
    assert [item.file for item in missing_weights(method, tmp_path)] == ["b.h5"]


def test_a_variant_without_weights_is_given_no_folder_of_them(tmp_path: Path) -> None:
    """It would be one that is not there, which an engine refuses to mount."""
    untrained = card("http://x").model_copy(update={"parameters": {"weights": "none"}})
    assert mounted_weights(untrained, tmp_path) is None
    assert require_weights(untrained, tmp_path) is None
    assert checked_weights(untrained, tmp_path) == {}
    assert mounted_weights(card("http://x"), tmp_path) is not None


def test_no_weights_no_folder(tmp_path: Path) -> None:
    method = card("http://x").model_copy(update={"weights": ()})
    assert require_weights(method, tmp_path) is None
    with pytest.raises(UsageError, match="no weights"):
        fetch_weights(method, cache=tmp_path)
