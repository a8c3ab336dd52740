"""What is drawn of a pair: closed forms for resampling, Jacobian and orientation."""

from pathlib import Path

import numpy as np
import pytest

from lumirage.errors import DataError
from lumirage.layout import Layout
from lumirage.model import Pair, Prepared, Scan
from lumirage.reporting.pictures import Scenery, jacobian, read_scenery, result_of, turn_of
from lumirage.reporting.slices import Cut, contours, cuts, warped_grid
from lumirage.space import make_grid, write_volume

RAS = np.diag([2.0, 1.5, 1.0, 1.0])
SHAPE = (12, 14, 10)


def orientations() -> dict[str, np.ndarray]:
    lpi = np.diag([-2.0, -1.5, -1.0, 1.0])
    lpi[:3, 3] = (11 * 2, 13 * 1.5, 9)
    sra = np.zeros((4, 4))
    sra[2, 0], sra[0, 1], sra[1, 2], sra[3, 3] = 1.0, 2.0, 1.5, 1.0
    return {"RAS": RAS, "LPI": lpi, "SRA": sra}


def scenery(tmp_path: Path, affine: np.ndarray, to_native: np.ndarray | None = None) -> Scenery:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, SHAPE).astype(np.int16)
    write_volume(tmp_path / "labels.nii", labels, affine)
    scan = Scan(name="s", subject="1", suffix="T1w", image=tmp_path / "x.nii", labels={"m": tmp_path / "labels.nii"})
    grid = make_grid(SHAPE, affine)
    native = np.eye(4) if to_native is None else to_native
    prepared = Prepared(
        key="k",
        fixed=tmp_path / "f.nii",
        moving=tmp_path / "m.nii",
        grid=grid,
        affine=tuple(map(tuple, native.tolist())),
    )
    image = rng.random(SHAPE).astype(np.float32)
    return Scenery(grid, image, image, prepared, Pair(fixed=scan, moving=scan), "m", labels.astype(np.int32))


@pytest.mark.parametrize("name", ["RAS", "LPI", "SRA"])
def test_whole_voxel_shift_is_exact(tmp_path: Path, name: str) -> None:
    affine = orientations()[name]
    s = scenery(tmp_path, affine)
    u = np.broadcast_to((affine[:3, 0]).astype(np.float32), (*SHAPE, 3))  # one voxel along the first array axis
    result = result_of(s, "m", u)
    assert np.allclose(result.moved[:-1], s.moving[1:], atol=1e-5)
    assert s.fixed_labels is not None
    assert result.moved_labels is not None
    assert (result.moved_labels[:-1] == s.fixed_labels[1:]).all()
    assert (result.moved_labels[-1] == 0).all()


def test_labels_go_through_the_affine_once(tmp_path: Path) -> None:
    shift = np.eye(4)
    shift[:3, 3] = (2.0, 0, 0)
    s = scenery(tmp_path, RAS, shift)
    result = result_of(s, "m", np.zeros((*SHAPE, 3), np.float32))
    assert s.fixed_labels is not None
    assert result.moved_labels is not None
    assert (result.moved_labels[:-1] == s.fixed_labels[1:]).all()
    assert np.allclose(result.moved, s.moving, atol=1e-6)


@pytest.mark.parametrize("name", ["RAS", "LPI", "SRA"])
def test_jacobian_of_scaling_is_its_cube(name: str) -> None:
    affine = orientations()[name]
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    assert np.allclose(jacobian((0.3 * world).astype(np.float32), affine), 1.3**3, atol=1e-3)
    assert (jacobian((-1.2 * world).astype(np.float32), affine) < 0).all()


@pytest.mark.parametrize("name", ["RAS", "LPI", "SRA"])
def test_turn_gives_ras(name: str) -> None:
    affine = orientations()[name]
    grid = make_grid(SHAPE, affine)
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    turn = turn_of(grid)
    turned = turn(world)
    expected = np.moveaxis(np.indices(turned.shape[:3]), 0, -1) @ turn.affine[:3, :3].T + turn.affine[:3, 3]
    assert np.allclose(turned, expected)
    assert (np.diag(turn.affine)[:3] > 0).all()


def test_cuts_go_through_the_content_and_show_superior_on_top() -> None:
    content = np.zeros((8, 8, 8))
    content[2, 3, 6] = 1
    found = {cut.plane: cut for cut in cuts(content, np.eye(4))}
    assert {plane: cut.index for plane, cut in found.items()} == {"axial": 6, "coronal": 3, "sagittal": 2}
    coronal = found["coronal"](content)
    assert coronal[8 - 1 - 6, 2] == 1  # row 0 is the highest z; x runs to the right
    assert coronal.sum() == 1


def test_contour_of_a_box_runs_along_its_rim() -> None:
    labels = np.zeros((6, 8), np.int32)
    labels[1:4, 2:6] = 7
    drawn = contours(labels, "fixed")
    assert 'data-label="7"' in drawn
    path = drawn.split(' d="M')[1].split("Z")[0]
    points = [tuple(map(float, part.split())) for part in path.split("L")]
    assert {min(x for x, _ in points), max(x for x, _ in points)} == {2.0, 6.0}
    assert {min(y for _, y in points), max(y for _, y in points)} == {1.0, 4.0}


def test_grid_of_no_displacement_is_straight_and_a_shift_moves_it() -> None:
    cut = Cut("axial", 5, (12, 14), (2.0, 1.5))
    still = warped_grid(np.zeros((*SHAPE, 3), np.float32), cut, RAS)
    assert "M0.5 0.5L2.5 0.5" in still
    moved = warped_grid(np.broadcast_to(np.float32([2.0, 1.5, 0]), (*SHAPE, 3)), cut, RAS)
    assert "M1.5 -0.5L3.5 -0.5" in moved  # to the right, and up: anterior is on top


def test_prepared_images_that_are_gone_are_an_error_that_says_so(tmp_path: Path) -> None:
    scan = Scan(name="s", subject="1", suffix="T1w", image=tmp_path / "x.nii")
    with pytest.raises(DataError, match="no longer in"):
        read_scenery(Layout(tmp_path), Pair(fixed=scan, moving=scan), "nokey")
