"""Scores of a pair: the same however its images are stored, and a reason wherever there is no value."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from lumirage.core.errors import UsageError
from lumirage.core.metrics import METRICS
from lumirage.core.model import Score
from lumirage.core.space import Displacement, Volume
from lumirage.scoring.pair_constants import PairConstants
from lumirage.scoring.pair_scores import score_pair, scores_of_failure
from lumirage.scoring.presets import PRESETS, SCORER_VERSION, preset_named
from lumirage.scoring.score_inputs import LabelMaps, Landmarks, ScoreInputs

SHAPE = (24, 20, 16)
STRICT = PRESETS["strict"]


def blobs(seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(5, *SHAPE)), (0, 2, 2, 2))
    return noise.argmax(axis=0).astype(np.int32)


def smooth_u(size: float = 40.0) -> np.ndarray:
    noise = np.random.default_rng(5).normal(size=(*SHAPE, 3))
    return (ndimage.gaussian_filter(noise, (3, 3, 3, 0)) * size).astype(np.float32)


def inputs(
    u: np.ndarray, *, working: np.ndarray | None = None, fixed: Volume | None = None, moving: Volume | None = None
) -> ScoreInputs:
    affine = np.diag([1.5, 1.0, 2.0, 1.0])
    affine[:3, 3] = (-10, 3, 7)
    world = np.eye(4)
    world[:3, :3] = Rotation.from_euler("z", 3, degrees=True).as_matrix()
    fixed = fixed or Volume(blobs(1), affine)
    moving = moving or Volume(blobs(2), affine)
    points = np.array([[2.0, 10, 20], [10, 15, 25], [15, 9, 30]])
    return ScoreInputs(
        displacement=Displacement(u, affine if working is None else working),
        affine=world,
        labels={"manual": LabelMaps(fixed, moving, {1: "first"})},
        landmarks=Landmarks(points, points + 1, ("a", "b", "c")),
        fixed_image=Volume(np.linspace(-1, 1, u[..., 0].size).reshape(u.shape[:3]), affine),
        moving_image=Volume(np.linspace(1, -1, u[..., 0].size).reshape(u.shape[:3]), affine),
        truth=Displacement(u * 0, affine),
    )


def values(rows: list[Score]) -> dict[tuple, float | None]:
    return {(row.metric, row.source, row.label): row.value for row in rows}


def stored_as(volume: Volume, axes: tuple[int, ...], flips: tuple[int, ...]) -> Volume:
    """The same image with its array axes reordered and turned round."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        turn[old, new] = flip
        turn[old, 3] = volume.data.shape[old] - 1 if flip < 0 else 0
    return Volume(volume.data.transpose(axes)[tuple(slice(None, None, f) for f in flips)], volume.affine @ turn)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3))[1:])
@pytest.mark.parametrize("half", [True, False])
def test_the_same_pair_stored_otherwise_scores_the_same(axes: tuple, flips: tuple, half: bool) -> None:
    """RAS, LAS, LPS and the rest; also where every voxel falls half-way between two."""
    u = np.broadcast_to(np.float32((0.75, 0.5, 1.0)), (*SHAPE, 3)) if half else smooth_u()
    plain = inputs(u)
    plain = dataclasses.replace(plain, affine=np.eye(4)) if half else plain
    maps = plain.labels["manual"]
    turned = LabelMaps(stored_as(maps.fixed, axes, flips), stored_as(maps.moving, axes[::-1], flips[::-1]), maps.names)
    found = values(score_pair(dataclasses.replace(plain, labels={"manual": turned}), [STRICT])["strict"])
    wanted = values(score_pair(plain, [STRICT])["strict"])
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def box(spacing: float, low: tuple[float, float, float], size: float = 10.0) -> Volume:
    """A box [low, low + size) mm on a lattice of voxels whose faces are multiples of the spacing, from -5 to 20 mm."""
    centres = np.moveaxis(np.indices((round(25 / spacing),) * 3), 0, -1) * spacing - 5 + spacing / 2
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -5 + spacing / 2
    inside = ((centres >= low) & (centres < np.array(low) + size)).all(axis=-1)
    return Volume(inside.astype(np.int32), affine)


