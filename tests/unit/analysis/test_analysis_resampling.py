"""Truth: closed forms of the resampling variances and the brute force of their definitions."""

import numpy as np
import pytest
from score_tables import pairs_of

from lumirage.analysis.designs import detect_design
from lumirage.analysis.resampling import (
    Resampling,
    bootstrap_means,
    jackknife_errors,
    pair_weights,
    spread,
    unit_contributions,
)


def design_of(name, n):
    pairs = pairs_of(name, n)
    return detect_design([f for f, _ in pairs], [m for _, m in pairs]), pairs


def test_pair_weight_is_the_product_of_its_subjects_counts():
    design, pairs = design_of("all", 5)
    counts = np.random.default_rng(3)
    weights = np.concatenate(list(pair_weights(design, Resampling(draws=50, seed=3))))
    for row in weights:
        drawn = np.bincount(counts.integers(0, 5, size=5), minlength=5)
        expected = [drawn[int(f[3:])] * drawn[int(m[3:])] for f, m in pairs]
        np.testing.assert_array_equal(row, expected)


def test_weights_are_the_same_whether_they_are_kept_or_not(monkeypatch):
    design, _ = design_of("all", 7)
    kept = np.concatenate(list(pair_weights(design, Resampling(draws=50))))
    monkeypatch.setattr("lumirage.analysis.resampling.KEPT_NUMBERS", 0)
    np.testing.assert_array_equal(kept, np.concatenate(list(pair_weights(design, Resampling(draws=50)))))


def test_weights_that_need_more_than_a_byte_are_right(monkeypatch):
    design, _ = design_of("all", 3)
    often = np.array([[0, 20, 40]], dtype=np.int16)
    monkeypatch.setattr("lumirage.analysis.resampling._unit_counts", lambda *_: often)
    weights = np.concatenate(list(pair_weights(design, Resampling(draws=1))))
    np.testing.assert_array_equal(weights, [[0, 0, 0, 800, 0, 800]])


def test_weights_of_a_star_are_the_leaves_counts():
    design, _ = design_of("star", 6)
    weights = np.concatenate(list(pair_weights(design, Resampling(draws=20))))
    np.testing.assert_array_equal(weights.sum(axis=1), 6)


def test_same_seed_same_draws_for_every_column_and_chunking(monkeypatch):
    design, _ = design_of("all", 6)
    values = np.random.default_rng(0).normal(size=(30, 1))
    alone = bootstrap_means(values, design, Resampling(100, 4))
    both = bootstrap_means(np.hstack([values, 2 * values]), design, Resampling(100, 4))
    np.testing.assert_allclose(both[:, 0], alone[:, 0], rtol=1e-12)
    np.testing.assert_allclose(both[:, 1], 2 * alone[:, 0], rtol=1e-12)
    monkeypatch.setattr("lumirage.analysis.resampling.CHUNK_NUMBERS", 70)
    np.testing.assert_allclose(bootstrap_means(values, design, Resampling(100, 4)), alone, rtol=1e-12)


def test_jackknife_of_separate_units_is_the_standard_error_of_the_mean():
    design, _ = design_of("within", 9)
    values = np.random.default_rng(1).normal(size=(9, 3))
    expected = values.std(axis=0, ddof=1) / 3
    np.testing.assert_allclose(jackknife_errors(values, design), expected, rtol=1e-12)
    errors = spread(values, design, Resampling(20_000))
    np.testing.assert_allclose(errors.jackknife, expected, rtol=1e-12)
    np.testing.assert_allclose(errors.node, expected, rtol=0.02)
    np.testing.assert_array_equal(errors.n_units, 9)


def test_jackknife_by_its_definition_all_pairs():
    design, pairs = design_of("all", 6)
    values = np.random.default_rng(2).normal(size=30) + np.array([int(f[3:]) + int(m[3:]) for f, m in pairs])
    left = np.array([np.mean([v for v, p in zip(values, pairs, strict=True) if s not in p]) for s in design.units])
    delete_one = 5 / 6 * ((left - left.mean()) ** 2).sum()
    residual = dict(zip(pairs, values - values.mean(), strict=True))
    own = sum((residual[a, b] + residual[b, a]) ** 2 for a, b in pairs if a < b) / 30**2
    np.testing.assert_allclose(jackknife_errors(values[:, None], design)[0], np.sqrt(delete_one - own), rtol=1e-12)


def test_no_standard_error_is_below_that_of_independent_pairs():
    design, _ = design_of("all", 8)
    values = np.random.default_rng(5).normal(size=(56, 20))
    errors = spread(values, design, Resampling(500))
    naive = values.std(axis=0, ddof=1) / np.sqrt(56)
    assert (errors.node >= naive * (1 - 1e-12)).all()
    assert (errors.jackknife >= naive * (1 - 1e-12)).all()


def test_shared_subjects_widen_the_interval():
    design, pairs = design_of("all", 12)
    subject = np.random.default_rng(6).normal(size=12)
    values = np.array([subject[int(f[3:])] + subject[int(m[3:])] for f, m in pairs])[:, None]
    # The mean is twice the mean of 12 subjects.
    truth = 2 * subject.std(ddof=1) / np.sqrt(12)
    errors = spread(values, design, Resampling(5000))
    np.testing.assert_allclose(errors.node, truth, rtol=0.1)
    np.testing.assert_allclose(errors.jackknife, truth, rtol=0.1)


def test_missing_values_are_deleted_from_their_column_alone():
    design, _ = design_of("chain", 10)
    values = np.random.default_rng(7).normal(size=(9, 2))
    holes = values.copy()
    holes[[0, 1], 0] = np.nan
    pairs = pairs_of("chain", 10)[2:]
    shorter = detect_design([f for f, _ in pairs], [m for _, m in pairs])
    np.testing.assert_allclose(
        jackknife_errors(holes, design)[0], jackknife_errors(values[2:, :1], shorter)[0], rtol=1e-12
    )
    assert spread(holes, design, Resampling(200)).n_units.tolist() == [8, 10]


def test_fewer_than_three_units_have_no_standard_error():
    design, _ = design_of("separate", 4)
    errors = spread(np.array([[1.0], [2.0]]), design, Resampling(50))
    assert np.isnan(errors.node).all()
    assert np.isnan(errors.jackknife).all()


def test_contributions_are_the_values_where_nothing_is_shared():
    design, _ = design_of("star", 5)
    values = np.random.default_rng(8).normal(size=(5, 2))
    np.testing.assert_allclose(unit_contributions(values, design), values, rtol=1e-12)


def test_contributions_of_additive_subjects_are_twice_their_effects():
    design, pairs = design_of("all", 7)
    subject = np.random.default_rng(9).normal(size=7)
    values = np.array([subject[int(f[3:])] + subject[int(m[3:])] for f, m in pairs])[:, None]
    np.testing.assert_allclose(unit_contributions(values, design)[:, 0], 2 * subject, rtol=1e-10)


@pytest.mark.parametrize("name", ["chain", "all", "star", "within", "separate"])
def test_equal_differences_have_no_spread(name):
    design, pairs = design_of(name, 6)
    errors = spread(np.full((len(pairs), 1), 0.25), design, Resampling(100))
    np.testing.assert_allclose(errors.node, 0, atol=1e-12)
    np.testing.assert_allclose(errors.jackknife, 0, atol=1e-12)
