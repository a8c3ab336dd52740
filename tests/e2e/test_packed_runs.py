"""Runs that share archives: every command gives what it gave before, and damage is told and mended as that of single files."""

import hashlib
import random
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.e2e.test_damaged_files import DAMAGES, STAGES, TABLES, TRACK, Told, asked, flip, silently

from lumirage.cli import app
from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.packed_files import is_kept, on_disk, pack, read_kept, unpack
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.flow.evaluate import evaluate
from lumirage.flow.stored_evaluation import load_runs
from lumirage.flow.upkeep.run_packing import pack_runs
from lumirage.flow.upkeep.tree_check import examine

METHODS = ("zero-displacement",)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("packed")
    make_phantom(made / "bids", PhantomSpec(subjects=2, spacing_mm=8.0, contrasts=("T1w",), seed=1))
    (made / "track.yaml").write_text(TRACK)
    evaluate(asked(made), STAGES, Told())
    return made


@pytest.fixture
def out(place: Path, tmp_path: Path) -> Path:
    copy = place / tmp_path.name  # beside the dataset, as the first
    shutil.copytree(place / "out", copy)
    return copy


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        app([str(word) for word in words], standalone_mode=True)
    return int(str(end.value.code or 0))


def single_files(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for method in METHODS
        for path in (out / method).rglob("*")
        if path.is_file()
    }


def tables(out: Path, names: Sequence[str] = TABLES) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in names}


def test_every_command_gives_what_it_gave_before(place: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, files = tables(out), single_files(out)
    runs = load_runs(Layout(out), read_evaluation(Layout(out)))
    assert run("export", out, "transforms", out.with_name("loose"), "--format", "itk") == 0
    assert run("pack", out) == 0
    assert "8 files packed into 2 archives" in capsys.readouterr().out
    assert len(single_files(out)) == len(files) - 8 + 2

    assert load_runs(Layout(out), read_evaluation(Layout(out))) == runs
    assert run("verify", out) == 0
    assert run("status", out) == 0
    assert "2 " in capsys.readouterr().out
    assert run("export", out, "transforms", out.with_name("packed"), "--format", "itk") == 0
    loose, packed = (
        {path.name: path.read_bytes() for path in out.with_name(name).rglob("*.h5")} for name in ("loose", "packed")
    )
    assert loose.keys() == packed.keys()
    assert len(loose) == 2

    told = Told()
    evaluate(asked(place, out), STAGES, told)
    assert tables(out) == before, "typed again: no run is executed, as a method that is executed writes new files"
    assert not list((out / "zero-displacement").rglob("*_xfm.nii"))
    shutil.rmtree(out / "scores")
    (out / "scores.tsv").unlink()
    assert run("score", out) == 0
    assert tables(out, ["scores.tsv"]) == {"scores.tsv": before["scores.tsv"]}
    assert run("report", out) == 0
    assert run("export", out, "bundle", out.with_name("bundle.zip")) == 0
    bundled = set(zipfile.ZipFile(out.with_name("bundle.zip")).namelist())
    assert {name for name in files if "/anat/" in name} <= bundled

    assert run("unpack", out) == 0
    assert single_files(out) == files
    with pytest.raises(DataError, match="no run is packed"):
        app(["unpack", str(out)], standalone_mode=False)


@pytest.mark.parametrize("number", range(4))
def test_damaged_archives_are_told_and_their_runs_made_again(place: Path, out: Path, number: int) -> None:
    draw, layout = random.Random(number), Layout(out)
    before = tables(out)
    pack_runs(layout, METHODS, Told())
    archive = draw.choice(sorted((out / "zero-displacement").rglob("runs-1.zip")))
    with zipfile.ZipFile(archive) as opened:
        was = {archive.with_name(name): opened.read(name) for name in opened.namelist()}
    draw.choice(DAMAGES)(archive, draw)
    found = {finding.path for finding in examine(layout, deep=True).findings}
    assert archive in found or {path for path, content in was.items() if read_kept(path) != content} <= found
    told = Told()
    evaluate(asked(place, out), STAGES, told)
    assert [path for path in found if f"{path}: " not in told.text and not path.name.endswith((".txt", ".tsv"))] == []
    assert tables(out) == before


def test_a_damaged_field_is_not_packed(out: Path) -> None:
    field = sorted((out / "zero-displacement").rglob("*_xfm.nii"))[0]
    flip(field, random.Random(0))
    with pytest.raises(DataError, match="type the same 'lumirage-harness evaluate' command again"):
        app(["pack", str(out)], standalone_mode=False)
    assert field.is_file()


def test_one_damaged_member_costs_one_run(place: Path, out: Path) -> None:
    """Damage that changes no time: found where the member is used."""
    layout, before = Layout(out), tables(out)
    field = sorted((out / "zero-displacement").rglob("*_xfm.nii"))[0]
    silently(field)
    pack_runs(layout, METHODS, Told())
    assert run("verify", out) == 1
    shutil.rmtree(out / "scores")
    told = Told()
    evaluate(asked(place, out), STAGES, told)
    assert (
        f"{field}: damaged: its content does not match its checksum; set aside, and the run executed again" in told.text
    )
    assert field.with_name(f"{field.name}.damaged").is_file()
    assert tables(out) == before
    assert not examine(layout, deep=True).findings


def test_a_file_of_its_own_counts_before_a_member_and_later_archives_before_earlier(tmp_path: Path) -> None:
    path = tmp_path / "x_log.txt"
    for words in ("first", "second"):
        path.write_text(words)
        pack(tmp_path, [path])
        assert not path.exists()
    assert is_kept(path)
    assert read_kept(path) == b"second"
    with on_disk(path) as copy:
        assert (copy.name, copy.read_bytes()) == (path.name, b"second")
    path.write_text("third")
    assert read_kept(path) == b"third"
    assert unpack(tmp_path) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["x_log.txt"]
    assert path.read_text() == "third"


def test_a_disk_that_reads_other_bytes_than_were_written_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x_log.txt"
    path.write_text("words")
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: b"other")
    with pytest.raises(OSError, match="is not what was written"):
        pack(tmp_path, [path])
    assert [one.name for one in tmp_path.iterdir()] == ["x_log.txt"]


@pytest.mark.parametrize("name", ["../x_log.txt", "/x_log.txt", "sub/x_log.txt", ".."])
def test_an_archive_that_would_write_elsewhere_is_damage(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "anat"
    folder.mkdir()
    with zipfile.ZipFile(folder / "runs-1.zip", "w") as archive:
        archive.writestr(name, "words")
    with pytest.raises(DamagedFileError, match="a member has no plain name"):
        unpack(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["anat", "runs-1.zip"]


def test_an_archive_that_is_cut_off_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x_log.txt"
    path.write_text("words")
    archive = pack(tmp_path, [path])
    archive.write_bytes(archive.read_bytes()[:40])
    other = tmp_path / "y_log.txt"
    other.touch()  # the time of the folder changes
    with pytest.raises(DamagedFileError, match="damaged, or cut off"):
        is_kept(path)