@pytest.mark.parametrize("spacings", [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.5, 0.25)])
def test_boxes_on_lattices_of_their_own_have_the_dice_that_one_counts(spacings: tuple[float, float]) -> None:
    """The fixed box at 0, the moving one 4 mm to the right, and a field of 3 mm on a third lattice: 1 mm is left of 10."""
    fixed, moving = box(spacings[0], (0, 0, 0)), box(spacings[1], (4, 0, 0))
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    grid[:3, 3] = -4.3
    u = np.broadcast_to(np.float32((3.0, 0.0, 0.0)), (12, 12, 12, 3))
    two = ScoreInputs(Displacement(u, grid), np.eye(4), {"own": LabelMaps(fixed, moving)})
    rows = values(score_pair(two, [STRICT])["strict"])
    assert rows["dice_nearest_fg", "own", 1] == pytest.approx(0.9, abs=1e-12)
    assert rows["hd95_mm", "own", 1] == pytest.approx(1.0, abs=1e-9)


def test_what_answers_share_changes_nothing() -> None:
    """Several answers to one pair, all presets: with what they share kept, and each by itself, bit for bit."""
    plain, presets = inputs(smooth_u()), list(PRESETS.values())
    own = LabelMaps(box(1.0, (0, 0, 0)), box(0.5, (1, 0, 0)))
    grouped = dataclasses.replace(plain.labels["manual"], groups={"both": (1, 2)})
    pair = dataclasses.replace(plain, labels={"manual": grouped, "own": own})
    turned = pair.affine @ np.array([[1, 0.02, 0, 1], [-0.02, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]])
    answers = [
        pair,
        dataclasses.replace(
            pair, displacement=Displacement(np.zeros_like(plain.displacement.u), plain.displacement.affine)
        ),
        dataclasses.replace(pair, affine=turned),
        dataclasses.replace(pair, displacement=Displacement(-2 * plain.displacement.u, plain.displacement.affine)),
    ]
    shared, kept = PairConstants(), []
    for answer in answers:
        assert score_pair(answer, presets, constants=shared) == score_pair(answer, presets)
        kept.append(len(vars(shared)["_made"]))
    assert len(set(kept)) == 1, "memory does not grow with the number of answers"


def test_a_source_on_another_lattice_changes_nothing_for_the_others() -> None:
    plain = inputs(smooth_u())
    own = LabelMaps(box(1.0, (0, 0, 0)), box(0.5, (1, 0, 0)))
    both = dataclasses.replace(plain, labels={**plain.labels, "own": own})
    alone, among = (values(score_pair(given, [STRICT])["strict"]) for given in (plain, both))
    assert {key: value for key, value in among.items() if key[1] != "own"} == alone, "bit for bit"


def test_a_group_is_scored_as_if_its_labels_were_one() -> None:
    plain = inputs(smooth_u())
    maps = plain.labels["manual"]
    grouped = dataclasses.replace(maps, groups={"odd": (1, 3), "rest": (2, 4)})
    joined = LabelMaps(*(Volume(np.isin(v.data, (1, 3)).astype(np.int32), v.affine) for v in (maps.fixed, maps.moving)))
    found = score_pair(dataclasses.replace(plain, labels={"manual": grouped}), [STRICT])["strict"]
    wanted = values(score_pair(dataclasses.replace(plain, labels={"manual": joined}), [STRICT])["strict"])
    ungrouped = values(score_pair(plain, [STRICT])["strict"])
    for metric in ("dice_nearest_fg", "hd95_mm", "msd_mm"):
        assert values(found)[metric, "manual", -1] == wanted[metric, "manual", 1], metric
        assert [row.name for row in found if row.metric == metric and (row.label or 0) < 0] == ["odd", "rest"]
    assert {key: value for key, value in values(found).items() if (key[2] or 0) >= 0} == ungrouped
    few = dataclasses.replace(grouped, scored=(2,))
    fewer = values(score_pair(dataclasses.replace(plain, labels={"manual": few}), [STRICT])["strict"])
    assert fewer["dice_nearest_fg", "manual", -1] == wanted["dice_nearest_fg", "manual", 1], (
        "members need not be scored"
    )
    assert ("dice_nearest_fg", "manual", 1) not in fewer


