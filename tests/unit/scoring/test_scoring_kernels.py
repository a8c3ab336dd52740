"""Kernels against closed forms and against plain references written here."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from lumirage.core.space import Displacement, Volume
from lumirage.scoring import regularity as regularity_module
from lumirage.scoring.displacement_planes import component_planes, voxel_planes
from lumirage.scoring.displacement_rows import cells_of_row, interpolate, interpolate_row, row_buffers
from lumirage.scoring.known_truth import error_by_label, error_in, inverse_consistency, true_errors
from lumirage.scoring.label_maps import LabelSet, relabel, values_in
from lumirage.scoring.label_warp import warp_voxels
from lumirage.scoring.landmarks import sample_clamped, sample_cubic, sample_linear
from lumirage.scoring.logarithm import log_row
from lumirage.scoring.native_label_warp import WorldMap
from lumirage.scoring.nearest_surface import squared_distances, squares_for
from lumirage.scoring.onehot import soft_overlap
from lumirage.scoring.order_statistics import percentiles
from lumirage.scoring.overlap import dice
from lumirage.scoring.regularity import mask_bits, masked_regularity, regularity
from lumirage.scoring.similarity import pull_image, similarity
from lumirage.scoring.surface import SurfaceOptions, surface_distances
from lumirage.scoring.surfels import surfel_areas, surfels

RNG = np.random.default_rng(7)
SLOW = settings(max_examples=25, deadline=None)


def blobs(shape: tuple[int, int, int], labels: int, seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(labels, *shape)), (0, 2, 2, 2))
    return noise.argmax(axis=0).astype(np.uint8)


def grid(shape: tuple[int, int, int]) -> np.ndarray:
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float64) for n in shape), indexing="ij"))


# -- labels, warp, overlap ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_relabelling_counts_and_orders_labels_of_any_type(dtype: type) -> None:
    volume = np.asfortranarray(RNG.choice([0, 3, 7, 100], size=(5, 6, 7)).astype(dtype))
    dense = relabel(volume, LabelSet.of([100, 3, 3, 42]))
    assert dense.labels.values == (3, 42, 100)
    assert dense.counts.tolist() == [int((volume == v).sum()) for v in (3, 42, 100)]
    wanted = np.select([volume == 3, volume == 100], [0, 2], 3)
    assert np.array_equal(dense.ids[1:-1, 1:-1, 1:-1], wanted)
    assert set(np.unique(dense.ids)) <= {0, 2, 3, 4}


def test_labels_far_apart_negative_or_broken_are_found_or_are_other() -> None:
    volume = np.array([-5, 2_000_000_000, 7, 0], np.int64).reshape(2, 2, 1)
    assert relabel(volume, LabelSet.of([-5, 7, 2_000_000_000])).counts.tolist() == [1, 1, 1]
    broken = np.array([1.0, 1.5, np.nan, np.inf]).reshape(2, 2, 1)
    assert relabel(broken, LabelSet.of([1])).counts.tolist() == [1]


def test_the_values_of_a_map_are_found_near_and_far() -> None:
    for values in ([0, 3, 7], [-4, 0, 2_000_000_000], [5]):
        volume = np.asfortranarray(RNG.choice(np.array(values), size=(9, 9, 9)))
        assert values_in(volume) == values
    assert values_in(np.zeros((0, 2, 2), np.int32)) == []


def test_three_hundred_labels_need_wider_ids() -> None:
    volume = np.arange(300).reshape(10, 10, 3)
    dense = relabel(volume, LabelSet.of(range(300)))
    assert dense.ids.dtype == np.uint16
    assert np.array_equal(dice(warp_voxels(dense, dense, component_planes(np.zeros((10, 10, 3, 3))))), np.ones(300))
    assert np.array_equal(np.bincount(surfels(dense)[0] >> np.uint64(48)), np.full(300, 8))


@SLOW
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3), seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from([np.float16, np.float32, np.float64]), half=st.booleans(), threads=st.integers(1, 3),
)  # fmt: skip
def test_the_warp_is_scipys(shape: tuple, seed: int, kind: type, half: bool, threads: int) -> None:
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(3, *shape)) * 2
    field = (np.round(field * 2) / 2 if half else field).astype(kind)
    fixed, moving = rng.integers(0, 4, (2, *shape))
    labels = LabelSet.of(range(4))
    overlap = warp_voxels(
        relabel(fixed, labels), relabel(moving, labels), component_planes(np.moveaxis(field, 0, -1)), threads
    )
    wanted = ndimage.map_coordinates(moving.astype(float), grid(shape) + field.astype(float), order=0)
    assert np.array_equal(overlap.warped.ids[1:-1, 1:-1, 1:-1], wanted)
    assert np.array_equal(
        overlap.joint[:4, :4], [[((fixed == f) & (wanted == w)).sum() for w in range(4)] for f in range(4)]
    )


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_shifted_boxes_have_countable_dice_and_distance(shift: int) -> None:
    fixed, moving = np.zeros((2, 20, 12, 12), np.uint8)
    fixed[4:10, 3:9, 3:9] = 1
    moving[4 + shift : 10 + shift, 3:9, 3:9] = 1
    labels = LabelSet.of([1])
    pair = relabel(fixed, labels), relabel(moving, labels)
    overlap = warp_voxels(*pair, component_planes(np.zeros((20, 12, 12, 3), np.float32)))
    assert dice(overlap)[0] == (6 - shift) / 6
    back = np.zeros((20, 12, 12, 3), np.float32)
    back[..., 0] = shift
    assert dice(warp_voxels(*pair, component_planes(back)))[0] == 1.0
    # One face of 6 x 6, an eighth of the surface's 216, is `shift` away; so is what lies between, less far.
    distances = surface_distances(*pair, SurfaceOptions())
    assert distances.hd95[0] == shift


def test_a_whole_voxel_shift_moves_every_label_and_loses_the_border() -> None:
    moving = RNG.integers(1, 5, (6, 7, 8))
    field = np.zeros((6, 7, 8, 3))
    field[..., 1] = 2
    labels = LabelSet.of(range(5))
    warped = warp_voxels(relabel(moving, labels), relabel(moving, labels), component_planes(field)).warped.ids[
        1:-1, 1:-1, 1:-1
    ]
    assert np.array_equal(warped[:, :-2], moving[:, 2:])
    assert (warped[:, -2:] == 0).all()


# -- surfaces ----------------------------------------------------------------------------------------------------------


def reference_surface(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners and patterns of one label, straight from the definition."""
    padded = np.pad(mask, 1)
    code = np.zeros(tuple(n + 1 for n in mask.shape), int)
    for bit, (i, j, k) in enumerate(itertools.product((0, 1), repeat=3)):
        inside = padded[i : i + code.shape[0], j : j + code.shape[1], k : k + code.shape[2]]
        code |= inside.astype(int) << (7 - bit)
    at = np.argwhere((code > 0) & (code < 255))
    return at, code[tuple(at.T)]


