"""Answers that are not what they seem; the hostile ones that need a container are in tests/containers."""

import gzip
import json
import math
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from running_world import AFFINE, SHAPE, as_nobody, write_field, write_nifti
from scipy.ndimage import gaussian_filter, map_coordinates

from lumirage.core.errors import DataError
from lumirage.core.model import Convention, Run
from lumirage.core.space import Displacement, make_grid, read_volume, write_volume
from lumirage.running import answer_judging as answers
from lumirage.running.answer_judging import read_answer
from lumirage.running.method_contract import ExpectedAnswer

MM = Convention()
GRID = make_grid(SHAPE, AFFINE)


@pytest.fixture
def moving(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    write_volume(tmp_path / "moving.nii", gaussian_filter(rng.random(SHAPE), 1.5).astype(np.float32), AFFINE)
    return tmp_path / "moving.nii"


@pytest.fixture
def expected(tmp_path: Path) -> ExpectedAnswer:
    folder = tmp_path / "out"
    folder.mkdir()
    return ExpectedAnswer(
        folder, ("displacement.nii", "displacement.nii.gz"), ("moved.nii", "moved.nii.gz"), "info.json"
    )


def judge(expected: ExpectedAnswer, moving: Path, convention: Convention = MM):
    return read_answer(expected, convention, GRID, moving)


def test_a_field_is_read_in_its_convention(expected: ExpectedAnswer, moving: Path):
    write_field(expected.folder, value=1.5)
    answer = judge(expected, moving, Convention(signs="--+"))
    assert answer.state == "valid"
    assert answer.displacement is not None
    assert answer.displacement.u[3, 4, 5].tolist() == [-1.5, -1.5, 1.5]


def test_the_second_name_is_taken_too(expected: ExpectedAnswer, moving: Path):
    write_field(expected.folder, "displacement.nii.gz")
    assert judge(expected, moving).state == "valid"


def test_nothing_is_absent(expected: ExpectedAnswer, moving: Path):
    answer = judge(expected, moving)
    assert (answer.state, answer.message) == ("absent", "there is no displacement.nii nor displacement.nii.gz")


@pytest.mark.parametrize("kind", ["link", "folder link", "fifo", "hard link", "folder", "parent is a file"])
def test_what_is_no_plain_file_is_never_opened(expected: ExpectedAnswer, moving: Path, kind: str, tmp_path: Path):
    path = expected.folder / "displacement.nii"
    write_field(tmp_path, "elsewhere.nii")
    match kind:
        case "link":
            path.symlink_to(tmp_path / "elsewhere.nii")
        case "folder link":
            expected.folder.rmdir()
            (tmp_path / "real").mkdir()
            write_field(tmp_path / "real")
            expected.folder.symlink_to(tmp_path / "real")
        case "fifo":
            os.mkfifo(path)
        case "hard link":
            os.link(tmp_path / "elsewhere.nii", path)
        case "folder":
            path.mkdir()
        case _:
            expected.folder.rmdir()
            expected.folder.write_text("a file")
    assert judge(expected, moving).state == "invalid"


def test_whole_numbers_are_no_displacements(expected: ExpectedAnswer, moving: Path):
    write_nifti(expected.folder / "displacement.nii", np.ones((*SHAPE, 3), np.int16), AFFINE)
    answer = judge(expected, moving)
    assert answer.state == "invalid"
    assert "float32" in answer.message


def raw_field(**fields: tuple[int, str, float]) -> bytes:
    """A good answer's bytes, but for (offset, struct code, value) of some fields of its header."""
    raw = bytearray(nib.Nifti1Image(np.ones((*SHAPE, 3), np.float32), AFFINE).to_bytes())
    for at, code, value in fields.values():
        struct.pack_into(f"<{code}", raw, at, value)
    return bytes(raw)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"datatype": (70, "h", 128)}, "colour numbers"),
        ({"datatype": (70, "h", 2304)}, "colour numbers"),
        ({"datatype": (70, "h", 32)}, "complex numbers"),
        ({"datatype": (70, "h", 1792)}, "complex numbers"),
        ({"datatype": (70, "h", 1536)}, "type 1536"),
        ({"datatype": (70, "h", -7)}, "type -7"),
        ({"magic": (344, "i", 0)}, "no NIfTI"),
        ({"size": (0, "i", 349)}, "no NIfTI"),
        ({"count": (40, "h", 9)}, "dimensions"),
        ({"count": (40, "h", -1)}, "dimensions"),
        ({"x": (42, "h", -16)}, "dimensions"),
        ({"vox_offset": (108, "f", 3.5e8)}, "begin at byte"),
        ({"vox_offset": (108, "f", -352)}, "begin at byte"),
        ({"vox_offset": (108, "f", 352.5)}, "begin at byte"),
        ({"vox_offset": (108, "f", math.nan)}, "begin at byte"),
        ({"slope": (112, "f", 2.0), "shift": (116, "f", math.nan)}, "cannot be read"),
        ({"slope": (112, "f", 3e38), "shift": (116, "f", 3e38)}, "infinite"),
        ({"qform": (252, "h", 1), "sform": (254, "h", 0), "b": (256, "f", 5.0)}, "cannot be read"),
        ({"qform": (252, "h", 0), "sform": (254, "h", 1), "s": (280, "f", math.nan)}, "matrix"),
        ({"qform": (252, "h", 0), "sform": (254, "h", 1), "s": (280, "f", math.inf)}, "matrix"),
    ],
)
def test_a_header_that_lies_is_an_invalid_answer(expected: ExpectedAnswer, moving: Path, fields, message: str):
    (expected.folder / "displacement.nii").write_bytes(raw_field(**fields))
    answer = judge(expected, moving)
    assert answer.state == "invalid"
    assert message in answer.message