def test_an_oblique_world_scores_the_same() -> None:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", (20, -15, 30), degrees=True).as_matrix()
    turn[:3, 3] = (4, 5, -6)
    plain = inputs(smooth_u())
    maps, marks = plain.labels["manual"], plain.landmarks
    assert marks is not None
    assert plain.fixed_image
    assert plain.moving_image
    assert plain.truth
    oblique = dataclasses.replace(
        plain,
        displacement=Displacement(
            (plain.displacement.u @ turn[:3, :3].T).astype(np.float32), turn @ plain.displacement.affine
        ),
        affine=turn @ plain.affine @ np.linalg.inv(turn),
        fixed_image=Volume(plain.fixed_image.data, turn @ plain.fixed_image.affine),
        moving_image=Volume(plain.moving_image.data, turn @ plain.moving_image.affine),
        truth=Displacement(plain.truth.u, turn @ plain.truth.affine),
        labels={
            "manual": LabelMaps(
                Volume(maps.fixed.data, turn @ maps.fixed.affine), Volume(maps.moving.data, turn @ maps.moving.affine)
            )
        },
        landmarks=Landmarks(
            marks.fixed @ turn[:3, :3].T + turn[:3, 3], marks.moving @ turn[:3, :3].T + turn[:3, 3], marks.names
        ),
    )
    found = values(score_pair(oblique, [STRICT])["strict"])
    wanted = values(score_pair(plain, [STRICT])["strict"])
    labelled = [key for key in wanted if METRICS[key[0]].of == "label"]
    assert {k: found[k] for k in labelled} == pytest.approx({k: wanted[k] for k in labelled}, rel=1e-9)
    # u was rounded to float32 after it was turned, which the metrics of the field see.
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_labels_are_pulled_from_native_grids_unlike_the_working_one() -> None:
    """Working grid of 3 mm, labels of 1 mm: a shift by 4 mm is exact in labels that were never resampled."""
    moving = np.random.default_rng(3).integers(1, 4, (30, 12, 12))
    native, working = np.eye(4), np.diag([3.0, 3, 3, 1])
    u = np.zeros((10, 4, 4, 3), np.float32)
    u[..., 0] = 4
    maps = LabelMaps(Volume(np.roll(moving, -4, axis=0), native), Volume(moving, native), scored=(1, 2, 3))
    given = ScoreInputs(Displacement(u, working), np.eye(4), {"x": maps})
    rows = score_pair(given, [STRICT])["strict"]
    overlap = np.roll(moving, -4, axis=0)[:26]
    for label in (1, 2, 3):
        kept = (overlap == label).sum()
        size = (moving == label).sum()
        assert values(rows)["dice_nearest_fg", "x", label] == pytest.approx(2 * kept / (size + kept))


def test_the_true_error_has_a_row_for_each_structure_beside_that_of_the_mask() -> None:
    u = np.zeros((*SHAPE, 3), np.float32)
    u[...] = (1, 2, 2)
    given = dataclasses.replace(inputs(u), affine=np.eye(4))
    rows = [r for r in score_pair(given, [STRICT])["strict"] if r.metric.startswith("displacement_error")]
    assert [r.value for r in rows] == pytest.approx([3.0] * len(rows))
    structures = [r for r in rows if r.label is not None]
    assert {(r.metric, r.source) for r in structures} == {
        ("displacement_error_mm", "manual"),
        ("displacement_error_p95_mm", "manual"),
    }
    assert 0 not in {r.label for r in structures}
    assert {r.name for r in structures if r.label == 1} == {"first"}
    assert [(r.metric, r.source) for r in rows if r.label is None] == [
        ("displacement_error_mm", ""),
        ("displacement_error_p95_mm", ""),
    ]


def test_landmark_errors_are_millimetres_in_the_world() -> None:
    u = np.zeros((*SHAPE, 3), np.float32)
    u[...] = (1, 2, 2)
    given = dataclasses.replace(inputs(u), affine=np.eye(4))
    marks = given.landmarks
    assert marks is not None
    given = dataclasses.replace(given, landmarks=Landmarks(marks.fixed, marks.fixed, marks.names))
    for preset, metric in (("strict", "tre_mm_linear"), ("learn2reg", "tre_mm_cubic_l2r")):
        rows = [r for r in score_pair(given, [PRESETS[preset]])[preset] if r.metric == metric]
        assert [r.value for r in rows] == pytest.approx([3.0] * 4)
        assert [r.name for r in rows] == ["a", "b", "c", ""]
        assert rows[-1].n == 3