def reference_distances(f: np.ndarray, w: np.ndarray, spacing: tuple) -> tuple[float, float]:
    (a, a_code), (b, b_code) = reference_surface(f), reference_surface(w)
    apart = np.sqrt((((a[:, None] - b[None]) * spacing) ** 2).sum(axis=-1))
    areas = surfel_areas(spacing)
    both = [(apart.min(axis=1), areas[a_code]), (apart.min(axis=0), areas[b_code])]
    percentiles = []
    for distance, area in both:
        order = np.argsort(distance)
        share = np.cumsum(area[order]) / area.sum()
        percentiles.append(distance[order][np.searchsorted(share, 0.95 - 1e-9)])
    mean = sum((d * s).sum() for d, s in both) / sum(s.sum() for _, s in both)
    return max(percentiles), mean


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 0.7, 2.5), (3.0, 1.0, 0.5)])
def test_surface_distances_are_those_of_the_definition(spacing: tuple) -> None:
    fixed, warped = blobs((30, 14, 18), 4, 1), blobs((30, 14, 18), 4, 2)
    fixed[-2:, -2:, -2:], warped[:2, :2, :2] = 9, 9  # far apart, at the border
    labels = LabelSet.of([0, 1, 2, 3, 9])
    found = surface_distances(
        relabel(fixed, labels), relabel(warped, labels), SurfaceOptions(spacing=spacing), threads=2
    )
    for i, label in enumerate(labels.values):
        hd95, mean = reference_distances(fixed == label, warped == label, spacing)
        assert found.hd95[i] == pytest.approx(hd95, rel=1e-12)
        assert found.mean[i] == pytest.approx(mean, rel=1e-9)
    lazy = surface_distances(
        relabel(fixed, labels), relabel(warped, labels), SurfaceOptions(spacing=spacing, mean=False)
    )
    assert np.array_equal(lazy.hd95, found.hd95)
    assert np.isnan(lazy.mean).all()


