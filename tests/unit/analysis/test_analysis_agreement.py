"""Agreement to 1e-10 with scipy, statsmodels and pingouin where they compute the same thing."""

import numpy as np
import pingouin
import pytest
from scipy import stats
from score_tables import pairs_of, row, scores
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.designs import detect_design
from lumirage.analysis.paired_effects import paired_effects
from lumirage.analysis.power import pairs_needed, power_of
from lumirage.analysis.resampling import Resampling, unit_contributions
from lumirage.analysis.significance import as_in_the_literature, holm, sign_flip_p, tost_p, wilcoxon_p

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(params=range(4))
def two(request):
    rng = np.random.default_rng(request.param)
    a = rng.normal(0.7, 0.05, size=11)
    return a, a - rng.normal(0.01, 0.02, size=11)


def test_naive_paired_t_is_scipys_and_pingouins(two):
    a, b = two
    naive = as_in_the_literature(a, b)
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(0.95)
    np.testing.assert_allclose([naive.p_t, naive.ci_low, naive.ci_high], [test.pvalue, low, high], **CLOSE)
    np.testing.assert_allclose(naive.p_t, pingouin.ttest(a, b, paired=True)["p_val"].iloc[0], **CLOSE)
    low, high = DescrStatsW(a - b).tconfint_mean(0.05)
    np.testing.assert_allclose([naive.ci_low, naive.ci_high], [low, high], **CLOSE)


@pytest.mark.parametrize(
    "d",
    [[0.3, -0.1, 0.2, 0.5, 0.4], [0.1, -0.1, 0.2, 0.2, 0.0, 0.3], [0.0, 0.0, 1.0, -1.0], [0.2] * 4, [0.4], [-1.0, 0.0]],
)
def test_wilcoxon_of_few_pairs_is_scipys_with_and_without_ties(d):
    np.testing.assert_allclose(wilcoxon_p(np.array(d)), stats.wilcoxon(d).pvalue, **CLOSE)


def test_jackknife_interval_is_the_paired_t_where_nothing_is_shared(two):
    a, b = two
    pairs = pairs_of("within", len(a))
    design = detect_design([f for f, _ in pairs], [m for _, m in pairs])
    effects = paired_effects(a[:, None], b[:, None], design, Resampling(100))
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    np.testing.assert_allclose(effects.jackknife_ci[:, 0], [low, high], **CLOSE)


def test_wilcoxon_is_scipys_and_pingouins(two):
    a, b = two
    np.testing.assert_allclose(wilcoxon_p(a - b), stats.wilcoxon(a, b).pvalue, **CLOSE)
    np.testing.assert_allclose(wilcoxon_p(a - b), pingouin.wilcoxon(a, b)["p_val"].iloc[0], **CLOSE)


def test_pooled_cohens_d_and_d_av_are_pingouins_cohen(two):
    a, b = two
    expected = pingouin.compute_effsize(a, b, paired=True, eftype="cohen")
    np.testing.assert_allclose(as_in_the_literature(a, b).cohen_d, expected, **CLOSE)
    table = compare(scores(pairs_of("within", 11), {"affine": b, "greedy": a}), CompareSettings(Resampling(50)))
    honest = row(table, policy="drop", literature=False)
    np.testing.assert_allclose(honest["d_av"], expected, **CLOSE)
    np.testing.assert_allclose(honest["d_z"], (a - b).mean() / (a - b).std(ddof=1), **CLOSE)
    np.testing.assert_allclose(honest["d_z"], stats.ttest_rel(a, b).statistic / np.sqrt(11), **CLOSE)


def test_sign_flips_are_scipys_exact_permutations(two):
    a, b = two
    d = (a - b)[:8]
    test = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    np.testing.assert_allclose(sign_flip_p(d[:, None], seed=0)[0], test.pvalue, **CLOSE)


def test_random_sign_flips_come_near_the_exact_ones():
    d = np.random.default_rng(1).normal(0.3, 1, size=(14, 1))
    exact = stats.permutation_test((d[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    np.testing.assert_allclose(sign_flip_p(d, seed=0)[0], exact, atol=0.04)


def test_tost_is_pingouins(two):
    a, b = two
    expected = pingouin.tost(a, b, bound=0.02, paired=True)["pval"].iloc[0]
    se = (a - b).std(ddof=1) / np.sqrt(11)
    np.testing.assert_allclose(tost_p((a - b).mean(), se, 10, 0.02), expected, **CLOSE)


def test_holm_is_statsmodels():
    p = np.random.default_rng(2).uniform(size=20) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], **CLOSE)
    with_holes = np.insert(p, [3, 9], np.nan)
    np.testing.assert_allclose(holm(with_holes)[np.isfinite(with_holes)], holm(p), **CLOSE)


def test_power_and_pairs_needed_are_statsmodels():
    theirs = TTestPower()
    np.testing.assert_allclose(
        power_of(0.005, 0.02 / np.sqrt(50), 49), theirs.power(effect_size=0.25, nobs=50, alpha=0.05), **CLOSE
    )
    assert power_of(1.0, 1e-6, 98) == 1.0
    n = theirs.solve_power(effect_size=0.25, power=0.8, alpha=0.05)
    assert pairs_needed(0.02, 0.005) == int(np.ceil(n))


def test_wilcoxon_on_subjects_is_scipys_on_their_means_in_a_star(two):
    a, b = two
    table = compare(scores(pairs_of("star", 11), {"affine": b, "greedy": a}), CompareSettings(Resampling(50)))
    honest = row(table, policy="identity", literature=False)
    np.testing.assert_allclose(honest["p_wilcoxon"], stats.wilcoxon(a, b).pvalue, **CLOSE)
    design = detect_design(["atlas"] * 11, [m for _, m in pairs_of("star", 11)])
    np.testing.assert_allclose(unit_contributions((a - b)[:, None], design)[:, 0], a - b, **CLOSE)


def test_an_effect_of_exactly_nothing_has_a_p_of_1():
    d = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    assert sign_flip_p(d, seed=0)[0] == 1.0
