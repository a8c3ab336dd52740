"""Where mounted folders lie."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lumirage.core.errors import UnavailableError
from lumirage.core.layout import Layout
from lumirage.running.file_systems import in_memory
from lumirage.running.scratch import is_neutral, scratch_folder, temporary

ENGINE = SimpleNamespace(isolated=True, mounts_ours_only=False)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "oasis-T2w").mkdir()
    return Layout(tmp_path / "oasis-T2w")


def environment(tmp_path: Path) -> dict[str, str]:
    return {"TMPDIR": str(tmp_path / "tmp")}


def test_its_name_tells_nothing_and_others_cannot_look(layout: Layout, tmp_path: Path) -> None:
    place = scratch_folder(layout, ENGINE, environment(tmp_path))
    assert place.parent == tmp_path / "tmp"
    assert "oasis" not in place.name
    assert is_neutral(place, layout)
    assert not is_neutral(layout.scratch("a"), layout)
    assert place.stat().st_mode & 0o777 == 0o711
    assert scratch_folder(layout, ENGINE, environment(tmp_path)) == place, "the same for the next harness of this tree"
    assert scratch_folder(Layout(tmp_path / "other"), ENGINE, environment(tmp_path)) != place


def test_without_tmpdir_it_lies_where_large_files_may() -> None:
    assert temporary({}) == Path("/var/tmp")
    assert temporary({"TMPDIR": ""}) == Path("/var/tmp")


def mounts(tmp_path: Path, *places: tuple[str, str]) -> Path:
    table = tmp_path / "mounts"
    table.write_text("".join(f"none {place} {kind} rw 0 0\n" for place, kind in (("/", "ext4"), *places)))
    return table


def test_a_tmpdir_that_lies_in_memory_is_not_taken(tmp_path: Path) -> None:
    modern = mounts(tmp_path, ("/tmp", "tmpfs"), ("/dev/shm", "tmpfs"))
    assert temporary({"TMPDIR": "/tmp"}, modern) == Path("/var/tmp")
    assert temporary({"TMPDIR": "/tmp/deep/er"}, modern) == Path("/var/tmp")
    assert temporary({"TMPDIR": "/scratch"}, modern) == Path("/scratch")


def test_where_everything_lies_in_memory_the_wish_is_kept(tmp_path: Path) -> None:
    assert temporary({"TMPDIR": "/scratch"}, mounts(tmp_path, ("/", "tmpfs"))) == Path("/scratch")


def test_a_disk_below_a_tmpfs_is_a_disk_and_odd_names_are_read(tmp_path: Path) -> None:
    table = mounts(tmp_path, ("/tmp", "tmpfs"), ("/tmp/disk", "ext4"), ("/odd\\040name", "tmpfs"))
    assert not in_memory(Path("/tmp/disk/x"), table)
    assert in_memory(Path("/odd name/x"), table)
    assert not in_memory(Path("/tmp"), tmp_path / "none")


@pytest.mark.parametrize("engine", [SimpleNamespace(isolated=False, mounts_ours_only=False),
                                    SimpleNamespace(isolated=True, mounts_ours_only=True)])  # fmt: skip
def test_where_it_would_gain_nothing_or_cannot_be_mounted_it_lies_in_out(
    layout: Layout, tmp_path: Path, engine: SimpleNamespace
) -> None:
    assert scratch_folder(layout, engine, environment(tmp_path)) == layout.scratch("")
    assert not (tmp_path / "tmp").exists()


def test_the_work_folder_that_somebody_chose_is_kept(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    layout.work.symlink_to(tmp_path / "disk")
    place = scratch_folder(layout, ENGINE, environment(tmp_path))
    assert place == layout.scratch("")
    assert is_neutral(place, layout)


@pytest.mark.parametrize("taken", ["link", "open to all"])
def test_a_place_that_somebody_else_made_is_refused(layout: Layout, tmp_path: Path, taken: str) -> None:
    place = layout.neutral_scratch(tmp_path / "tmp")
    place.parent.mkdir()
    if taken == "link":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        os.chmod(place, 0o777)  # noqa: PTH101
    with pytest.raises(UnavailableError, match="not ours alone; remove it, or set TMPDIR"):
        scratch_folder(layout, ENGINE, environment(tmp_path))