@pytest.mark.parametrize(("turn", "spacing"), [(0.0, 0.6), (0.3, 0.6), (0.0, 1.0)])
@pytest.mark.parametrize("flip", [1, -1])
def test_a_row_of_displacements_has_the_digits_of_its_points(turn: float, spacing: float, flip: int) -> None:
    u = np.random.default_rng(3).normal(size=(9, 8, 7, 3)).astype(np.float32)
    c, s = np.cos(turn), np.sin(turn)
    to_grid = np.array([[0.7 * c, 0, 0.7 * s, -1.2], [0.01, 0.9, 0, 0.3], [-0.6 * s, 0, flip * spacing * c, 3.1]])
    cells, row = row_buffers(20)
    row[:] = np.nan
    cells_of_row(to_grid, (4, 5), u.shape[2], cells)
    interpolate_row(np.ascontiguousarray(np.moveaxis(u, -1, 0)), to_grid, (4, 5), (2, 18), cells, row)
    for z in range(2, 18):
        g = [to_grid[i, 0] * 4 + to_grid[i, 1] * 5 + to_grid[i, 2] * z + to_grid[i, 3] for i in range(3)]
        assert tuple(row[:, z]) == interpolate(u, *g)
    assert np.isnan(row[:, :2]).all()
    assert np.isnan(row[:, 18:]).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 2.0), (0.8, 0.8, 0.8), (1.2, 0.7, 2.5)])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(("shrunk", "gathered"), [(1, 1), (3, 1), (20, 1), (1, 12)])
def test_the_nearest_point_of_a_surface_is_found_to_the_last_digit(
    spacing: tuple, ordered: bool, shrunk: int, gathered: int
) -> None:
    rng = np.random.default_rng(7)
    shape = (150, 120, 140)
    corners, surface = rng.integers(0, shape, (800, 3)), rng.integers(0, shape, (800, 3)) // shrunk
    corners[:300] = surface[:300] + rng.integers(0, 2, (300, 3))  # near, others up to 130 away, on either side
    corners[300:400, :2] = corners[300, :2]  # a row of points
    corners //= gathered  # a scattered surface around points: most are compared with a part of it
    if ordered:
        corners = corners[np.lexsort(corners.T[::-1])]
    packed = [np.array([x << 26 | y << 13 | z for x, y, z in at.tolist()], np.uint64) for at in (corners, surface)]
    found = squared_distances(*packed, squares_for(shape, spacing))
    apart = (corners[:, None] - surface[None]) * np.array(spacing)
    wanted = ((apart[..., 0] ** 2 + apart[..., 1] ** 2) + apart[..., 2] ** 2).min(axis=1)
    assert np.array_equal(found, wanted)