@pytest.mark.parametrize("datatype", [128, 2304, 32, 1792])
def test_a_moved_image_of_colours_or_complex_numbers_is_invalid(expected: ExpectedAnswer, moving: Path, datatype: int):
    write_field(expected.folder)
    raw = bytearray(nib.Nifti1Image(np.ones((*SHAPE, 4), np.float32), AFFINE).to_bytes())
    struct.pack_into("<8h", raw, 40, 3, *SHAPE, 1, 1, 1, 1)
    struct.pack_into("<h", raw, 70, datatype)
    (expected.folder / "moved.nii").write_bytes(raw)
    answer = judge(expected, moving)
    assert answer.state == "invalid"
    assert "moved.nii stores" in answer.message


def with_extension(raw: bytes, code: int, content: bytes, said_bytes: int, header_bytes: int) -> bytes:
    told = struct.pack("<2i", said_bytes, code)
    return raw[:header_bytes] + b"\1\0\0\0" + told + content + raw[header_bytes + 4 :]


@pytest.mark.parametrize("code", [2, 4, 6, 32])
def test_extensions_are_not_read(expected: ExpectedAnswer, moving: Path, code: int):
    """Of DICOM, AFNI, comments and CIFTI: each is handed to a parser of its own by the library."""
    image = nib.Nifti2Image(np.full((*SHAPE, 3), 0.5, np.float32), AFFINE)
    raw = bytearray(with_extension(image.to_bytes(), code, b"<not xml".ljust(24), 32, 540))
    struct.pack_into("<q", raw, 168, 544 + 32)
    struct.pack_into("<i", raw, 504, 3001)
    (expected.folder / "displacement.nii").write_bytes(raw)
    answer = judge(expected, moving)
    assert answer.state == "valid", answer.message
    assert answer.displacement is not None
    assert np.unique(answer.displacement.u).tolist() == [0.5]


def judged_within(expected: ExpectedAnswer, moving: Path, most_bytes: int):
    tracemalloc.start()
    try:
        answer = judge(expected, moving)
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()
    return answer


BOMB_BYTES = 64 * 2**20


