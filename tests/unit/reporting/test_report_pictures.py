"""What is drawn of a pair: closed forms for resampling, Jacobian and orientation."""

import base64
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates

from lumirage.core.errors import DataError
from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Prepared, Scan
from lumirage.core.space import Volume, make_grid
from lumirage.reporting.image_planes import Cut, cuts
from lumirage.reporting.pair_pictures import (
    PairImages,
    fixed_labels,
    jacobian,
    moved_labels,
    ras_order,
    read_pair_images,
    result_of,
)
from lumirage.reporting.slice_pictures import CONTRAST, DIVERGING, contours, difference_png, gray_png, warped_grid
from lumirage.reporting.viewer_volumes import reduced

RAS = np.diag([2.0, 1.5, 1.0, 1.0])
SHAPE = (12, 14, 10)


def orientations() -> dict[str, np.ndarray]:
    lpi = np.diag([-2.0, -1.5, -1.0, 1.0])
    lpi[:3, 3] = (11 * 2, 13 * 1.5, 9)
    sra = np.zeros((4, 4))
    sra[2, 0], sra[0, 1], sra[1, 2], sra[3, 3] = 1.0, 2.0, 1.5, 1.0
    return {"RAS": RAS, "LPI": lpi, "SRA": sra}


def pair_images(affine: np.ndarray, to_native: np.ndarray | None = None) -> PairImages:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, SHAPE).astype(np.int32)
    scan = Scan(name="s", subject="1", suffix="T1w", image=Path("x.nii"), labels={"m": Path("l.nii")})
    grid = make_grid(SHAPE, affine)
    native = np.eye(4) if to_native is None else to_native
    prepared = Prepared(
        key="k", fixed=Path("f.nii"), moving=Path("m.nii"), grid=grid, affine=tuple(map(tuple, native.tolist()))
    )
    turn = ras_order(grid)
    image = turn(rng.random(SHAPE).astype(np.float32))
    volume = Volume(labels, affine)
    return PairImages(Pair(fixed=scan, moving=scan), prepared, turn, image, image, "m", volume, volume)


def planes(shape: tuple[int, int, int], affine: np.ndarray) -> list[Cut]:
    return list(cuts(np.ones(shape, bool), affine))


@pytest.mark.parametrize("name", ["RAS", "LPI", "SRA"])
def test_whole_voxel_shift_is_exact(name: str) -> None:
    s = pair_images(orientations()[name])
    u = np.broadcast_to((s.affine[:3, 0]).astype(np.float32), (*s.fixed.shape, 3))  # one voxel to the right
    result = result_of(s, "m", u)
    assert np.allclose(result.moved[:-1], s.moving[1:], atol=1e-5)
    for cut in planes(s.fixed.shape, s.affine):
        if cut.plane != "sagittal":
            fixed, moved = fixed_labels(s, cut), moved_labels(s, result, cut)
            assert (moved[:-1] == fixed[1:]).all()
            assert (moved[-1] == 0).all()


@pytest.mark.parametrize("name", ["RAS", "LPI", "SRA"])
def test_fixed_labels_are_the_native_ones_turned(name: str) -> None:
    s = pair_images(orientations()[name])
    assert s.fixed_labels is not None
    for cut in planes(s.fixed.shape, s.affine):
        assert (fixed_labels(s, cut) == cut.take(s.turn(s.fixed_labels.data))).all()


def test_labels_go_through_the_affine_once() -> None:
    shift = np.eye(4)
    shift[:3, 3] = (2.0, 0, 0)
    s = pair_images(RAS, shift)
    result = result_of(s, "m", np.zeros((*SHAPE, 3), np.float32))
    cut = planes(SHAPE, RAS)[0]
    assert (moved_labels(s, result, cut)[:-1] == fixed_labels(s, cut)[1:]).all()
    assert np.allclose(result.moved, s.moving, atol=1e-6)


@pytest.mark.parametrize("index", [0, 4, 9])
def test_jacobian_of_scaling_is_its_cube(index: int) -> None:
    world = np.moveaxis(np.indices(SHAPE), 0, -1) @ RAS[:3, :3].T
    cut = Cut("axial", index, SHAPE, (2.0, 1.5), (0, 0, 12, 14))
    assert np.allclose(jacobian((0.3 * world).astype(np.float32), RAS, cut), 1.3**3, atol=1e-3)
    assert (jacobian((-1.2 * world).astype(np.float32), RAS, cut) < 0).all()