def test_distances_are_exact_where_float32_would_round_them() -> None:
    shape = (8000, 3, 3)
    points, surface = (np.array([x << 26 | 2 << 13 | z], np.uint64) for x, z in ((1, 0), (7999, 1)))
    assert squared_distances(points, surface, squares_for(shape, (1.0, 1.0, 1.0)))[0] == 7998**2 + 1


def test_a_small_island_far_away_counts_in_the_mean_however_far_it_lies() -> None:
    fixed = np.zeros((60, 24, 24), np.uint8)
    fixed[2:22, 2:22, 2:22] = 1
    warped = fixed.copy()
    warped[50:53, 10:13, 10:13] = 1  # 2 percent of the surface, 28 mm or more away: the 95th percentile does not see it
    labels = LabelSet.of([1])
    found = surface_distances(relabel(fixed, labels), relabel(warped, labels), SurfaceOptions())
    hd95, mean = reference_distances(fixed == 1, warped == 1, (1.0, 1.0, 1.0))
    assert found.hd95[0] == hd95 == 0
    assert found.mean[0] == pytest.approx(mean, rel=1e-9)
    assert mean > 0.2


def test_an_empty_surface_is_infinitely_far_and_two_have_no_distance() -> None:
    fixed, warped = np.zeros((2, 5, 5, 5), np.uint8)
    fixed[2, 2, 2] = 1
    labels = LabelSet.of([1, 2])
    found = surface_distances(relabel(fixed, labels), relabel(warped, labels), SurfaceOptions())
    assert math.isinf(found.hd95[0])
    assert math.isnan(found.hd95[1])
    assert np.isnan(found.mean).all()


def test_areas_are_symmetric_and_a_flat_face_has_its_area() -> None:
    areas = surfel_areas((2.0, 3.0, 5.0))
    assert (areas[0], areas[255]) == (0.0, 0.0)
    assert areas[0b11110000] == pytest.approx(15.0)
    assert areas[0b11001100] == pytest.approx(10.0)
    assert areas[0b10101010] == pytest.approx(6.0)
    assert np.array_equal(areas, areas[::-1])
    assert (areas[1:255] > 0).all()


def test_the_surface_of_a_ball_is_four_pi_r_squared() -> None:
    radius = 20.0
    ball = ((grid((50, 50, 50)) - 24.5) ** 2).sum(axis=0) <= radius**2
    packed, _ = surfels(relabel(ball, LabelSet.of([1])))
    area = surfel_areas((1.0, 1.0, 1.0))[(packed >> np.uint64(40)) & np.uint64(255)].sum()
    assert area == pytest.approx(4 * math.pi * radius**2, rel=0.1)


# -- regularity --------------------------------------------------------------------------------------------------------


def linear_map(matrix: np.ndarray, shape: tuple[int, int, int] = (9, 10, 11)) -> np.ndarray:
    """d of x -> matrix x, planes."""
    return np.ascontiguousarray(np.tensordot(matrix - np.eye(3), grid(shape), axes=1))


def of_whole(field: np.ndarray) -> regularity_module.Regularity:
    return regularity(field, mask_bits([None], field.shape[1:]), 1)


@SLOW
@given(scale=st.floats(0.2, 3.0), kind=st.sampled_from([np.float32, np.float64]))
def test_scaling_by_c_has_determinant_c_cubed_and_no_spread(scale: float, kind: type) -> None:
    found = of_whole(linear_map(np.eye(3) * scale).astype(kind))
    rel = 1e-10 if kind is np.float64 else 1e-5
    assert found.inner.mean == pytest.approx(scale**3, rel=rel)
    assert found.minimum == pytest.approx(found.maximum, rel=rel * 10)
    assert found.sd_log_masked == pytest.approx(0, abs=rel)
    assert found.foldings[0].volume == 0
    assert found.any_corner_nonpositive == 0