def test_a_moved_bomb_is_refused_before_it_is_unpacked(expected: ExpectedAnswer, moving: Path):
    write_field(expected.folder)
    head = bytearray(raw_field()[:352])
    struct.pack_into("<8h", head, 40, 3, 256, 256, 256, 1, 1, 1, 1)
    with gzip.open(expected.folder / "moved.nii.gz", "wb", 1) as file:
        file.write(head + bytes(BOMB_BYTES))
    answer = judged_within(expected, moving, BOMB_BYTES // 8)
    assert answer.state == "invalid"
    assert "not on the working grid" in answer.message


@pytest.mark.parametrize(("offset", "state"), [(352 + 32, "valid"), (352 + BOMB_BYTES, "invalid")])
def test_an_extension_is_not_unpacked(expected: ExpectedAnswer, moving: Path, offset: int, state: str):
    """It says that it is huge, and so does the header or not."""
    raw = with_extension(raw_field(offset=(108, "f", offset)), 6, bytes(24), BOMB_BYTES, 348)
    with gzip.open(expected.folder / "displacement.nii.gz", "wb", 1) as file:
        file.write(raw + bytes(BOMB_BYTES))
    assert judged_within(expected, moving, BOMB_BYTES // 8).state == state


@pytest.mark.parametrize("error", [RuntimeError("x"), RecursionError("x"), TypeError("x"), KeyError("x")])
def test_whatever_a_file_does_to_a_library_is_an_invalid_answer(expected, moving, monkeypatch, error: Exception):
    def fails(*_: object) -> None:
        raise error

    write_field(expected.folder)
    monkeypatch.setattr(answers, "read_displacement", fails)
    answer = judge(expected, moving)
    assert answer.state == "invalid"
    assert type(error).__name__ in answer.message


def test_a_damaged_file_of_ours_is_not_the_methods_fault(expected: ExpectedAnswer, moving: Path):
    write_field(expected.folder)
    write_nifti(expected.folder / "moved.nii", np.ones(SHAPE, np.float32), AFFINE)
    moving.write_bytes(b"damaged")
    with pytest.raises(DataError, match="moving"):
        judge(expected, moving)


def lock_field(folder: Path) -> None:
    (folder / "displacement.nii").chmod(0)


def lock_folder(folder: Path) -> None:
    folder.chmod(0)


@pytest.mark.parametrize("lock", [lock_field, lock_folder])
def test_what_an_ordinary_user_may_not_read_is_invalid(expected, moving, lock: Callable[[Path], None]):
    write_field(expected.folder)
    lock(expected.folder)
    with as_nobody(expected.folder.parent):
        answer = judge(expected, moving)
        assert answer.state == "invalid"
        assert "Permission denied" in answer.message


def test_a_field_whose_millimetres_are_infinite_is_invalid(expected: ExpectedAnswer, moving: Path):
    """3e38 is a number of single precision; at voxels of 2 mm it is none any more."""
    write_field(expected.folder, value=3e38)
    answer = judge(expected, moving, Convention(unit="voxel"))
    assert answer.state == "invalid"
    assert "millimetres" in answer.message


@pytest.mark.parametrize(
    ("value", "state"), [(360.0, "valid"), (-360.0, "valid"), (361.0, "invalid"), (-1e37, "invalid")]
)
def test_a_field_that_points_farther_than_ten_fields_of_view_is_invalid(expected, moving, value: float, state: str):
    """The longest side of the grid is 18 voxels of 2 mm."""
    write_field(expected.folder, value=value)
    answer = judge(expected, moving)
    assert answer.state == state
    if state == "invalid":
        assert f"10 fields of view (360 mm) at {np.prod(SHAPE)} voxels, the first at (0, 0, 0)" in answer.message


def moved_by(moving: Path, field: Displacement) -> np.ndarray:
    index = np.stack(np.indices(SHAPE), -1) + field.u @ np.linalg.inv(AFFINE[:3, :3]).T
    return map_coordinates(read_volume(moving).data, np.moveaxis(index, -1, 0), order=3, mode="nearest")


@pytest.fixture
def smooth() -> Displacement:
    rng = np.random.default_rng(1)
    u = np.stack([gaussian_filter(rng.normal(size=SHAPE), 3) for _ in range(3)], -1)
    return Displacement((u * 6 / np.abs(u).max()).astype(np.float32), AFFINE)


def test_a_moved_image_that_agrees(expected: ExpectedAnswer, moving: Path, smooth: Displacement):
    write_nifti(expected.folder / "displacement.nii", smooth.u, AFFINE)
    write_nifti(expected.folder / "moved.nii", moved_by(moving, smooth), AFFINE)
    answer = judge(expected, moving)
    assert answer.state == "valid", answer.message
    assert answer.moved_correlation is not None
    assert answer.moved_correlation > 0.97


def test_a_moved_image_that_does_not_names_the_convention_that_would(expected, moving, smooth):
    write_nifti(expected.folder / "displacement.nii", smooth.u * [-1, -1, 1], AFFINE)
    write_nifti(expected.folder / "moved.nii", moved_by(moving, smooth), AFFINE)
    answer = judge(expected, moving)
    assert answer.state == "invalid"
    assert "mm, order xyz, signs --+" in answer.message


def test_notes_of_the_method_are_kept_when_they_are_small_and_plain(expected: ExpectedAnswer, moving: Path):
    write_field(expected.folder)
    notes = {"iterations": 12, "loss": 0.5, "device": "cpu", "nested": {"a": 1}, "nothing": None}
    (expected.folder / "info.json").write_text(json.dumps(notes))
    assert judge(expected, moving).info == {"iterations": 12, "loss": 0.5, "device": "cpu", "nothing": None}


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, json.dumps({"x": "y" * 20_000})])
def test_other_notes_are_a_warning(expected: ExpectedAnswer, moving: Path, text: str):
    write_field(expected.folder)
    (expected.folder / "info.json").write_text(text)
    answer = judge(expected, moving)
    assert answer.state == "valid"
    assert answer.info == {}
    assert "info.json was left out" in answer.warnings[0]


def test_notes_can_be_written_down_and_read_again(expected: ExpectedAnswer, moving: Path):
    write_field(expected.folder)
    text = '{"a": "\\ud800", "\\udfff": 1, "b": "\\u202egpj.exe\\u0085", "big": 1e999, "long": 1%s}' % ("0" * 4000)
    (expected.folder / "info.json").write_text(text)
    info = judge(expected, moving).info
    assert info == {"a": "\\ud800", "\\udfff": 1, "b": "\\u202egpj.exe\\x85"}
    Run.model_construct(info=info).model_dump_json()
