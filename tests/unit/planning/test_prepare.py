"""The working grid, resampling and keys, on images whose every voxel is known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumirage.core import space
from lumirage.core.affine_error import AffineError
from lumirage.core.errors import DataError
from lumirage.core.layout import Layout
from lumirage.core.model import GridNeeds, Pair, Scan
from lumirage.core.records import write_json
from lumirage.core.space import Volume
from lumirage.core.track import Prepare, Track
from lumirage.planning.affine_alignment import align
from lumirage.planning.intensity import spoil_and_scale
from lumirage.planning.preparation import Preparer, check_scan, prepared_key, resample
from lumirage.planning.working_grid import about_centre, rigid, unmet_needs, working_grid


def ball(affine: np.ndarray, shape: tuple[int, int, int], centre: tuple[float, float, float]) -> Volume:
    """A lopsided bright ball: its intensity grows along R, so that flips are seen."""
    index = np.moveaxis(np.indices(shape), 0, -1).astype(float)
    world = space.points(affine, index) - np.array(centre)
    inside = (world**2).sum(axis=-1) < 15.0**2
    return Volume(np.where(inside, 100.0 + 2.0 * world[..., 0] + world[..., 1], 0.0).astype(np.float32), affine)


RAS = np.array([[2.0, 0, 0, -40], [0, 2.0, 0, -40], [0, 0, 2.0, -40], [0, 0, 0, 1]])
SHAPE = (40, 40, 40)


def scan(tmp_path: Path, name: str, volume: Volume) -> Scan:
    path = tmp_path / f"sub-{name}_T1w.nii.gz"
    space.write_volume(path, volume.data, volume.affine)
    return Scan(name=f"sub-{name}_T1w", subject=name, suffix="T1w", image=path)


def stored(volume: Volume, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Volume:
    """The same picture in another storage order."""
    data, affine = volume.data.transpose(axes), volume.affine[:, [*axes, 3]]
    for axis, flipped in enumerate(flips):
        if flipped:
            data = np.flip(data, axis)
            affine = affine.copy()
            affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
            affine[:, axis] *= -1
    return Volume(np.ascontiguousarray(data), affine)


@settings(deadline=None, max_examples=20)
@given(st.permutations([0, 1, 2]), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_the_storage_order_of_an_image_plays_no_part(axes: list[int], flips: tuple[bool, bool, bool]) -> None:
    volume = ball(RAS, SHAPE, (3.0, -2.0, 1.0))
    other = stored(volume, tuple(axes), flips)  # type: ignore[arg-type]
    prepare = Prepare(spacing_mm=(3.0, 3.0, 3.0), shape=(24, 20, 16))
    grid = working_grid(volume, prepare)
    assert space.same_grid(grid, working_grid(other, prepare))
    np.testing.assert_allclose(resample(volume, np.eye(4), grid), resample(other, np.eye(4), grid), atol=1e-3)


def test_a_native_ras_image_keeps_its_lattice_and_its_voxels(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    pair = Pair(fixed=scan(tmp_path, "a", volume), moving=scan(tmp_path, "b", volume))
    prepared = Preparer(Layout(tmp_path / "out")).prepare(pair, Prepare(affine="none", intensity="none"))
    assert space.same_grid(prepared.grid, volume.grid)
    np.testing.assert_array_equal(space.read_volume(prepared.moving).data, volume.data)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SRA"])
def test_the_working_grid_has_the_asked_orientation_shape_and_centre(codes: str) -> None:
    grid = working_grid(
        ball(RAS, SHAPE, (6.0, 0, 0)), Prepare(orientation=codes, spacing_mm=(1, 2, 3), shape=(30, 20, 12))
    )
    affine = np.array(grid.affine)
    assert space.axis_codes(affine) == codes
    by_axis = {"R": (30, 1), "L": (30, 1), "A": (20, 2), "P": (20, 2), "S": (12, 3), "I": (12, 3)}
    assert grid.shape == tuple(by_axis[c][0] for c in codes)
    np.testing.assert_allclose(space.spacing_of(affine), [by_axis[c][1] for c in codes])
    centre = space.points(affine, (np.array(grid.shape) - 1) / 2)
    assert abs(centre - np.array([6.0, 0, 0])).max() <= 1.5


def test_an_oblique_grid_is_turned_by_the_asked_angle() -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    turned = np.array(working_grid(volume, Prepare(oblique_deg=10)).affine)[:3, :3] / 2.0
    assert np.rad2deg(np.arccos((np.trace(turned) - 1) / 2)) == pytest.approx(10)


def test_the_affine_is_found_and_the_moving_image_comes_to_lie_on_the_fixed(tmp_path: Path) -> None:
    truth = rigid(7.0, np.array([4.0, -3.0, 2.0]), np.zeros(3))
    fixed = ball(RAS, SHAPE, (1, 2, 3))
    index = np.moveaxis(np.indices(SHAPE), 0, -1).astype(float)
    back = space.points(np.linalg.inv(truth), space.points(RAS, index)) - np.array([1, 2, 3])
    inside = (back**2).sum(axis=-1) < 15.0**2
    moving = Volume(np.where(inside, 100 + 2 * back[..., 0] + back[..., 1], 0).astype(np.float32), RAS)
    found = np.array(align(fixed, moving, "rigid", np.eye(4)).affine)
    centre = np.array([[1.0, 2, 3], [10, 2, 3], [1, 12, 3]])
    assert np.linalg.norm(space.points(found, centre) - space.points(truth, centre), axis=1).max() < 1.0
    assert (found == np.array(align(fixed, moving, "rigid", np.eye(4)).affine)).all()


def test_a_planted_affine_error_is_in_the_record(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    pair = Pair(fixed=scan(tmp_path, "a", volume), moving=scan(tmp_path, "b", volume))
    wrong = Prepare(affine="none", affine_error=AffineError(rotation_deg=10, translation_mm=6))
    matrix = np.array(Preparer(Layout(tmp_path / "out")).prepare(pair, wrong).affine)
    assert np.rad2deg(np.arccos((np.trace(matrix[:3, :3]) - 1) / 2)) == pytest.approx(10)


def test_what_is_prepared_once_is_not_made_again(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    pair = Pair(fixed=scan(tmp_path, "a", volume), moving=scan(tmp_path, "b", volume))
    preparer = Preparer(Layout(tmp_path / "out"))
    first = preparer.prepare(pair, Prepare(affine="rigid"))
    made = first.moving.stat().st_mtime_ns
    assert preparer.prepare(pair, Prepare(affine="rigid")).moving.stat().st_mtime_ns == made
    assert prepared_key(pair, Prepare(affine="rigid")) != prepared_key(pair, Prepare(affine="rigid", gamma=2))


def test_intensities_become_zero_to_one_and_can_be_inverted(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    pair = Pair(fixed=scan(tmp_path, "a", volume), moving=scan(tmp_path, "b", volume))
    preparer = Preparer(Layout(tmp_path / "out"))
    plain = space.read_volume(preparer.prepare(pair, Prepare(affine="none")).fixed).data
    upside = space.read_volume(preparer.prepare(pair, Prepare(affine="none", inverted=True)).fixed).data
    assert (plain.min(), plain.max()) == (0, 1)
    inside = volume.data > 0
    assert np.corrcoef(plain[inside], upside[inside])[0, 1] == pytest.approx(-1)
    assert (upside[~inside] == 0).all()


def test_noise_and_bias_are_the_same_every_time(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    pair = Pair(fixed=scan(tmp_path, "a", volume), moving=scan(tmp_path, "b", volume))
    spoiled = Prepare(affine="none", noise=0.05, bias_field=0.3)
    one, two = (space.read_volume(Preparer(Layout(tmp_path / o)).prepare(pair, spoiled).fixed).data for o in "xy")
    np.testing.assert_array_equal(one, two)
    clean = space.read_volume(Preparer(Layout(tmp_path / "x")).prepare(pair, Prepare(affine="none")).fixed).data
    assert 0.01 < np.abs(one - clean).mean() < 0.3


def test_labels_have_a_lattice_of_their_own_but_lie_where_the_image_lies(tmp_path: Path) -> None:
    image = scan(tmp_path, "a", ball(RAS, SHAPE, (0, 0, 0)))
    with_labels = image.model_copy(update={"labels": {"x": tmp_path / "l.nii.gz"}})
    fine = RAS @ np.diag([0.5, 0.5, 0.5, 1.0])
    for affine in (RAS, fine, RAS @ np.diag([1.5, 1.5, 1.5, 1.0])):
        space.write_volume(tmp_path / "l.nii.gz", np.zeros((30, 30, 30), np.int16), affine)
        check_scan(with_labels)
    space.write_volume(tmp_path / "l.nii.gz", np.zeros(SHAPE, np.int16), np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(DataError, match=r"is not where sub-a_T1w.nii.gz is: 12% of the smaller"):
        check_scan(with_labels)


def test_a_mask_on_a_lattice_of_its_own_strips_the_same(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    box = np.zeros((80, 80, 80), np.uint8)
    box[40:, :, :] = 1  # to the right of -40.5 + 40 = -0.5 mm
    fine = RAS @ np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] -= 0.5
    coarse = np.zeros(SHAPE, np.uint8)
    coarse[20:] = 1
    pictures = []
    for name, (mask, affine) in {"fine": (box, fine), "own": (coarse, RAS)}.items():
        space.write_volume(tmp_path / f"{name}.nii.gz", mask, affine)
        one = scan(tmp_path, name, volume).model_copy(update={"mask": tmp_path / f"{name}.nii.gz"})
        prepare = Prepare(affine="none", skull="stripped", intensity="none")
        made = Preparer(Layout(tmp_path / name)).prepare(Pair(fixed=one, moving=one), prepare)
        pictures.append(space.read_volume(made.fixed).data)
    np.testing.assert_array_equal(*pictures)
    assert 0 < np.count_nonzero(pictures[0]) < np.count_nonzero(volume.data)


def test_a_crop_is_the_foreground_and_its_margin() -> None:
    volume = ball(RAS, SHAPE, (4.0, 0.0, -6.0))
    tight, loose = (working_grid(volume, Prepare(crop_mm=margin)) for margin in (0, 5))
    # voxels at -14 ... 14 mm of the middle: 15 of them, and 2.5 more on both sides
    assert tight.shape == (15, 15, 15)
    assert loose.shape == (20, 20, 20)
    for grid in (tight, loose):
        middle = space.points(np.array(grid.affine), (np.array(grid.shape) - 1) / 2)
        np.testing.assert_allclose(middle, [4.0, 0.0, -6.0], atol=1e-9)


def test_what_a_network_demands_of_the_grid_is_held_against_every_condition() -> None:
    axes = {"orientation": ["LPS", "PIR"], "shape": [[160, 224, 200]]}
    track = Track.model_validate(
        {"name": "x", "prepare": {"shape": [160, 224, 192]}, "conditions": {"axes": axes}},
    )
    cells = track.cells()
    assert unmet_needs(GridNeeds(shape=(160, 224, 192)), cells) == ["orientation-PIR", "shape-160x224x200"]
    assert unmet_needs(GridNeeds(divisible_by=16), cells) == ["shape-160x224x200"]
    assert unmet_needs(GridNeeds(), cells) == []
    padded = Track.model_validate({"name": "x", "prepare": {"shape": [150, 220, 190], "divisible_by": 32}}).cells()
    assert unmet_needs(GridNeeds(shape=(160, 224, 192), divisible_by=32), padded) == []
    assert unmet_needs(GridNeeds(divisible_by=64), padded) == ["reference"]
    open_grid = Track.model_validate({"name": "x"}).cells()
    assert unmet_needs(GridNeeds(divisible_by=16), open_grid) == [], "nobody knows before the images are read"


def test_equalized_intensities_are_ranks_of_the_foreground_and_no_monotone_change_of_contrast_is_seen() -> None:
    head = ball(RAS, SHAPE, (0.0, 0.0, 0.0)).data > 0
    picture = np.where(head, 100 + np.random.default_rng(0).gamma(2, 50, SHAPE), 0).astype(np.float32)
    prepare = Prepare(intensity="equalized")
    found = spoil_and_scale(picture, head, prepare, seed=("a", 0))
    assert (found[~head] == 0).all()
    assert found.max() == 1.0
    shares = np.histogram(found[head], bins=10, range=(0, 1))[0] / head.sum()
    assert shares == pytest.approx(0.1, abs=0.005)
    stretched = np.where(head, np.sqrt(picture) * 40, 0).astype(np.float32)
    assert spoil_and_scale(stretched, head, prepare, seed=("b", 1)) == pytest.approx(found, abs=1e-3)


def test_a_planted_error_turns_about_the_centre_of_the_working_grid() -> None:
    affine = np.diag([2.0, 1.0, 3.0, 1.0])
    affine[:3, 3] = (-40, 5, 7)
    grid = space.make_grid((11, 21, 6), affine)
    centre = space.points(affine, np.array([[5.0, 10.0, 2.5]]))
    turned = about_centre(grid, AffineError(rotation_deg=30, translation_mm=3))
    moved = space.points(turned, centre) - centre
    np.testing.assert_allclose(moved, np.full((1, 3), 3 / np.sqrt(3)), atol=1e-9)
    far = space.points(turned, centre + 10) - centre  # on the axis (1, 1, 1), which a rotation about it leaves
    np.testing.assert_allclose(far, np.full((1, 3), 10 + 3 / np.sqrt(3)), atol=1e-9)


def test_the_working_grid_is_the_native_one_to_the_last_bit_where_nothing_else_is_wanted() -> None:
    affine = np.diag([1 / 3, 0.7, 1.1, 1.0])
    affine[:3, 3] = (-13.37, 7.77, 0.1)
    volume = Volume(np.ones((31, 22, 17), np.float32), affine)
    assert working_grid(volume, Prepare()) == volume.grid
    assert working_grid(volume, Prepare(shape=(31, 22, 17))) == volume.grid


def lobes(affine: np.ndarray, shape: tuple[int, int, int], there: np.ndarray) -> Volume:
    """Three unlike lobes at places that no rotation exchanges, in the world that `there` maps to theirs."""
    index = np.moveaxis(np.indices(shape), 0, -1).astype(float)
    world = space.points(there, space.points(affine, index))
    data = np.zeros(shape)
    for centre, radius, bright in (
        ((0, 0, 0), 26, 60),
        ((22, 0, 4), 12, 100),
        ((0, -24, 10), 9, 30),
        ((-4, 8, 26), 8, 140),
    ):
        data[((world - np.array(centre)) ** 2).sum(axis=-1) < radius**2] = bright
    return Volume(data.astype(np.float32), affine)


@pytest.mark.parametrize("degrees", [0.0, 90.0, 180.0])
def test_any_rotation_is_found(degrees: float) -> None:
    truth = rigid(degrees, np.array([6.0, -4.0, 3.0]), np.zeros(3))
    grid = np.diag([3.0, 3, 3, 1])
    grid[:3, 3] = -60
    fixed, moving = lobes(grid, (41, 41, 41), np.eye(4)), lobes(grid, (41, 41, 41), np.linalg.inv(truth))
    found = align(fixed, moving, "rigid", np.eye(4))
    places = np.array([[0.0, 0, 0], [22, 0, 4], [0, -24, 10], [-4, 8, 26]])
    apart = space.points(np.array(found.affine), places) - space.points(truth, places)
    assert np.linalg.norm(apart, axis=1).max() < 5.0, "1.7 voxels: what is not found is 40 mm off"


def test_a_sheared_image_is_aligned_as_it_lies_in_the_world() -> None:
    grid = np.diag([3.0, 3, 3, 1])
    grid[:3, 3] = -60
    sheared = grid.copy()
    sheared[0, 1] = 0.9
    sheared[0, 3] = -78
    fixed, moving = lobes(grid, (41, 41, 41), np.eye(4)), lobes(sheared, (41, 41, 41), np.eye(4))
    assert np.abs(np.array(align(fixed, moving, "affine", np.eye(4)).affine) - np.eye(4))[:3, :3].max() < 0.05


def test_an_alignment_of_noise_is_doubted() -> None:
    random = np.random.default_rng(0)
    grid = np.diag([3.0, 3, 3, 1])
    noise = Volume(random.uniform(0, 1, (41, 41, 41)).astype(np.float32), grid)
    fixed = lobes(grid, (41, 41, 41), np.array([[1, 0, 0, -60], [0, 1, 0, -60], [0, 0, 1, -60], [0, 0, 0, 1.0]]))
    assert "hardly better than at other rotations" in align(fixed, noise, "rigid", np.eye(4)).doubt


def test_runs_of_an_older_harness_are_scored_on_what_they_were_made_from(tmp_path: Path) -> None:
    volume = ball(RAS, SHAPE, (0, 0, 0))
    pair = Pair(fixed=scan(tmp_path, "a", volume), moving=scan(tmp_path, "b", volume))
    plain, layout = Prepare(affine="none"), Layout(tmp_path / "out")
    older = prepared_key(pair, plain, ("1", "1"))
    made = Preparer(layout).prepare(pair, plain)
    with pytest.raises(DataError, match="evaluate into another OUT"):
        Preparer(layout).prepared_as(older, pair, plain)
    write_json(layout.prepared_record(older), made.model_copy(update={"key": older}))
    assert Preparer(layout).prepared_as(older, pair, plain).key == older
    assert Preparer(layout).prepared_as(made.key, pair, plain) == made