@SLOW
@given(angles=st.tuples(*[st.floats(-math.pi, math.pi)] * 3))
def test_rotations_keep_volume(angles: tuple[float, float, float]) -> None:
    from scipy.spatial.transform import Rotation

    found = of_whole(linear_map(Rotation.from_euler("xyz", angles).as_matrix()))
    assert found.inner.mean == pytest.approx(1.0)
    assert found.inner.std == pytest.approx(0.0, abs=1e-6)
    assert found.foldings[0] == regularity_module.Folding(0.0, 0.0, 0, 7 * 8 * 9)


def test_a_mirrored_field_folds_everywhere() -> None:
    found = of_whole(linear_map(np.diag([-1.0, 1.0, 1.0]))).foldings[0]
    assert found.volume == pytest.approx(7 * 8 * 9)  # eight corners of 1/6 and two tetrahedra of 2/6, half of each
    assert found.percent == pytest.approx(100)
    assert found.voxels == found.mask_voxels == 7 * 8 * 9
    assert found.tetrahedra == pytest.approx(7 * 8 * 9)


def test_only_the_mask_counts_and_an_empty_one_has_no_percentage() -> None:
    field = linear_map(np.diag([-1.0, 1.0, 1.0]))
    mask = np.zeros(field.shape[1:])
    mask[4, 5, 6] = 0.5
    mask[0] = 1  # border voxels have no determinants
    one, none = regularity(field, mask_bits([mask, mask * 0], field.shape[1:]), 2).foldings
    assert (one.voxels, one.mask_voxels, one.volume) == (1, 1, pytest.approx(1.0))
    assert (none.volume, none.mask_voxels) == (0, 0)
    assert math.isnan(none.percent)


@SLOW
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.05, 0.3, 0.6, 1.5]))
def test_the_short_cut_for_safe_voxels_changes_no_number(seed: int, size: float) -> None:
    field = (np.random.default_rng(seed).normal(size=(3, 8, 7, 9)) * size).astype(np.float32)
    bits = mask_bits([None], field.shape[1:])
    short = regularity(field, bits, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regularity_module, "FLOAT32_SAFE", 0.0)
        full = regularity(field, bits, 1)
    assert short.foldings[0].voxels == full.foldings[0].voxels
    assert short.foldings[0].tetrahedra == full.foldings[0].tetrahedra
    assert short.foldings[0].volume == pytest.approx(full.foldings[0].volume, rel=1e-13)
    assert short.any_corner_nonpositive == full.any_corner_nonpositive
    assert short.inner.sd_log_offset3 == pytest.approx(full.inner.sd_log_offset3, rel=1e-12)


@SLOW
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.05, 0.3, 1.5, 3000.0]), share=st.floats(0, 1))
def test_what_is_measured_in_the_mask_alone_has_the_digits_of_the_whole(seed: int, size: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    field = (rng.normal(size=(3, 18, 7, 9)) * size).astype(np.float32)
    bits = mask_bits([rng.random(field.shape[1:]) < share, None], field.shape[1:])
    alone, whole = masked_regularity(field, bits), regularity(field, bits, 2).masked
    assert repr(alone) == repr(whole)  # as NaN differs from itself


def test_a_grid_without_inside_has_no_determinants() -> None:
    found = of_whole(np.zeros((3, 2, 9, 9), np.float32))
    assert found.foldings[0].mask_voxels == 0
    assert found.inner.count == 0
    assert math.isnan(found.inner.sd_log)


def test_the_vectorized_logarithm_is_libms() -> None:
    values = np.concatenate([RNG.uniform(0.3, 3, 1000), 10.0 ** RNG.uniform(-9, 9, 1000), [1.0, 2.0, 0.5, 1e-9, 1e9]])
    out = np.empty_like(values)
    log_row(values, np.empty((2, values.size)), out)
    assert out == pytest.approx(np.log(values), rel=4e-16, abs=1e-16)


def test_world_displacements_become_voxels() -> None:
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, 6], [0, 0, 3.0, 7], [0, 0, 0, 1]])
    voxels = RNG.normal(size=(4, 5, 6, 3))
    planes = voxel_planes(voxels @ affine[:3, :3].T, affine)
    assert planes == pytest.approx(np.moveaxis(voxels, -1, 0))
    same = voxels.astype(np.float32)
    assert np.array_equal(voxel_planes(same, np.diag([1.0, 1, 1, 1])), np.moveaxis(same, -1, 0))


