"""Truth from closed forms: a known field written in another convention must be named as what it is."""

import itertools

import numpy as np
import pytest

from lumirage.core.field_conversion import to_world
from lumirage.core.model import Convention
from lumirage.core.space import read_volume
from lumirage.methods.field_conventions import Arrangement, arrangements, as_world, describe, judge
from lumirage.methods.known_warps import CheckPair


def stored_as(pair: CheckPair, arrangement: Arrangement) -> np.ndarray:
    """The truth at the sampled voxels in a convention, on the whole lattice (zero elsewhere)."""
    truth, convention = pair.truth, arrangement.convention
    u = truth.pull if arrangement.direction == "pull" else truth.push
    linear, origin = truth.affine[:3, :3], truth.affine[:3, 3]
    half = (np.array(truth.shape) - 1) / 2
    parts = u if convention.unit == "mm" else u @ np.linalg.inv(linear).T
    if convention.kind == "deformation":
        parts = parts + (truth.index @ linear.T + origin if convention.unit == "mm" else truth.index)
    if convention.unit == "normalized":
        parts = parts / half - 1 if convention.kind == "deformation" else parts / half
    values = np.stack(
        [
            (-1 if sign == "-" else 1) * parts[:, "xyz".index(axis)]
            for axis, sign in zip(convention.order, convention.signs, strict=True)
        ],
        axis=-1,
    )
    field = np.zeros((*truth.shape, 3), dtype=np.float32)
    field[tuple(truth.index.T)] = values
    return field


ALL = list(arrangements(Convention()))


def test_there_are_576_arrangements() -> None:
    assert len(set(ALL)) == 48 * 3 * 2 * 2


@pytest.mark.parametrize("number", range(0, 576, 19))
def test_every_convention_is_found_out(pairs: tuple[CheckPair, ...], number: int) -> None:
    true = ALL[number]
    declared = Convention(unit="voxel") if true != Arrangement(Convention(unit="voxel")) else Convention()
    verdict = judge([stored_as(pair, true) for pair in pairs], declared, [pair.truth for pair in pairs])
    assert verdict.found is not None
    assert verdict.found.arrangement == true
    assert not verdict.agrees
    assert verdict.found.error_mm < 1e-3


def test_a_right_declaration_agrees_even_with_a_rough_field(pairs: tuple[CheckPair, ...]) -> None:
    itk = Convention(signs="--+")
    rng = np.random.default_rng(0)
    fields = [stored_as(pair, Arrangement(itk)) for pair in pairs]
    rough = [0.8 * field + rng.normal(0, 0.2, field.shape) for field in fields]
    verdict = judge(rough, itk, [pair.truth for pair in pairs])
    assert verdict.agrees
    assert not verdict.weak


def test_a_weak_field_is_known_by_its_direction(pairs: tuple[CheckPair, ...]) -> None:
    fields = [0.1 * stored_as(pair, Arrangement(Convention())) for pair in pairs]
    verdict = judge(fields, Convention(), [pair.truth for pair in pairs])
    assert verdict.agrees
    assert verdict.weak


def test_noise_is_nothing(pairs: tuple[CheckPair, ...]) -> None:
    rng = np.random.default_rng(0)
    fields = [rng.normal(0, 1, (*pair.truth.shape, 3)) for pair in pairs]
    verdict = judge(fields, Convention(), [pair.truth for pair in pairs])
    assert verdict.found is None


def test_points_are_converted_as_whole_fields_are(pairs: tuple[CheckPair, ...]) -> None:
    pair = pairs[1]
    rng = np.random.default_rng(1)
    field = rng.normal(0, 1, (*pair.truth.shape, 3))
    for kind, unit, order in itertools.product(
        ("displacement", "deformation"), ("mm", "voxel", "normalized"), ("xyz", "zxy")
    ):
        convention = Convention(kind=kind, unit=unit, order=order, signs="-+-")  # type: ignore[arg-type]
        at = tuple(pair.truth.index.T)
        whole = to_world(field, convention, pair.truth.affine)[at]
        np.testing.assert_allclose(as_world(field[at], convention, pair.truth), whole, atol=1e-4)


@pytest.mark.parametrize(
    ("convention", "words"),
    [
        (Convention(signs="--+"), "LPS mm displacement"),
        (Convention(), "RAS mm displacement"),
        (Convention(unit="voxel", order="zyx"), "voxel (k, j, i) displacement"),
        (Convention(unit="normalized", kind="deformation", signs="-++"), "normalized (-i, j, k) deformation"),
    ],
)
def test_words(convention: Convention, words: str) -> None:
    assert describe(Arrangement(convention)) == words


def test_the_known_warp_makes_the_fixed_image_of_the_moving_one(pairs: tuple[CheckPair, ...]) -> None:
    from scipy.ndimage import map_coordinates

    for pair in pairs:
        fixed, moving, truth = read_volume(pair.fixed), read_volume(pair.moving), pair.truth
        at = truth.index + truth.pull @ np.linalg.inv(truth.affine[:3, :3]).T
        moved = map_coordinates(moving.data, at.T, order=1, mode="nearest")
        np.testing.assert_allclose(moved, fixed.data[tuple(truth.index.T)], atol=1e-4)


def test_push_is_the_inverse_of_pull(pairs: tuple[CheckPair, ...]) -> None:
    from scipy.ndimage import map_coordinates

    from lumirage.core.space import read_displacement

    pair = pairs[1]
    truth = pair.truth
    u = read_displacement(pair.field, Convention(), read_volume(pair.fixed).grid).u
    at = truth.index + truth.push @ np.linalg.inv(truth.affine[:3, :3]).T
    there = np.stack([map_coordinates(u[..., k], at.T, order=1, mode="nearest") for k in range(3)], axis=-1)
    assert np.abs(truth.push + there).max() < 1e-2