def test_every_undefined_value_has_its_reason_and_means_say_what_they_are_of() -> None:
    fixed, moving = np.zeros((2, *SHAPE), np.int32)
    fixed[2:8, 2:8, 2:8], moving[2:8, 2:8, 2:8] = 1, 1
    fixed[12, 12, 12] = 2
    moving[12, 14, 12] = 3
    fixed[20, 2, 2], moving[20, 18, 14] = 4, 4  # the warp below loses it
    u = np.zeros((*SHAPE, 3), np.float32)
    u[20, 18, 14] = (100, 0, 0)
    given = ScoreInputs(
        Displacement(u, np.eye(4)), np.eye(4), {"x": LabelMaps(Volume(fixed, np.eye(4)), Volume(moving, np.eye(4)))}
    )
    rows = {(r.metric, r.label): r for r in score_pair(given, [STRICT])["strict"]}
    assert rows["dice_nearest_fg", 2].undefined == "absent in the moving labels"
    assert rows["dice_nearest_fg", 3].undefined == "absent in the fixed labels"
    assert rows["dice_nearest_fg", 4].value == 0.0
    assert rows["hd95_mm", 4].value is None
    assert rows["hd95_mm", 4].undefined.startswith("vanished")
    diagonal = np.sqrt(((np.array([21, 13, 13]) - (2, 2, 2)) ** 2).sum())
    mean = rows["hd95_mm", None]
    assert mean.value == pytest.approx((0 + diagonal) / 2)
    assert (mean.n, "vanished labels [4] count as" in mean.note, "2 labels absent" in mean.note) == (2, True, True)
    assert rows["dice_nearest_fg", None].value == 0.5
    assert rows["tre_mm_linear", None].undefined == "no landmarks of both images"
    official = {(r.metric, r.label): r for r in score_pair(given, [PRESETS["lumir25"]])["lumir25"]}
    assert official["hd95_vox_lumir", None].value is None
    assert "infinite" in official["hd95_vox_lumir", None].undefined
    for row in [*rows.values(), *official.values()]:
        assert (row.value is None) == bool(row.undefined)


def test_a_pair_without_labels_or_images_has_one_row_a_metric_that_says_so() -> None:
    bare = ScoreInputs(Displacement(np.zeros((6, 6, 6, 3), np.float32), np.eye(4)), np.eye(4))
    for preset in PRESETS.values():
        rows = score_pair(bare, [preset])[preset.name]
        assert len({r.metric for r in rows}) == len(rows)
        assert all(r.undefined for r in rows if METRICS[r.metric].of in ("label", "landmark"))
    assert values(score_pair(bare, [STRICT])["strict"])["ndv_percent", "", None] == 0.0


def test_a_given_mask_is_put_on_the_working_grid() -> None:
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[4:8, 4:8, 4:8] = 1
    given = ScoreInputs(
        Displacement(np.zeros((6, 6, 6, 3), np.float32), np.diag([2.0, 2, 2, 1])),
        np.eye(4),
        mask=Volume(mask, np.eye(4)),
    )
    row = next(r for r in score_pair(given, [STRICT])["strict"] if r.metric == "ndv_percent")
    assert row.n == 8


def test_presets_share_measurements_and_give_what_each_gives_alone() -> None:
    given = inputs(smooth_u())
    together = score_pair(given, list(PRESETS.values()))
    for name, preset in PRESETS.items():
        assert together[name] == score_pair(given, [preset], threads=2)[name]


def test_metrics_of_one_preset_have_rows_for_failures_too() -> None:
    for preset in PRESETS.values():
        rows = scores_of_failure(preset, ["manual", "aseg"], "timeout")
        assert {r.metric for r in rows} == set(preset.metrics)
        assert {r.undefined for r in rows} == {"timeout"}
        labelled = [r.source for r in rows if METRICS[r.metric].of == "label"]
        assert labelled.count("manual") == labelled.count("aseg") > 0