# -- points, images, one-hot labels ------------------------------------------------------------------------------------


@SLOW
@given(
    field=hnp.arrays(np.float64, st.tuples(st.just(3), *[st.integers(2, 40)] * 3), elements=st.just(0.0)),
    seed=st.integers(0, 2**32 - 1),
)
def test_points_are_sampled_as_scipy_samples_them(field: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = rng.normal(size=field.shape)
    points = rng.uniform(-0.1, 1.1, (20, 3)) * (np.array(field.shape[1:]) - 1)
    points[:8] = list(itertools.product(*((0, n - 1) for n in field.shape[1:])))
    for order, sample in ((1, sample_linear), (3, sample_cubic)):
        wanted = np.stack([ndimage.map_coordinates(plane, points.T, order=order) for plane in field], axis=-1)
        assert sample(field, points) == pytest.approx(wanted, abs=1e-12)
    clamped = np.stack([ndimage.map_coordinates(plane, points.T, order=1, mode="nearest") for plane in field], axis=-1)
    assert sample_clamped(np.moveaxis(field, 0, -1), points) == pytest.approx(clamped, abs=1e-12)


def test_one_hot_dice_is_that_of_warped_one_hot_volumes() -> None:
    shape = (12, 11, 10)
    fixed, moving = blobs(shape, 4, 3), blobs(shape, 4, 4)
    field = ndimage.gaussian_filter(RNG.normal(size=(3, *shape)), (0, 1, 1, 1)) * 5
    labels = LabelSet.of(range(4))
    found = soft_overlap(relabel(fixed, labels), relabel(moving, labels), component_planes(np.moveaxis(field, 0, -1)))
    at = grid(shape) + field
    shares = np.stack(
        [
            ndimage.map_coordinates((moving == i).astype(float), at, order=1, mode="grid-constant", cval=float(i == 0))
            for i in range(4)
        ]
    )
    hard = shares.argmax(axis=0)
    for i in range(4):
        f = fixed == i
        assert found.hard[i] == pytest.approx(2 * (f & (hard == i)).sum() / (f.sum() + (hard == i).sum()))
        assert found.soft[i] == pytest.approx(2 * shares[i][f].sum() / (f.sum() + shares[i].sum()))


def test_likeness_of_an_image_with_itself() -> None:
    image = RNG.normal(size=(9, 8, 7)).astype(np.float32)
    still, mask = WorldMap.without_displacement(np.eye(4)), np.ones((9, 8, 7), np.bool_)
    plain = Volume(image, np.diag([1.5, 1, 2, 1]))
    assert np.array_equal(pull_image(plain, (mask, plain.affine), still), image)
    assert similarity(plain, plain, still, mask).ncc == pytest.approx(1.0)
    itself = similarity(plain, Volume(3 - 2 * image, plain.affine), still, mask)
    assert itself.ncc == pytest.approx(-1.0)
    ends = np.percentile(image, (0.1, 99.9))
    counts = np.histogram(image.clip(*ends), bins=64, range=ends)[0] / image.size
    assert itself.mi == pytest.approx(-(counts[counts > 0] * np.log(counts[counts > 0])).sum(), rel=1e-2)
    assert math.isnan(similarity(plain, Volume(image * 0, plain.affine), still, mask).ncc)
    assert math.isnan(similarity(plain, plain, still, mask & False).mi)


def test_a_shift_by_whole_voxels_is_undone_and_what_leaves_the_image_leaves_the_mask() -> None:
    image, mask = RNG.normal(size=(9, 8, 7)).astype(np.float32), np.ones((9, 8, 7), np.bool_)
    shift = np.eye(4)
    shift[0, 3] = 2.0
    found = similarity(
        Volume(image, np.eye(4)),
        Volume(np.roll(image, 2, axis=0), np.eye(4)),
        WorldMap.without_displacement(shift),
        mask,
    )
    assert found.ncc == pytest.approx(1.0)
    assert found.voxels == 7 * 8 * 7


@SLOW
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 3000), kind=st.sampled_from(["even", "ties", "outlier"]))
def test_percentiles_are_numpys_to_the_last_digit(seed: int, size: int, kind: str) -> None:
    values = np.random.default_rng(seed).normal(size=size) * 7
    if kind == "ties":
        values = np.round(values)
    if kind == "outlier":
        values[0] = 1e9
    values[-1] = values[0] + 1  # not all equal
    wanted = np.percentile(values, (0, 0.1, 30, 99.9, 100))
    assert percentiles(values, (0, 0.1, 30, 99.9, 100)) == tuple(wanted)