def test_reduced_volume_keeps_mean_and_place() -> None:
    shape = (162, 160, 164)
    image = np.add.outer(np.add.outer(np.arange(162.0), np.zeros(160)), np.zeros(164)).astype(np.float32)
    small, affine = reduced(image, RAS)
    assert small.shape == (54, 53, 54)
    assert small.shape[0] * 3 == shape[0]
    assert np.allclose(affine[0, 0] * np.arange(54) + affine[0, 3], 2 * small[:, 0, 0])  # world x = 2 * index


@pytest.mark.parametrize("name", ["RAS", "LPI", "SRA"])
def test_turn_gives_ras(name: str) -> None:
    affine = orientations()[name]
    grid = make_grid(SHAPE, affine)
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    turn = ras_order(grid)
    turned = turn(world)
    expected = np.moveaxis(np.indices(turned.shape[:3]), 0, -1) @ turn.affine[:3, :3].T + turn.affine[:3, 3]
    assert np.allclose(turned, expected)
    assert (np.diag(turn.affine)[:3] > 0).all()


def test_cuts_go_through_the_content_and_show_superior_on_top() -> None:
    content = np.zeros((8, 8, 8), bool)
    content[2, 3, 6] = True
    found = {cut.plane: cut for cut in cuts(content, np.eye(4))}
    assert {plane: cut.index for plane, cut in found.items()} == {"axial": 6, "coronal": 3, "sagittal": 2}
    coronal = found["coronal"](content)
    assert coronal[8 - 1 - 6, 2] == 1  # row 0 is the highest z; x runs to the right
    assert coronal.sum() == 1
    assert found["coronal"].window == (0, 0, 8, 8)


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
    cut = Cut("axial", 5, SHAPE, (2.0, 1.5), (0, 0, 12, 14))
    still = warped_grid(np.zeros((*SHAPE, 3), np.float32), cut, RAS)
    assert "M0.5 0.5L2.5 0.5" in still
    moved = warped_grid(np.broadcast_to(np.float32([2.0, 1.5, 0]), (*SHAPE, 3)), cut, RAS)
    assert "M1.5 -0.5L3.5 -0.5" in moved  # to the right, and up: anterior is on top


def test_prepared_images_that_are_gone_are_an_error_that_says_so(tmp_path: Path) -> None:
    scan = Scan(name="s", subject="1", suffix="T1w", image=tmp_path / "x.nii")
    with pytest.raises(DataError, match="no longer in"):
        read_pair_images(Layout(tmp_path), Pair(fixed=scan, moving=scan), "nokey")


@pytest.mark.parametrize("name", ["RAS", "SRA"])
def test_the_moved_image_is_that_of_scipy(name: str) -> None:
    """Also where the field leaves the image, and whatever the order of axes in memory."""
    s = pair_images(orientations()[name])
    rng = np.random.default_rng(4)
    u = s.turn((rng.random((*SHAPE, 3)) * 6 - 3).astype(np.float32))
    at = np.indices(u.shape[:3]) + np.moveaxis(u.astype(np.float64) @ np.linalg.inv(s.affine)[:3, :3].T, -1, 0)
    expected = map_coordinates(s.moving, at, order=1, mode="constant")
    assert (expected == 0).any()
    assert np.allclose(result_of(s, "m", u).moved, expected, rtol=0, atol=1e-6)


def test_pictures_keep_their_pixels() -> None:
    """As the colour map has them, in one channel where it is grey."""
    levels = np.linspace(0, 1, 256).reshape(16, 16)
    for uri, wanted, mode in (
        (gray_png(levels), mpl.colormaps["gray"](levels, bytes=True), "L"),
        (difference_png(levels), DIVERGING(0.5 + np.clip(levels / CONTRAST, -1, 1) / 2, bytes=True), "RGB"),
    ):
        with Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))) as found:
            assert found.mode == mode
            assert (np.asarray(found.convert("RGB")) == wanted[..., :3]).all()