def test_settings_tell_presets_apart_and_unknown_names_are_refused() -> None:
    hashes = {preset.settings for preset in PRESETS.values()}
    assert len(hashes) == len(PRESETS)
    assert dataclasses.replace(STRICT, background=True).settings != STRICT.settings
    with pytest.raises(UsageError, match="did you mean 'strict'"):
        preset_named("strickt")


def test_settings_change_with_the_version_of_the_scorer_alone() -> None:
    """Trees that were scored under other settings are scored again, which another wording of a definition is not worth."""
    of_version = {
        "6": {
            "strict": "4e6462cecf27", "lumir24": "e1dc5139125f", "lumir25": "5106d66416bb",
            "learn2reg": "5010eecdc75a", "lumirage": "3f0a92cd33c0",
        }
    }  # fmt: skip
    assert {name: preset.settings for name, preset in PRESETS.items()} == of_version[SCORER_VERSION]


NATIVE_METRICS = ("displacement_error_mm", "displacement_error_p95_mm", "ncc_fixed_moved", "mi_fixed_moved")


def native_rows(given: ScoreInputs) -> dict[tuple, tuple]:
    rows = score_pair(given, [STRICT])["strict"]
    return {(r.metric, r.source, r.label): (r.value, r.n) for r in rows if r.metric in NATIVE_METRICS}


def test_what_a_condition_does_to_the_images_and_the_grid_changes_no_native_score() -> None:
    """The affine sentinel without a mask: intensities inverted or noisy, and a crop with its own grid."""
    plain = inputs(np.zeros((*SHAPE, 3), np.float32))
    assert plain.fixed_image
    rng = np.random.default_rng(0)
    cropped = plain.displacement.affine.copy()
    cropped[:3, 3] += (6, 5, 8)
    wanted = native_rows(plain)
    assert len({metric for metric, _, _ in wanted}) == len(NATIVE_METRICS)
    spoiled = dataclasses.replace(
        plain, prepared_fixed=1 - plain.fixed_image.data, prepared_moving=rng.uniform(1, 2, SHAPE)
    )
    assert native_rows(spoiled) == wanted
    tight = dataclasses.replace(
        plain,
        displacement=Displacement(np.zeros((8, 9, 7, 3), np.float32), cropped),
        prepared_fixed=np.ones((8, 9, 7)),
        prepared_moving=np.ones((8, 9, 7)),
    )
    assert native_rows(tight) == wanted


def test_the_strict_mask_is_not_of_the_prepared_image() -> None:
    plain = inputs(smooth_u())
    spoiled = dataclasses.replace(plain, prepared_fixed=np.ones(SHAPE), prepared_moving=np.ones(SHAPE))
    n = [next(r.n for r in score_pair(i, [STRICT])["strict"] if r.metric == "ndv_percent") for i in (plain, spoiled)]
    assert plain.fixed_image
    assert n == [(plain.fixed_image.data > 0)[1:-1, 1:-1, 1:-1].sum()] * 2


def test_identity_and_affine_are_measured_in_the_same_millimetres_and_differ_in_likeness() -> None:
    """The moving image is the fixed one drawn to twice its size: the affine alone is right, doing nothing is not."""
    image = np.random.default_rng(2).uniform(1, 2, (8, 8, 8))
    double = np.diag([2.0, 2, 2, 1])
    x = np.moveaxis(np.indices((8, 8, 8), dtype=np.float64), 0, -1)
    truth = Displacement(x.astype(np.float32), np.eye(4))
    still = Displacement(np.zeros((8, 8, 8, 3), np.float32), np.eye(4))
    images = {"fixed_image": Volume(image, np.eye(4)), "moving_image": Volume(image, double), "truth": truth}
    affine, identity = (native_rows(ScoreInputs(still, way, **images)) for way in (double, np.eye(4)))
    assert affine["displacement_error_mm", "", None] == (0.0, 512)
    assert affine["ncc_fixed_moved", "", None] == (pytest.approx(1.0), 512)
    assert identity["displacement_error_mm", "", None] == (pytest.approx(np.linalg.norm(x, axis=-1).mean()), 512)
    ncc = identity["ncc_fixed_moved", "", None][0]
    assert ncc is not None
    assert ncc < 0.7