def test_one_voxel_far_too_bright_leaves_mutual_information_as_it_was() -> None:
    image, mask = RNG.normal(size=(20, 20, 20)).astype(np.float32), np.ones((20, 20, 20), np.bool_)
    spoiled = image.copy()
    spoiled[3, 3, 3] = 1e6
    still = WorldMap.without_displacement(np.eye(4))
    plain = similarity(Volume(image, np.eye(4)), Volume(image, np.eye(4)), still, mask).mi
    assert similarity(Volume(spoiled, np.eye(4)), Volume(spoiled, np.eye(4)), still, mask).mi == pytest.approx(
        plain, rel=0.01
    )


def test_a_shift_and_its_inverse_are_consistent_and_errors_are_lengths() -> None:
    u = np.zeros((8, 8, 8, 3), np.float32)
    u[...] = (2, -1, 2)
    affine, mask = np.diag([2.0, 2, 2, 1]), np.ones((8, 8, 8), np.bool_)
    turn = np.array([[0, -1.0, 0, 3], [1, 0, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1]])
    forward = WorldMap(u, affine, turn)
    back = WorldMap(np.zeros((1, 1, 1, 3), np.float32), np.eye(4), np.linalg.inv(turn))
    assert inverse_consistency(forward, back, mask) == pytest.approx((3.0, 3.0, 3.0, 512))
    undone = np.linalg.inv(turn).copy()
    undone[:3, 3] -= (2, -1, 2)
    assert inverse_consistency(forward, WorldMap.without_displacement(undone), mask).maximum == pytest.approx(
        0, abs=1e-9
    )
    lengths = true_errors(WorldMap(u, affine, np.eye(4)), Displacement(u * 0, affine))
    assert error_in(lengths, mask) == pytest.approx((3.0, 3.0, 3.0, 512))
    assert math.isnan(error_in(lengths, mask & False).mean)
    doubled = true_errors(WorldMap(u, affine, np.diag([2.0, 2, 2, 1])), Displacement(u * 0, affine))
    assert doubled[0, 0, 0] == pytest.approx(6.0), "millimetres of the moving world: twice the displacement"


def test_true_error_inside_each_label() -> None:
    ids = np.zeros((4, 5, 6), np.uint8)
    ids[1], ids[2], ids[3, 0, 0] = 7, 3, 99
    u = np.zeros((4, 5, 6, 3), np.float32)
    u[1, ..., 0], u[2, ..., 1] = 2.0, np.arange(30).reshape(5, 6)
    lengths = true_errors(WorldMap(u, np.eye(4), np.eye(4)), Displacement(u * 0, np.eye(4)))
    found = error_by_label(lengths, relabel(ids, LabelSet.of([0, 3, 5, 7])))
    assert found[0] == (0.0, 0.0, 0.0, 59), "59 voxels of background, where nothing is wrong"
    assert found[1] == pytest.approx((14.5, np.percentile(np.arange(30), 95), 29.0, 30))
    assert math.isnan(found[2].mean)
    assert found[3] == pytest.approx((2.0, 2.0, 2.0, 30))
