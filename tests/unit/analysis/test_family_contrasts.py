"""Truth: means counted by hand, scipy's t tests where nothing is shared, and what must not matter."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from score_tables import pairs_of, scores

from lumirage.analysis.claim_verdicts import Decision, Expectation, claim_test, judge
from lumirage.analysis.family_contrasts import family_contrast
from lumirage.analysis.family_scores import FamilySettings, Measure
from lumirage.core.errors import UsageError

DICE = Measure("dice_nearest_fg")
FAMILIES = {"deep": ["net-a", "net-b"], "iterative": ["syn", "greedy", "demons"]}
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def values_of(n_pairs, methods=("net-a", "net-b", "syn", "greedy", "demons"), seed=0):
    rng = np.random.default_rng(seed)
    return {method: rng.normal(0.7, 0.05, size=n_pairs) for method in methods}


def contrast(pairs, values, families=FAMILIES, **settings):
    return family_contrast(scores(pairs, values), families, DICE, FamilySettings(**settings))


def test_difference_of_the_family_means_counted_by_hand():
    pairs = pairs_of("chain", 4)
    values = {
        "net-a": [0.7, 0.8, 0.6], "net-b": [0.5, 0.6, 0.7],
        "syn": [0.6, 0.6, 0.6], "greedy": [0.9, 0.7, 0.8], "demons": [0.3, 0.5, 0.4],
    }  # fmt: skip
    found = contrast(pairs, values)
    assert found.mean_first == pytest.approx(0.65)
    assert found.mean_second == pytest.approx(0.6)
    assert found.difference.value == pytest.approx(0.05)
    assert (found.n_pairs, found.n_people, found.n_methods, found.dropped) == (3, 4, 5, 0)
    assert found.design == "chain"
    without = {left.method: left.difference.value for left in found.without}
    assert without["net-b"] == pytest.approx(0.7 - 0.6)
    assert without["greedy"] == pytest.approx(0.65 - 0.5)
    assert [left.family for left in found.without] == ["deep", "deep", "iterative", "iterative", "iterative"]


def test_where_nobody_is_shared_it_is_the_paired_t_of_the_family_means():
    pairs, values = pairs_of("within", 20), values_of(20)
    found = contrast(pairs, values)
    a = np.mean([values[m] for m in FAMILIES["deep"]], axis=0)
    b = np.mean([values[m] for m in FAMILIES["iterative"]], axis=0)
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(0.95)
    assert found.difference.df == 19
    np.testing.assert_allclose(found.difference.value / found.difference.se, test.statistic, **CLOSE)
    # the interval of t, longer on the side of the skewness
    assert found.difference.skew == pytest.approx(stats.skew(a - b, bias=False) / np.sqrt(20))
    assert found.difference.skew > 0
    np.testing.assert_allclose(found.difference.low, low, **CLOSE)
    assert found.difference.high > high
    assert found.difference.p >= test.pvalue
    np.testing.assert_allclose(found.d_z.value, (a - b).mean() / (a - b).std(ddof=1), **CLOSE)
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    np.testing.assert_allclose(found.d_av.value, (a - b).mean() / pooled, **CLOSE)
    np.testing.assert_allclose(found.literature.cohen_d, found.d_av.value, **CLOSE)
    np.testing.assert_allclose(found.literature.p_t, test.pvalue, **CLOSE)
    assert found.d_z.low < found.d_z.value < found.d_z.high


def test_where_differences_are_symmetric_it_is_the_t_test_and_tost():
    base, d = np.random.default_rng(0).normal(size=8), np.array([-4, -3, -2, -1, 1, 2, 3, 4]) * 0.01 + 0.02
    families = {"deep": ["net-a"], "iterative": ["syn"]}
    found = contrast(pairs_of("within", 8), {"net-a": base + d, "syn": base}, families, margin=0.05).difference
    test = stats.ttest_1samp(d, 0)
    low, high = test.confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high, found.p], [low, high, test.pvalue], **CLOSE)
    tost = max(
        stats.ttest_1samp(d, bound, alternative=way).pvalue for bound, way in ((-0.05, "greater"), (0.05, "less"))
    )
    np.testing.assert_allclose(found.p_within(0.05), tost, **CLOSE)


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    found = contrast(pairs_of("within", 20), values_of(20), margin=0.02)
    of = found.difference
    upper = stats.t.cdf((of.value - 0.02) / of.se, 19)
    lower = stats.t.sf((of.value + 0.02) / of.se, 19)
    assert found.p_equivalence >= max(upper, lower)
    assert found.p_equivalence == of.p_within(0.02)
    assert math.isnan(contrast(pairs_of("within", 20), values_of(20)).p_equivalence)
    with pytest.raises(UsageError, match=r"0\.0071"):
        contrast(pairs_of("within", 20), values_of(20), margin=0.001)


def test_order_of_methods_pairs_and_rows_does_not_matter():
    pairs, values = pairs_of("all", 6), values_of(30)
    values["syn"][3] = np.nan
    one = contrast(pairs, values)
    turned = {m: v[::-1] for m, v in reversed(values.items())}
    families = {name: members[::-1] for name, members in reversed(FAMILIES.items())}
    table = scores(pairs[::-1], turned).sample(frac=1, random_state=1)
    assert family_contrast(table, families, DICE) == one


def test_methods_as_a_sample_by_the_formula():
    # all methods the same on every pair apart from a constant: the noise of subjects is 0, that of the methods is known
    pairs = pairs_of("all", 5)
    base = np.random.default_rng(0).normal(size=20)
    own = {"net-a": 0.1, "net-b": 0.3, "syn": 0.0, "greedy": 0.2, "demons": 0.4}
    found = contrast(pairs, {m: base + shift for m, shift in own.items()})
    assert found.difference.value == pytest.approx(0.0, abs=1e-12)
    variance = np.var([0.1, 0.3], ddof=1) / 2 + np.var([0.0, 0.2, 0.4], ddof=1) / 3
    assert found.over_methods.se == pytest.approx(np.sqrt(variance))
    parts = np.var([0.1, 0.3], ddof=1) / 2, np.var([0.0, 0.2, 0.4], ddof=1) / 3
    assert found.over_methods.df == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 1 + parts[1] ** 2 / 2))


@pytest.mark.parametrize("layout", ["chain", "within", "all"])
def test_what_holds_for_methods_like_these_is_never_surer_than_what_holds_for_these(layout):
    """Few people with skewed effects, as where two methods fail on one of four; seen on a phantom's FLAIR."""
    pairs = pairs_of(layout, 4)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = {m: rng.exponential(0.1, len(pairs)) for group in FAMILIES.values() for m in group}
        found = contrast(pairs, values)
        these, like_these = found.difference, found.over_methods
        assert like_these.low <= these.low + 1e-12
        assert like_these.high >= these.high - 1e-12
        for bound in (-0.3, -0.1, 0.0, 0.1, 0.3):
            assert like_these.p_above(bound) >= 0.05 or these.p_above(bound) < 0.05
            assert like_these.p_below(bound) >= 0.05 or these.p_below(bound) < 0.05


