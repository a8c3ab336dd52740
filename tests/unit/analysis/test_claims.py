"""Truth: interactions counted by hand and by t tests, exact binomial limits, and Holm over the claims of a study."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats
from score_tables import pairs_of, scores

from lumirage.analysis.claim_verdicts import Decision, Expectation, claim_test, expectation_of, judge
from lumirage.analysis.designs import detect_design
from lumirage.analysis.failure_shares import failure_share
from lumirage.analysis.family_contrasts import family_contrast
from lumirage.analysis.family_scores import FamilySettings, Measure
from lumirage.analysis.interactions import Pairing, interaction
from lumirage.analysis.joint_spread import Table, difference_spread, mean_spread
from lumirage.analysis.resampling import jackknife_errors
from lumirage.core.errors import UsageError
from lumirage.core.study import Claim

DICE = Measure("dice_nearest_fg")
FAMILIES = {"deep": ["net-a", "net-b"], "iterative": ["syn", "greedy"]}
METHODS = ("net-a", "net-b", "syn", "greedy")
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def values_of(n_pairs, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return {m: rng.normal(0.7 + shift * m.startswith("net"), 0.02, size=n_pairs) for m in METHODS}


def between(here, there, families=FAMILIES, **settings):
    return interaction(here, there, families, (DICE, DICE), FamilySettings(**settings))


def renamed(pairs, prefix):
    return [(prefix + fixed, prefix + moving) for fixed, moving in pairs]


def test_interaction_is_the_contrast_of_the_losses_paired_by_person():
    pairs = pairs_of("within", 12)
    flair, t1w = values_of(12, 1, shift=-0.05), values_of(12, 2)
    found = between(scores(pairs, flair), scores(pairs[::-1], {m: v[::-1] for m, v in t1w.items()}))
    loss = {m: flair[m] - t1w[m] for m in METHODS}
    d = np.mean([loss["net-a"], loss["net-b"]], axis=0) - np.mean([loss["syn"], loss["greedy"]], axis=0)
    assert found.pairing is Pairing.PAIRED
    assert (found.n_people, found.n_shared, found.n_pairs, found.n_methods) == (12, 12, 12, 4)
    np.testing.assert_allclose(found.difference.value, d.mean(), **CLOSE)
    np.testing.assert_allclose(found.difference.se, d.std(ddof=1) / np.sqrt(12), rtol=0.05)
    assert found.difference.df == pytest.approx(11)
    assert found.track.difference.value - found.reference.difference.value == pytest.approx(found.difference.value)


def test_interaction_of_other_people_is_welchs_t():
    here, there = values_of(12, 1), values_of(7, 2)
    found = between(scores(pairs_of("within", 12), here), scores(renamed(pairs_of("within", 7), "x"), there))
    a, b = (np.mean([v["net-a"], v["net-b"]], 0) - np.mean([v["syn"], v["greedy"]], 0) for v in (here, there))
    test = stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(0.95)
    of = found.difference
    assert found.pairing is Pairing.UNPAIRED
    assert found.notes[0] == "unpaired: 12 people and 7 other people"
    np.testing.assert_allclose([of.value / of.se, of.df], [test.statistic, test.df], **CLOSE)
    # the interval of t, longer on the side of the skewness
    assert of.skew < 0
    assert of.low < low
    np.testing.assert_allclose(of.high, high, **CLOSE)
    assert of.p >= test.pvalue


def test_people_in_both_tracks_are_paired_where_only_some_are():
    here, there = pairs_of("all", 8), [p for p in pairs_of("all", 11) if "sub00" not in p and "sub01" not in p]
    found = between(scores(here, values_of(len(here))), scores(there, values_of(len(there), 1)))
    assert found.pairing is Pairing.PARTLY
    assert (found.n_people, found.n_shared) == (11, 6)
    assert "6 of 11 people" in found.notes[0]
    assert 7 <= found.difference.df <= len(here) + len(there)
    assert found.difference.se > 0


def test_joint_spread_of_the_same_pairs_is_the_jackknife_of_the_differences():

    for kind in ("all", "chain", "star", "within"):
        pairs = pairs_of(kind, 7)
        design = detect_design([f for f, _ in pairs], [m for _, m in pairs])
        a, b = np.random.default_rng(0).normal(size=(2, len(pairs), 3))
        joint = difference_spread(Table(a, design), Table(b, design))
        np.testing.assert_allclose(joint.se, jackknife_errors(a - b, design), rtol=1e-10)
        alone = mean_spread(Table(a - b, design))
        np.testing.assert_allclose([joint.se, joint.skew], [alone.se, alone.skew], rtol=1e-9)
        n = len(design.units)
        assert ((joint.df >= n - 1) & (joint.df <= 2 * len(pairs))).all()
        assert design.crossed or (joint.df == n - 1).all()


def test_joint_spread_of_other_people_adds_the_variances():

    pairs = pairs_of("all", 6)
    here = detect_design([f for f, _ in pairs], [m for _, m in pairs])
    there = detect_design(["x" + f for f, _ in pairs], ["x" + m for _, m in pairs])
    people = np.random.default_rng(1).normal(size=(2, 6, 2)) * 5
    index = here.units_of_pair
    a, b = (p[index[:, 0]] + p[index[:, 1]] + np.random.default_rng(2).normal(size=(30, 2)) for p in people)
    expected = np.hypot(jackknife_errors(a, here), jackknife_errors(b, there))
    np.testing.assert_allclose(difference_spread(Table(a, here), Table(b, there)).se, expected, rtol=1e-10)


def test_methods_without_scores_in_one_track_are_left_out_of_the_interaction():
    pairs = pairs_of("all", 5)
    reference = values_of(20, 2)
    del reference["net-b"]
    found = between(scores(pairs, values_of(20, 1)), scores(pairs, reference))
    assert found.track.left_out == {"net-b": "no scores in the other track"}
    assert found.track.families == {"deep": ("net-a",), "iterative": ("greedy", "syn")}
    assert found.n_methods == 3


def test_interaction_without_a_family_in_one_track_says_where():
    pairs = pairs_of("all", 5)
    reference = {m: v for m, v in values_of(20, 2).items() if m.startswith("net")}
    found = between(scores(pairs, values_of(20, 1)), scores(pairs, reference))
    assert math.isnan(found.difference.value)
    assert "reference: no method of the family iterative" in found.difference.reason


def test_order_of_methods_pairs_and_rows_does_not_matter_for_the_interaction():
    here, there = pairs_of("all", 6), [pair for pair in pairs_of("all", 8) if "sub00" not in pair]
    tables = scores(here, values_of(30)), scores(there, values_of(len(there), 1))
    shuffled = [table.sample(frac=1, random_state=3) for table in tables]
    families = {name: members[::-1] for name, members in reversed(FAMILIES.items())}
    assert between(*shuffled, families) == between(*tables)
    turned = between(*tables[::-1])
    assert turned.difference.value == pytest.approx(-between(*tables).difference.value)
    assert turned.difference.se == pytest.approx(between(*tables).difference.se)


def failing(share_of, pairs):
    """Values of methods; NaN on the first pairs: `share_of` method -> number of failures."""
    return {m: [math.nan] * n + [0.7] * (len(pairs) - n) for m, n in share_of.items()}


def test_share_of_failures_where_nobody_is_shared_is_the_exact_binomial():
    pairs = pairs_of("within", 20)
    found = failure_share(scores(pairs, failing({"net-a": 6}, pairs)), ["net-a"])
    test = stats.binomtest(6, 20).proportion_ci(0.95)
    assert (found.share, found.failed, found.n_runs, found.n_people) == (0.3, 6, 20, 20)
    # the variance of independent attempts has n - 1 below it, so they count as 19
    assert found.effective == pytest.approx(19)
    assert found.low == pytest.approx(test.low, abs=0.01)
    assert found.high == pytest.approx(test.high, abs=0.01)


@pytest.mark.parametrize(("n", "share"), [(56, 1.0), (0, 0.0)])
def test_all_or_no_failures_count_people_not_pairs(n, share):
    pairs = pairs_of("all", 8)
    found = failure_share(scores(pairs, failing({"net-a": n}, pairs)), ["net-a"])
    test = stats.binomtest(int(share * 8), 8).proportion_ci(0.95)
    assert found.share == share
    assert (found.low, found.high) == (pytest.approx(test.low), pytest.approx(test.high))
    p = found.p_above(0.5) if share else found.p_below(0.5)
    assert p == pytest.approx(0.5**8)


def test_failures_of_one_person_make_a_wider_interval_than_scattered_ones():
    pairs = pairs_of("all", 8)
    of_one = [math.nan if "sub03" in pair else 0.7 for pair in pairs]
    found = failure_share(scores(pairs, {"net-a": of_one}), ["net-a"])
    independent = stats.binomtest(14, 56).proportion_ci(0.95)
    assert found.share == 0.25
    assert found.effective < 10
    assert found.low < independent.low
    assert found.high > independent.high


def claims(shift, *wanted, pairs=None):
    pairs = pairs or pairs_of("within", 10)
    evidence = family_contrast(scores(pairs, values_of(len(pairs), 0, shift)), FAMILIES, DICE)
    return [claim_test(str(e), e, [evidence], margin) for e, margin in wanted]


@pytest.mark.parametrize(
    ("shift", "expectation", "margin", "decision"),
    [
        (0.2, Expectation.BETTER, 0.05, Decision.SUPPORTED),
        (-0.2, Expectation.BETTER, 0.0, Decision.REFUTED),
        (0.0, Expectation.BETTER, 0.005, Decision.UNDECIDED),
        (-0.2, Expectation.WORSE, 0.05, Decision.SUPPORTED),
        (0.0, Expectation.WORSE, 0.1, Decision.REFUTED),
        (0.0, Expectation.NOT_WORSE, 0.1, Decision.SUPPORTED),
        (-0.2, Expectation.NOT_WORSE, 0.1, Decision.REFUTED),
        (0.0, Expectation.EQUIVALENT, 0.1, Decision.SUPPORTED),
        (0.3, Expectation.EQUIVALENT, 0.1, Decision.REFUTED),
        (0.1, Expectation.EQUIVALENT, 0.1, Decision.UNDECIDED),
        (-0.2, Expectation.DIFFERENT, 0.1, Decision.SUPPORTED),
        (0.2, Expectation.DIFFERENT, 0.1, Decision.SUPPORTED),
        (0.0, Expectation.DIFFERENT, 0.1, Decision.REFUTED),
        (0.0, Expectation.DIFFERENT, 0.0, Decision.UNDECIDED),
    ],
)
def test_verdict(shift, expectation, margin, decision):
    (verdict,) = judge(claims(shift, (expectation, margin)))
    assert verdict.decision is decision
    assert (verdict.n_people, verdict.n_pairs, verdict.n_methods) == (10, 10, 4)
    assert bool(verdict.reason) == (decision is Decision.UNDECIDED)


def test_an_undecided_claim_says_how_many_people_decide_it():
    (test,) = claims(0.01, (Expectation.BETTER, 0.0))
    (verdict,) = judge([test])
    assert verdict.decision is Decision.UNDECIDED
    assert f"about {verdict.people_needed} people would decide it (10 now)" in verdict.reason
    of = test.places[0].evidence.difference
    se = of.se * np.sqrt(10 / verdict.people_needed)
    critical = stats.t.ppf(0.975, verdict.people_needed - 1)
    power = stats.nct.sf(critical, verdict.people_needed - 1, abs(of.value) / se)
    assert 0.8 <= power < 0.85


def test_lower_is_better_is_turned():
    pairs = pairs_of("within", 10)
    table = scores(pairs, values_of(10, 0, shift=0.2), metric="hd95_mm")
    evidence = family_contrast(table, FAMILIES, Measure("hd95_mm"))
    (verdict,) = judge([claim_test("worse", Expectation.WORSE, [evidence], 0.05)])
    assert verdict.decision is Decision.SUPPORTED
    assert evidence.difference.value > 0 > verdict.value
    assert verdict.low == -evidence.difference.high
    assert verdict.high == -evidence.difference.low


def test_holm_over_the_claims_of_a_study():
    (test,) = claims(0.025, (Expectation.BETTER, 0.0))
    alone = judge([test])[0]
    assert alone.decision is Decision.SUPPORTED
    others = claims(0.0, *[(Expectation.BETTER, 0.0)] * 29)
    among = judge([test, *others])[0]
    assert among.p == alone.p
    assert among.p_holm == pytest.approx(30 * alone.p)
    assert among.decision is Decision.UNDECIDED
    assert "not after Holm's correction over 30 claims" in among.reason


def test_a_claim_must_hold_at_every_place():
    pairs = pairs_of("within", 10)
    good, none, bad = (family_contrast(scores(pairs, values_of(10, 0, by)), FAMILIES, DICE) for by in (0.2, 0.0, -0.2))
    tests = [
        claim_test("both", Expectation.BETTER, [good, good], 0.0),
        claim_test("not sure", Expectation.BETTER, [good, none], 0.0),
        claim_test("one not", Expectation.BETTER, [good, bad, none], 0.0),
    ]
    both, unsure, one_not = judge(tests)
    assert [v.decision for v in (both, unsure, one_not)] == [Decision.SUPPORTED, Decision.UNDECIDED, Decision.REFUTED]
    assert unsure.value == none.difference.value
    assert one_not.value == bad.difference.value
    assert tests[1].p_support == tests[1].places[1].p_support
    assert tests[2].p_refute == 3 * tests[2].places[1].p_refute


def test_a_place_that_cannot_be_tested_leaves_a_claim_undecided_unless_another_refutes_it():
    few, many = pairs_of("all", 2), pairs_of("within", 10)
    untested = family_contrast(scores(few, values_of(2)), FAMILIES, DICE)
    good, bad = (family_contrast(scores(many, values_of(10, 0, by)), FAMILIES, DICE) for by in (0.2, -0.2))
    unsure, refuted = judge([claim_test("a", Expectation.BETTER, [of, untested], 0.0) for of in (good, bad)])
    assert unsure.decision is Decision.UNDECIDED
    assert "to resample: no interval" in unsure.reason
    assert refuted.decision is Decision.REFUTED
    assert refuted.value == bad.difference.value


@pytest.mark.parametrize(
    ("kind", "direction", "expectation"),
    [
        ("difference", "worse", Expectation.WORSE),
        ("interaction", "better", Expectation.BETTER),
        ("difference", "different", Expectation.DIFFERENT),
        ("no_worse_than", "worse", Expectation.NOT_WORSE),
        ("equivalence", "worse", Expectation.EQUIVALENT),
        ("does_not_run", "worse", Expectation.DOES_NOT_RUN),
    ],
)
def test_what_a_claim_of_a_study_expects(kind, direction, expectation):
    claim = Claim(
        id="c", sentence="s", kind=kind, family="deep", against="" if kind == "does_not_run" else "iterative",
        where=("t1w",), reference="t1w" if kind == "interaction" else None, margin=0.1, direction=direction,
    )  # fmt: skip
    assert expectation_of(claim) is expectation


def test_claim_that_a_method_does_not_run():
    pairs = pairs_of("all", 8)
    none = failure_share(scores(pairs, failing({"net-a": 56}, pairs)), ["net-a"])
    all_but = failure_share(scores(pairs, failing({"net-a": 0}, pairs)), ["net-a"])
    fails, runs, few = judge(
        [
            claim_test("fails", Expectation.DOES_NOT_RUN, [none], 0.5),
            claim_test("fails too", Expectation.DOES_NOT_RUN, [all_but], 0.5),
            claim_test("runs", Expectation.RUNS, [all_but], 0.01),
        ]
    )
    assert (fails.decision, runs.decision, few.decision) == (Decision.SUPPORTED, Decision.REFUTED, Decision.UNDECIDED)
    assert (fails.value, runs.value) == (1.0, 0.0)
    assert few.people_needed > 300


def test_claims_without_an_interval_are_undecided_and_say_why():
    pairs = pairs_of("all", 2)
    (verdict,) = judge(claims(0.2, (Expectation.BETTER, 0.0), pairs=pairs))
    assert verdict.decision is Decision.UNDECIDED
    assert "to resample: no interval" in verdict.reason
    assert math.isnan(verdict.p_holm)


def test_a_claim_over_methods_needs_more_than_one_method():
    pairs = pairs_of("within", 10)
    evidence = family_contrast(scores(pairs, values_of(10)), {"deep": ["net-a"], "iterative": ["syn"]}, DICE)
    (verdict,) = judge([claim_test("networks", Expectation.BETTER, [evidence], 0.0, over_methods=True)])
    assert verdict.decision is Decision.UNDECIDED
    assert "one method" in verdict.reason


def test_a_claim_over_methods_that_differ_much_needs_more_methods_not_people():
    pairs = pairs_of("within", 10)
    values = values_of(10)
    values["net-a"], values["net-b"] = values["net-a"] + 0.3, values["net-b"] - 0.2
    evidence = family_contrast(scores(pairs, values), FAMILIES, DICE)
    (verdict,) = judge([claim_test("networks", Expectation.BETTER, [evidence], 0.0, over_methods=True)])
    assert evidence.difference.low > 0
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.people_needed is None
    assert "more methods would have to run" in verdict.reason


def test_margins_and_evidence_that_do_not_fit_are_refused():
    pairs = pairs_of("within", 10)
    evidence = family_contrast(scores(pairs, values_of(10)), FAMILIES, DICE)
    with pytest.raises(UsageError, match="must be positive"):
        claim_test("same", Expectation.EQUIVALENT, [evidence], 0.0)
    with pytest.raises(UsageError, match="about failed runs"):
        claim_test("fails", Expectation.DOES_NOT_RUN, [evidence], 0.5)
    with pytest.raises(UsageError, match="which way"):
        claim_test("better", Expectation.BETTER, [dataclasses.replace(evidence, direction=0)], 0.0)
