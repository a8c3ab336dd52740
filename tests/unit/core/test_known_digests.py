"""A file is read again only where it is not what it was."""

import hashlib
import os
from pathlib import Path

import pytest

from lumirage.core import known_digests
from lumirage.core.known_digests import KnownDigests


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image; every file counts as old enough to be known."""
    monkeypatch.setattr(known_digests, "TOO_YOUNG_NS", -(10**12))
    path = tmp_path / "image"
    path.write_bytes(b"one")
    return path


def known(tmp_path: Path, image: Path) -> str:
    with KnownDigests(tmp_path / "kept.json") as digests:
        return digests.of(image)


def test_what_is_unchanged_is_not_read_again(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known(tmp_path, image) == sha(b"one")
    monkeypatch.setattr(known_digests, "file_digest", None)
    assert known(tmp_path, image) == sha(b"one")


def test_another_content_of_the_same_size_and_date_is_noticed(tmp_path: Path, image: Path) -> None:
    known(tmp_path, image)
    before = image.stat()
    image.write_bytes(b"two")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    known_digests.file_digest.__globals__["_file_digest"].cache_clear()  # of this process, by size and date
    assert known(tmp_path, image) == sha(b"two")


def test_what_was_just_written_is_not_relied_upon(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"one")
    known(tmp_path, path)
    assert not (tmp_path / "kept.json").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"x": 3}', "{"])
def test_a_damaged_file_of_digests_is_as_none(tmp_path: Path, image: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content)
    assert known(tmp_path, image) == sha(b"one")