def test_a_family_of_one_method_has_no_interval_over_methods():
    values = values_of(30, ("net-a", "syn", "greedy"))
    found = contrast(pairs_of("all", 6), values, {"deep": ["net-a"], "iterative": ["syn", "greedy"]})
    assert math.isnan(found.over_methods.low)
    assert "one method" in found.over_methods.reason
    assert found.over_methods.value == found.difference.value
    assert found.difference.low < found.difference.value < found.difference.high
    assert [left.method for left in found.without] == ["greedy", "syn"]


def test_two_people_give_a_difference_without_an_interval():
    found = contrast(pairs_of("all", 2), values_of(2))
    assert math.isfinite(found.difference.value)
    assert math.isnan(found.difference.low)
    assert "only 1 pair to" in found.difference.reason
    assert math.isnan(found.over_methods.low)


def test_a_method_that_fails_everywhere_counts_by_the_policy_or_is_left_out():
    pairs = pairs_of("chain", 6)
    values = values_of(5) | {"affine": np.full(5, 0.5), "identity": np.full(5, 0.4), "net-b": np.full(5, np.nan)}
    counted = contrast(pairs, values)
    assert counted.mean_first == pytest.approx((values["net-a"].mean() + 0.4) / 2)
    assert counted.failed == {"net-b": 5}
    assert counted.filled == {"net-b": 5}
    assert any("net-b has no successful run" in note for note in counted.notes)
    dropped = contrast(pairs, values, policy="drop")
    assert dropped.families["deep"] == ("net-a",)
    assert dropped.left_out == {"net-b": "failed on every pair"}
    assert dropped.mean_first == pytest.approx(values["net-a"].mean())


