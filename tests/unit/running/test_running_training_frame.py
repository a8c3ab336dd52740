"""A network gets the grid that its card wants, and its field comes back right, whatever grid the harness works on."""

import dataclasses
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydantic import ValidationError
from running_world import Actor, FakeRuntime, World, write_nifti

from lumirage.core.model import Convention, Grid, GridNeeds, Job, Method
from lumirage.core.space import (
    Displacement,
    axis_codes,
    make_grid,
    points,
    read_displacement,
    read_grid,
    read_volume,
    write_displacement,
    write_volume,
)
from lumirage.running.training_frame import brought, frame_grid, framed, on_grid

ALL_CODES = [
    "".join(codes) for axes in itertools.permutations(("RL", "AP", "SI")) for codes in itertools.product(*axes)
]
SHAPE = (20, 26, 16)
EVERYWHERE = np.ones(SHAPE, bool)
STRAIGHT = np.eye(3)
TILT = nib.eulerangles.euler2mat(0.2, -0.1, 0.3)
LINEAR = np.array([[0.02, 0.01, -0.03], [0.0, -0.04, 0.02], [0.05, 0.01, 0.03]])
SHIFT_MM = np.array([1.5, -4.0, 7.25])


def lattice(codes: str, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), turn: np.ndarray = STRAIGHT) -> Grid:
    """A grid of SHAPE whose array axes have these codes, turned a little if asked to."""
    affine = np.eye(4)
    for k, code in enumerate(codes):
        axis = next(i for i, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        affine[:3, k] = turn[:, axis] * (1 if code in "RAS" else -1) * spacing[k]
    affine[:3, 3] = (31.0, -12.5, 4.0)
    assert axis_codes(affine) == codes
    return make_grid(SHAPE, affine)


def positions(grid: Grid) -> np.ndarray:
    """World positions (X, Y, Z, 3) of a grid's voxels."""
    return points(np.array(grid.affine), np.moveaxis(np.indices(grid.shape), 0, -1).astype(float))


def linear_field(grid: Grid) -> Displacement:
    """u(x) = LINEAR x + SHIFT_MM: linear interpolation of it is exact on any lattice."""
    return Displacement((positions(grid) @ LINEAR.T + SHIFT_MM).astype(np.float32), np.array(grid.affine))


@pytest.mark.parametrize("orientation", ALL_CODES)
def test_the_frame_has_the_axes_that_the_card_names(orientation: str) -> None:
    for working in (lattice("RAS"), lattice("PIR"), lattice("LSA", turn=TILT)):
        grid = frame_grid(GridNeeds(orientation=orientation, shape=(32, 16, 24)), working, EVERYWHERE)
        assert axis_codes(np.array(grid.affine)) == orientation
        assert grid.shape == (32, 16, 24)


@pytest.mark.parametrize("working", [lattice("RAS"), lattice("LPI"), lattice("SAR", (1.0, 2.0, 1.5), TILT)])
@pytest.mark.parametrize("spacing", [None, 2.0])
def test_a_linear_field_comes_back_exactly_from_every_orientation(working: Grid, spacing: float | None) -> None:
    wanted = linear_field(working).u
    for orientation in ALL_CODES:
        needs = GridNeeds(orientation=orientation, shape=(28, 30, 32), spacing_mm=spacing)
        grid = frame_grid(needs, working, EVERYWHERE)
        back = brought(linear_field(grid), working)
        assert np.abs(back.u - wanted).max() < 1e-4
        assert np.array_equal(back.affine, np.array(working.affine))


def test_at_the_same_spacing_voxels_are_copied_and_what_was_not_there_is_empty() -> None:
    working = lattice("LAI", turn=TILT)
    data = np.random.default_rng(0).random(SHAPE, np.float32)
    grid = frame_grid(GridNeeds(orientation="SRP", shape=(24, 22, 32), spacing_mm=1.0), working, EVERYWHERE)
    there = on_grid(data, np.array(working.affine), grid, outside=-1.0)
    kept = np.transpose(data, (2, 0, 1))[::-1, ::-1, ::-1]
    assert np.array_equal(there[4:20, 1:21, 3:29], kept)
    assert np.count_nonzero(there == -1.0) == there.size - data.size
    back = on_grid(there, np.array(grid.affine), working)
    assert np.array_equal(back, data)


def test_the_border_of_a_field_goes_on_where_the_frame_ends() -> None:
    working = lattice("RAS")
    grid = frame_grid(GridNeeds(orientation="RAS", shape=(20, 10, 16)), working, EVERYWHERE)
    u = np.zeros((20, 10, 16, 3), np.float32)
    u[:, 0], u[:, -1] = 3.0, 5.0
    back = brought(Displacement(u, np.array(grid.affine)), working).u
    assert (back[:, :8] == 3.0).all()
    assert (back[:, 9:17] == 0.0)[:, :-1].all()
    assert (back[:, 17:] == 5.0).all()


def test_a_frame_that_is_too_small_lies_about_the_head() -> None:
    working = lattice("RAS")
    head = np.zeros(SHAPE, bool)
    head[5:9, 20:24, 0:4] = True
    grid = frame_grid(GridNeeds(orientation="RAS", shape=(10, 8, 8)), working, head)
    first = np.linalg.inv(np.array(working.affine)) @ np.array(grid.affine)[:, 3]
    assert np.allclose(first[:3], (2, 18, 0)), "in the middle of it, and not beyond the image while there is room"


def test_a_shape_that_is_left_open_covers_the_image() -> None:
    needs = GridNeeds(orientation="LIA", divisible_by=16, spacing_mm=2.0)
    grid = frame_grid(needs, lattice("RAS", (1.0, 2.0, 4.0)), EVERYWHERE)
    assert grid.shape == (16, 32, 32)  # 10, 32 and 26 voxels of 2 mm along R, S and A


@pytest.mark.parametrize("codes", ["RAA", "RL", "XYZ", "ras"])
def test_axis_codes_that_name_no_frame_are_refused(codes: str) -> None:
    with pytest.raises(ValidationError, match="orientation"):
        GridNeeds(orientation=codes)


# -- within a run ------------------------------------------------------------------------------------------------------

NEEDS = GridNeeds(orientation="LIA", shape=(32, 24, 40), spacing_mm=2.0)
NETWORK = Convention(unit="normalized", order="zyx", channels="first")


def network_job(world: World, needs: GridNeeds = NEEDS) -> Job:
    card = Method(name="tiny", version="1", summary="s", kind="deep", needs=needs, output=NETWORK)
    return world.job("x").model_copy(update={"method": card})


def answer_as_a_network(folder: Path, _: int) -> None:
    """The linear field in units of [-1, 1] of the grid that was given, the last axis first, channels first."""
    given = read_grid(folder.parents[1] / "in" / folder.name / "fixed.nii")
    voxels = linear_field(given).u @ np.linalg.inv(np.array(given.affine)[:3, :3]).T
    unit = voxels * 2 / (np.array(given.shape) - 1)
    write_nifti(
        folder / "displacement.nii", np.moveaxis(unit[..., ::-1], -1, 0).astype(np.float32), np.array(given.affine)
    )


def test_a_networks_normalized_field_is_kept_in_millimetres_on_the_working_grid(world: World) -> None:
    (pair,) = world.add_pairs(1)
    (run,) = world.execute(network_job(world), FakeRuntime(Actor(answer_as_a_network)))
    assert run.outcome == "ok", run.message
    working = world.inputs[pair].prepared.grid
    kept = read_displacement(world.files(pair).field, Convention(), working)
    assert np.abs(kept.u - linear_field(working).u).max() < 1e-4
    assert run.warnings == ()


def test_the_record_says_what_the_frame_left_out(world: World) -> None:
    world.add_pairs(1)
    job = network_job(world, GridNeeds(orientation="LIA", shape=(8, 14, 18)))
    (run,) = world.execute(job, FakeRuntime(Actor(answer_as_a_network)))
    assert run.outcome == "ok"
    (warning,) = run.warnings
    assert "% of the fixed image's foreground is outside the network's training frame" in warning
    assert 45 < float(warning.split()[0]) < 55


def test_what_the_working_grid_has_already_is_given_as_it_is(world: World, tmp_path: Path) -> None:
    (pair,) = world.add_pairs(1)
    prepared = world.inputs[pair].prepared
    same = GridNeeds(orientation="RAS", shape=prepared.grid.shape, spacing_mm=2.0)
    assert framed(prepared, None, same, tmp_path / "f").prepared is prepared
    assert framed(prepared, None, GridNeeds(shape=(8, 8, 8)), tmp_path / "f").prepared is prepared
    assert not (tmp_path / "f").exists()


def test_images_and_truth_go_into_the_frame_together(world: World, tmp_path: Path) -> None:
    (pair,) = world.add_pairs(1)
    prepared = world.inputs[pair].prepared
    write_displacement(tmp_path / "truth.nii", linear_field(prepared.grid))
    ramp = (positions(prepared.grid) @ (0.1, 0.2, 0.3)).astype(np.float32)
    write_volume(tmp_path / "moving.nii", ramp, np.array(prepared.grid.affine))
    prepared = prepared.model_copy(update={"moving": tmp_path / "moving.nii"})
    there = framed(prepared, tmp_path / "truth.nii", GridNeeds(orientation="AIL", shape=(12, 8, 10)), tmp_path / "f")
    assert there.truth is not None
    grid = there.prepared.grid
    truth = read_displacement(there.truth, Convention(), grid).u
    assert np.abs(truth - linear_field(grid).u).max() < 1e-4
    assert np.abs(read_volume(there.prepared.moving).data - positions(grid) @ (0.1, 0.2, 0.3)).max() < 1e-4
    assert read_grid(there.prepared.fixed) == grid
    assert dataclasses.replace(there, note="").prepared.key == prepared.key
