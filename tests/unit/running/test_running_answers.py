"""Answers that are not what they seem; the hostile ones that need a container are in tests/containers."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from running_world import AFFINE, SHAPE, write_field, write_nifti
from scipy.ndimage import gaussian_filter, map_coordinates

from lumirage.model import Convention
from lumirage.running.answers import read_answer
from lumirage.running.contract import Expected
from lumirage.space import Displacement, make_grid, read_volume, write_volume

MM = Convention()
GRID = make_grid(SHAPE, AFFINE)


@pytest.fixture
def moving(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    write_volume(tmp_path / "moving.nii", gaussian_filter(rng.random(SHAPE), 1.5).astype(np.float32), AFFINE)
    return tmp_path / "moving.nii"


@pytest.fixture
def expected(tmp_path: Path) -> Expected:
    folder = tmp_path / "out"
    folder.mkdir()
    return Expected(folder, ("displacement.nii", "displacement.nii.gz"), ("moved.nii",), "info.json")


def judge(expected: Expected, moving: Path, convention: Convention = MM):
    return read_answer(expected, convention, GRID, moving)


def test_a_field_is_read_in_its_convention(expected: Expected, moving: Path):
    write_field(expected.folder, value=1.5)
    answer = judge(expected, moving, Convention(signs="--+"))
    assert answer.state == "valid"
    assert answer.displacement is not None
    assert answer.displacement.u[3, 4, 5].tolist() == [-1.5, -1.5, 1.5]


def test_the_second_name_is_taken_too(expected: Expected, moving: Path):
    write_field(expected.folder, "displacement.nii.gz")
    assert judge(expected, moving).state == "valid"


def test_nothing_is_absent(expected: Expected, moving: Path):
    answer = judge(expected, moving)
    assert (answer.state, answer.message) == ("absent", "there is no displacement.nii nor displacement.nii.gz")


@pytest.mark.parametrize("kind", ["link", "folder link", "fifo", "hard link", "folder", "parent is a file"])
def test_what_is_no_plain_file_is_never_opened(expected: Expected, moving: Path, kind: str, tmp_path: Path):
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


def test_whole_numbers_are_no_displacements(expected: Expected, moving: Path):
    write_nifti(expected.folder / "displacement.nii", np.ones((*SHAPE, 3), np.int16), AFFINE)
    answer = judge(expected, moving)
    assert answer.state == "invalid"
    assert "float32" in answer.message


def moved_by(moving: Path, field: Displacement) -> np.ndarray:
    index = np.stack(np.indices(SHAPE), -1) + field.u @ np.linalg.inv(AFFINE[:3, :3]).T
    return map_coordinates(read_volume(moving).data, np.moveaxis(index, -1, 0), order=3, mode="nearest")


@pytest.fixture
def smooth() -> Displacement:
    rng = np.random.default_rng(1)
    u = np.stack([gaussian_filter(rng.normal(size=SHAPE), 3) for _ in range(3)], -1)
    return Displacement((u * 6 / np.abs(u).max()).astype(np.float32), AFFINE)


def test_a_moved_image_that_agrees(expected: Expected, moving: Path, smooth: Displacement):
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


def test_notes_of_the_method_are_kept_when_they_are_small_and_plain(expected: Expected, moving: Path):
    write_field(expected.folder)
    notes = {"iterations": 12, "loss": 0.5, "device": "cpu", "nested": {"a": 1}, "nothing": None}
    (expected.folder / "info.json").write_text(json.dumps(notes))
    assert judge(expected, moving).info == {"iterations": 12, "loss": 0.5, "device": "cpu", "nothing": None}


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, json.dumps({"x": "y" * 20_000})])
def test_other_notes_are_a_warning(expected: Expected, moving: Path, text: str):
    write_field(expected.folder)
    (expected.folder / "info.json").write_text(text)
    answer = judge(expected, moving)
    assert answer.state == "valid"
    assert answer.info == {}
    assert "info.json was left out" in answer.warnings[0]