def test_pairs_that_a_method_lacks_are_left_out_for_all():
    values = values_of(5)
    values["syn"][2] = np.nan
    found = contrast(pairs_of("chain", 6), values, policy="drop")
    kept = [0, 1, 3, 4]
    assert (found.n_pairs, found.dropped) == (4, 1)
    assert found.mean_first == pytest.approx(np.mean([values[m][kept] for m in FAMILIES["deep"]]))
    assert found.failed == {"syn": 1}


def test_methods_without_scores_are_told():
    families = FAMILIES | {"deep": ["net-a", "net-b", "no-weights"]}
    found = contrast(pairs_of("chain", 6), values_of(5), families)
    assert found.left_out == {"no-weights": "no scores"}
    assert "no-weights does not count: no scores" in found.notes
    nobody = contrast(pairs_of("chain", 6), values_of(5), {"deep": ["no-weights"], "iterative": ["syn"]})
    assert math.isnan(nobody.difference.value)
    assert nobody.difference.reason == "no method of the family deep has a value"


@pytest.mark.parametrize("by", [0.1, 0.0])
def test_the_same_difference_on_every_pair_has_no_p_and_decides_nothing(by):
    base = np.random.default_rng(0).normal(0.6, 0.1, 20)
    rounding = 1e-17 * np.arange(20)
    values = {"net-a": base + by, "net-b": base + by + rounding, "syn": base, "greedy": base - rounding, "demons": base}
    found = contrast(pairs_of("all", 5), values)
    assert found.difference.value == pytest.approx(by)
    for of in (found.difference, found.over_methods, *(left.difference for left in found.without)):
        assert of.se == 0
        assert math.isnan(of.p)
    assert math.isnan(found.d_z.value)
    (verdict,) = judge([claim_test("better", Expectation.BETTER, [found], 0.0)])
    assert verdict.decision is Decision.UNDECIDED
    assert "every pair gives the same difference" in verdict.reason


def test_one_person_gives_a_difference_alone():
    found = contrast(pairs_of("within", 1), values_of(1))
    assert found.n_people == 1
    assert math.isfinite(found.difference.value)
    assert math.isnan(found.difference.low)
    assert math.isnan(found.over_methods.low)
    assert found.difference.reason == "only 1 subject to resample: no interval"


def test_what_cannot_be_one_measure_is_refused():
    pairs = pairs_of("chain", 6)
    table = pd.concat([scores(pairs, values_of(5), source=source) for source in ("manual", "automatic")])
    with pytest.raises(UsageError, match="source: automatic, manual"):
        family_contrast(table, FAMILIES, DICE)
    chosen = family_contrast(table, FAMILIES, Measure("dice_nearest_fg", source="manual"))
    assert chosen.key["source"] == "manual"
    with pytest.raises(UsageError, match="hd95_mm"):
        family_contrast(table, FAMILIES, Measure("hd95_mm"))
    with pytest.raises(UsageError, match="condition oblique"):
        family_contrast(table, FAMILIES, Measure("dice_nearest_fg", condition="oblique"))
    with pytest.raises(UsageError, match="no family iterative"):
        contrast(pairs, values_of(5), {"deep": ["net-a"]})
    with pytest.raises(UsageError, match="syn in both families"):
        contrast(pairs, values_of(5), {"deep": ["syn"], "iterative": ["syn"]})
