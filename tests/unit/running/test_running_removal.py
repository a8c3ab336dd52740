"""Removing what a method wrote: trees that a library's own removal cannot take."""

import os
import time
from pathlib import Path

import pytest
from running_world import World, as_nobody

from lumirage.running.folder_removal import remove_tree
from lumirage.running.tree_lock import remove_asides


def nest(folder: Path, depth: int, mode: int = 0o755) -> None:
    """A chain of folders, deeper than any path can say."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=held)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=held)
        os.fchmod(held, mode)
        os.close(held)
        held = inner
    os.close(held)


def test_a_deep_tree(tmp_path: Path):
    nest(tmp_path / "scratch", 3000)  # longer than a path may be, deeper than Python recurses
    remove_tree(tmp_path / "scratch")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0, 0o500, 0o300])
def test_a_tree_without_rights(tmp_path: Path, mode: int):
    folder = tmp_path / "mine" / "scratch"
    nest(folder, 20)
    (folder / "d" / "d" / "file").touch(mode=0)
    held = [folder, *folder.rglob("d")]
    with as_nobody(folder.parent):
        for place in reversed(held):
            place.chmod(mode)
        remove_tree(folder)
        assert not list(folder.parent.iterdir())


def test_links_are_removed_and_not_followed(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir(mode=0o750)
    (tmp_path / "elsewhere" / "kept").touch(mode=0o640)
    (tmp_path / "scratch" / "inner").mkdir(parents=True)
    (tmp_path / "scratch" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "scratch" / "inner" / "file").symlink_to(tmp_path / "elsewhere" / "kept")
    (tmp_path / "scratch" / "inner" / "long").symlink_to("a" * 300)
    (tmp_path / "scratch" / "inner" / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "scratch" / "pipe")
    remove_tree(tmp_path / "scratch")
    assert sorted(place.name for place in tmp_path.rglob("*")) == ["elsewhere", "kept"]
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "elsewhere" / "kept").stat().st_mode & 0o777 == 0o640


def test_a_link_itself_is_left(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    remove_tree(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert remove_tree(tmp_path / "absent") == 0


def test_what_cannot_be_removed_stays_and_the_rest_goes(tmp_path: Path):
    folder = tmp_path / "mine" / "scratch"
    (folder / "gone" / "deep").mkdir(parents=True)
    with as_nobody(folder.parent):
        (folder / "also gone").touch()
        if os.getuid() == 0:  # else nothing here can belong to somebody else
            os.seteuid(0)
            (folder / "roots" / "inner").mkdir(parents=True)
            os.seteuid(65534)
        remove_tree(folder)
        left = sorted(str(place.relative_to(folder)) for place in folder.rglob("*"))
    assert left == (["roots", "roots/inner"] if os.getuid() == 0 else [])


def test_what_is_freed_is_counted_once(tmp_path: Path):
    folder = tmp_path / "scratch"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_bytes(b"1" * 100_000)
    os.link(folder / "inner" / "file", folder / "again")
    (tmp_path / "kept").write_bytes(b"1" * 100_000)
    os.link(tmp_path / "kept", folder / "kept")
    with (folder / "sparse").open("wb") as file:
        file.truncate(10**12)
    os.sync()
    assert 100_000 <= remove_tree(folder) < 200_000


def test_many_folders_side_by_side_take_no_time(tmp_path: Path):
    for i in range(300):
        (tmp_path / "scratch" / str(i) / "x").mkdir(parents=True)
    began = time.process_time()
    remove_tree(tmp_path / "scratch")
    assert time.process_time() - began < 1.0
    assert not (tmp_path / "scratch").exists()


def test_a_deep_scratch_folder_does_not_hinder_the_next_start(world: World):
    nest(world.layout.scratch("left"), 2000)
    half = world.layout.prepared("k") / f".{'0a' * 16}-fixed.nii"
    half.parent.mkdir(parents=True)
    half.touch()
    remove_asides(world.layout)
    assert not half.exists()
    remove_tree(world.layout.scratch("left"))
