"""Truth: Hall's transformation and its inverse, t where nothing is skewed, and intervals that agree with their tests."""

import numpy as np
import pytest
from scipy import stats
from score_tables import pairs_of, row, scores

from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.designs import detect_design
from lumirage.analysis.resampling import (
    Resampling,
    degrees_of_freedom,
    skewness_of_mean,
    spread,
    unit_influences,
)
from lumirage.analysis.skewed_intervals import (
    interval,
    p_above,
    p_below,
    p_two_sided,
    skewness_words,
    transformed,
    untransformed,
)

SKEWS = np.array([-0.9, -0.2, 0.0, 1e-8, 0.3, 0.8])


def test_the_transformation_is_halls_and_has_its_inverse():
    # t + k t^2 / 3 + k^2 t^3 / 27 + k / 6 at t = 2, k = 0.5
    assert transformed(2.0, 0.5) == pytest.approx(2 + 2 / 3 + 2 / 27 + 1 / 12)
    t = np.linspace(-3, 3, 41)[:, None]  # the cube root is ill-conditioned at -3 / skew
    back = untransformed(transformed(t, SKEWS), SKEWS)
    np.testing.assert_allclose(back, np.broadcast_to(t, back.shape), atol=1e-6)


def test_without_skewness_it_is_t():
    low, high = interval(1.0, 0.5, 7, 0.0, 0.95)
    half = stats.t.ppf(0.975, 7) * 0.5
    assert (low, high) == (pytest.approx(1 - half), pytest.approx(1 + half))
    assert p_two_sided(2.0, 7, 0.0) == pytest.approx(2 * stats.t.sf(2.0, 7))


def test_one_end_is_that_of_t_and_the_other_lies_on_the_side_of_the_skewness():
    t = stats.t.interval(0.95, 7)
    right, left = interval(0.0, 1.0, 7, 0.5, 0.95), interval(0.0, 1.0, 7, -0.5, 0.95)
    assert right[0] == pytest.approx(t[0])
    assert right[1] > t[1]
    np.testing.assert_allclose(left, -right[::-1])


def test_p_is_below_the_level_where_the_interval_does_not_hold_the_bound():
    for skew in SKEWS:
        low, high = interval(0.0, 1.0, 9, skew, 0.95)
        for end, p in ((low, p_above), (high, p_below)):
            assert p((0.0 - end) / 1.0, 9, skew) == pytest.approx(0.025)
        bounds = np.linspace(-6, 6, 97)
        outside = (bounds < low) | (bounds > high)
        np.testing.assert_array_equal(p_two_sided(-bounds, 9, skew) < 0.05, outside)


def test_skewness_of_a_mean_is_scipys_over_the_root_of_n():
    pairs = pairs_of("within", 9)
    design = detect_design([f for f, _ in pairs], [m for _, m in pairs])
    values = np.random.default_rng(0).exponential(size=(9, 3))
    expected = stats.skew(values, axis=0, bias=False) / 3
    np.testing.assert_allclose(skewness_of_mean(unit_influences(values, design), 9), expected, rtol=1e-10)
    values[4, 1] = np.nan
    found = spread(values, design, Resampling(50)).skew
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-10)
    there = np.delete(values[:, 1], 4)
    np.testing.assert_allclose(found[1], stats.skew(there, bias=False) / np.sqrt(8), rtol=1e-10)
    assert skewness_of_mean(np.zeros((4, 1)), 4)[0] == 0


def test_degrees_of_freedom_go_from_those_of_pairs_to_those_of_units():
    pairs = np.full(4, 1.0)
    found = degrees_of_freedom(np.array([1.0, 1.5, 2.0, 9.0]), pairs, 7, 55)
    assert found[0] == pytest.approx(55)
    assert found[1] == pytest.approx(1.5**2 / (1.0**2 / 7 + 0.5**2 / 55))
    assert found[2] == found[3] == pytest.approx(7)


def test_only_clear_skewness_is_said():
    assert skewness_words(0.3, 8) == ""
    assert skewness_words(2.0 / np.sqrt(8), 8) == "effects are skewed (2.0): the interval is longer on one side"
    assert skewness_words(float("nan"), 8) == ""


def test_a_row_of_comparisons_says_that_effects_are_skewed():
    pairs = pairs_of("within", 9)
    base, d = np.full(9, 0.5), np.array([0, 1, 2, 0, 1, 2, 1, 0, 40]) * 0.002
    table = compare(scores(pairs, {"affine": base, "x": base + d}), CompareSettings(Resampling(200)))
    found = row(table, method="x", policy="identity", literature=False)
    assert found["skewness"] == pytest.approx(stats.skew(d, bias=False))
    assert "effects are skewed (3.0)" in found["note"]
    assert found["ci_high"] - found["difference"] > 1.2 * (found["difference"] - found["ci_low"])
