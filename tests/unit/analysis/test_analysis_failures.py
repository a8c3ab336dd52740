"""One rule for what failed, and ties that are ties: failing never outranks the affine, no order is claimed untold."""

import numpy as np
import pandas as pd
import pytest
from score_tables import pairs_of, row, scores

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes
from lumirage.analysis.designs import detect_design
from lumirage.analysis.ranking import AGGREGATE, RANK_FIRST, SCHEMES, RankSettings, rank
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.score_matrices import cells_of
from lumirage.analysis.verdicts import verdicts
from lumirage.core.failure_policy import POLICIES
from lumirage.core.rank_groups import groups_of, place_words, rank_intervals

FAST = Resampling(draws=200, seed=1)
NAN = float("nan")


def ranked(table, **wanted):
    found = rank(table, RankSettings(FAST))
    for column, value in wanted.items():
        found = found[found[column] == value]
    return found.set_index("method")


def said(table, policy="identity"):
    found = verdicts(
        compare(table, CompareSettings(FAST)),
        rank(table, RankSettings(FAST)),
        condition_changes(table, ChangeSettings(FAST, policy=policy)),
        policy,
    )
    return [verdict.sentence for verdict in found if verdict.kind != "headline"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_failing_everywhere_is_last_even_where_doing_nothing_beats_the_affine(policy, scheme):
    pairs = pairs_of("all", 5)
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.02, 20)
    values = {"identity": base + 0.2, "affine": base, "harms": base - 0.3, "fails": np.full(20, NAN)}
    values |= {"as-identity": values["identity"], "as-affine": values["affine"]}
    found = ranked(scores(pairs, values), policy=policy, scheme=scheme)
    ranks = found["rank"]
    if policy != "drop":
        assert ranks["fails"] > ranks[["as-identity", "as-affine", "harms"]].max() or scheme == "LUMIR"
        assert ranks["fails"] >= ranks["as-affine"]
        assert found.loc["fails", "filled"] == 20
        np.testing.assert_allclose(found.loc["fails", "value"], base.mean() - (0.3 if policy == "worst" else 0))
    else:
        assert not ranks["fails"] < ranks["as-affine"]
        assert found.loc["fails", "filled"] == 0


def test_the_only_run_failed_and_identity_beats_the_affine():
    values = {"identity": [0.7], "affine": [0.6], "fails": [NAN], "as-identity": [0.7], "as-affine": [0.6]}
    found = ranked(scores([("a", "b")], values), policy="identity", scheme=AGGREGATE)
    assert found["rank"].dropna().to_dict() == {"as-identity": 1, "as-affine": 2, "fails": 3}
    places = {"identity": "", "affine": "", "as-identity": "1=", "as-affine": "1=", "fails": "3"}
    assert found["place"].to_dict() == places
    assert found.loc["fails", "value"] == 0.6


def test_left_out_failures_do_not_lift_a_method_above_the_affine():
    """Under `drop` it has the easy pairs alone, where it is worse than the affine: its mean is higher all the same."""
    pairs = pairs_of("all", 5)
    rng = np.random.default_rng(0)
    affine = np.where(np.arange(20) % 2, 0.8, 0.2) + rng.normal(0, 0.01, 20)
    easy = np.where(np.arange(20) % 2, affine - 0.1 + rng.normal(0, 0.01, 20), NAN)
    values = {"identity": affine - 0.15, "affine": affine, "picks": easy, "as-affine": affine, "low": affine - 0.15}
    found = ranked(scores(pairs, values), policy="drop", scheme=AGGREGATE)
    assert found.loc["picks", "value"] > found.loc["affine", "value"]
    assert found.loc["affine", "merit"] > found.loc["picks", "merit"] > found.loc["identity", "merit"]
    assert found["rank"].dropna().to_dict() == {"as-affine": 1, "picks": 2, "low": 3}


@pytest.mark.parametrize("metric", ["det_le0_percent", "inverse_consistency_mm"])
def test_where_doing_nothing_is_perfect_failing_alone_is_not(metric):
    """With one method there is no other on the pair to give the worst value: doing nothing would make it perfect."""
    pairs = pairs_of("chain", 4)
    table = scores(pairs, {"identity": [0.0] * 3, "affine": [0.0] * 3, "a": [2.0, NAN, 1.0]}, metric=metric)
    (raw,) = cells_of(table)
    assert raw.under("identity").of("a").tolist() == [2.0, 2.0, 1.0]
    alone = scores(pairs, {"identity": [0.0] * 3, "affine": [0.0] * 3, "a": [NAN] * 3}, metric=metric)
    (raw,) = cells_of(alone)
    assert np.isnan(raw.runs.means("identity", metric)["a"].value)


def test_means_tell_how_much_of_them_the_policy_filled():
    pairs = pairs_of("chain", 4)
    table = scores(pairs, {"identity": [0.1, 0.2, 0.3], "affine": [0.2, 0.1, 0.4], "a": [0.9, NAN, NAN]})
    (raw,) = cells_of(table)
    mean = raw.runs.means("identity", "dice_nearest_fg")["a"]
    assert mean.value == pytest.approx((0.9 + 0.1 + 0.3) / 3)
    assert (mean.n_pairs, mean.filled, mean.failed) == (3, 2, 2)
    dropped = raw.runs.means("drop", "dice_nearest_fg")["a"]
    assert (dropped.value, dropped.n_pairs, dropped.filled, dropped.failed) == (0.9, 1, 0, 2)
    some = raw.runs.means("identity", "dice_nearest_fg", np.array([True, False, False]))["a"]
    assert (some.value, some.n_pairs, some.filled) == (0.9, 1, 0)


def test_effects_of_who_never_answered_are_not_told_as_findings():
    pairs = pairs_of("all", 5)
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.02, 20)
    good = base + 0.2 + rng.normal(0, 0.01, 20)
    told = said(scores(pairs, {"identity": base - 0.1, "affine": base, "good": good, "fails": np.full(20, NAN)}))
    about = [sentence for sentence in told if "fails" in sentence]
    assert len(about) == 1
    assert about[0].startswith("fails failed on 20 of 20 pairs, each of which counts as doing nothing")


def test_methods_that_cannot_be_told_apart_share_a_place():
    pairs = pairs_of("all", 8)
    rng = np.random.default_rng(3)
    noise = {m: rng.normal(0, 0.02, 56) for m in ("a", "b", "c")}
    values = {"low": rng.normal(0.3, 0.02, 56), "a": 0.7 + noise["a"], "b": 0.7 + noise["b"], "c": 0.9 + noise["c"]}
    for scheme in (AGGREGATE, RANK_FIRST):
        found = ranked(scores(pairs, values), policy="identity", scheme=scheme)
        assert found["place"].to_dict() == {"low": "4", "a": "2=", "b": "2=", "c": "1"}
        assert found.loc["c", ["rank_low", "rank_high"]].tolist() == [1, 1]
        assert found.loc["a", ["rank_low", "rank_high"]].tolist() == [2, 3]


def test_two_subjects_tell_no_order():
    found = ranked(
        scores([("a", "b"), ("b", "a")], {"low": [0.5, 0.5], "x": [0.9, 0.8]}), policy="identity", scheme=AGGREGATE
    )
    assert set(found["place"]) == {"1="}
    assert found["rank_low"].isna().all()
    assert "no interval" in found.loc["x", "note"]


def test_a_difference_that_is_the_same_on_every_pair_is_told_and_rounding_is_not():
    pairs = pairs_of("all", 5)
    base = np.random.default_rng(0).normal(0.5, 0.05, 20)
    values = {"affine": base, "ahead": base + 0.1, "equal": base + 1e-16 * np.arange(20), "as-affine": base}
    found = ranked(scores(pairs, values), policy="identity", scheme=AGGREGATE)
    assert found["place"].to_dict() == {"affine": "", "ahead": "1", "equal": "2=", "as-affine": "2="}
    rows = compare(scores(pairs, values), CompareSettings(FAST))
    assert row(rows, method="equal", reference="affine", policy="identity", literature=False)["better"] == ""
    assert row(rows, method="ahead", reference="affine", policy="identity", literature=False)["better"] == "method"


def test_groups_are_cut_only_where_all_above_are_told_better_than_all_below():
    better = np.zeros((4, 4), dtype=bool)
    better[0, 2] = better[:3, 3] = True  # 0 and 1, 1 and 2 cannot be distinguished
    ranks = np.array([1.0, 2.0, 3.0, 4.0])
    assert place_words(groups_of(ranks, better).tolist()) == ["1=", "1=", "1=", "4"]
    low, high = rank_intervals(ranks, better)
    assert low.tolist() == [1, 1, 2, 4]
    assert high.tolist() == [2, 3, 3, 4]
    ranks[2] = NAN
    assert place_words(groups_of(ranks, better).tolist()) == ["1=", "1=", "", "3"]


def test_equal_methods_on_few_subjects_are_seldom_told_apart():
    """All orders of equal methods are wrong; with Holm at most 5 in 100 tables may tell one. Without
    the small-sample correction 10 to 20 in 100 do (benchmarks/ranks.py)."""
    pairs = pairs_of("all", 5)
    design = detect_design([f for f, _ in pairs], [m for _, m in pairs])
    told = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        own = rng.normal(0, 0.05, (3, 5))
        values = np.array([[row[int(f[3:])] + row[int(m[3:])] for f, m in pairs] for row in own])
        told += bool(schemes.told_better(values + rng.normal(0, 0.01, values.shape), design, FAST).any())
    assert told <= 15, f"{told} of 150"


def conditions(take, n_subjects=6, seed=0):
    """greedy and syn in the reference and under noise, which takes `take` from greedy alone."""
    pairs = pairs_of("all", n_subjects)
    rng = np.random.default_rng(seed)
    base = rng.normal(0.55, 0.02, len(pairs))
    values = {
        "identity": base - 0.1,
        "affine": base,
        "greedy": base + 0.26 + rng.normal(0, 0.01, len(pairs)),
        "syn": base + 0.1 + rng.normal(0, 0.01, len(pairs)),
    }
    noisy = values | {
        m: values[m] - loss + rng.normal(0, 0.005, len(pairs)) for m, loss in (("greedy", take), ("syn", 0.0))
    }
    return pd.concat([scores(pairs, values), scores(pairs, noisy, condition="noise-0.2")])


def test_what_a_condition_breaks_is_the_first_sentence():
    told = said(conditions(take=0.64))
    assert told[0].startswith("With 20 % noise, greedy goes from 0.81 to 0.17 on Dice (manual), a change of -0.6")
    assert "(n = 30 pairs, 6 subjects); the affine has 0.548 there, which is no worse." in told[0]
    assert "With 20 % noise the first on Dice (manual) is syn, not greedy." in told
    assert "No significant loss of syn on Dice (manual) with 20 % noise." in told


def test_a_small_loss_is_told_after_the_effects():
    told = said(conditions(take=0.05))
    assert told[0].startswith("greedy is better than affine")
    assert any(
        sentence.startswith("The largest significant loss of greedy under a condition: with 20 % noise, greedy goes")
        for sentence in told
    )


def test_two_subjects_have_a_break_without_an_interval():
    told = said(conditions(take=0.64, n_subjects=2))
    assert told[0].startswith("With 20 % noise, greedy goes from ")
    assert "without an interval" in told[0]


def test_failures_under_every_condition_are_told():
    pairs = pairs_of("all", 5)
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.02, 20)
    good = base + 0.2 + rng.normal(0, 0.01, 20)
    table = scores(pairs, {"identity": base - 0.1, "affine": base, "a": good})
    lost = scores(pairs, {"identity": base - 0.1, "affine": base, "a": np.full(20, NAN)}, condition="crop_mm-0")
    told = said(pd.concat([table, lost]))
    assert told[0].startswith("With images cropped to 0 mm around the head, a goes from 0.697 to 0.396")
    assert "20 failed of a" in told[0]
    assert any(
        sentence.startswith("With images cropped to 0 mm around the head, a failed on 20 of 20 pairs")
        for sentence in told
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_references_have_values_and_no_rank_and_change_nobodys(scheme):
    """Neither the sentinels nor the oracle compete: with and without them the methods have the same list."""
    pairs = pairs_of("all", 6)
    rng = np.random.default_rng(4)
    methods = {name: gain + rng.normal(0, 0.03, 30) for name, gain in {"a": 0.7, "b": 0.68, "c": 0.4}.items()}
    scale = {"identity": np.full(30, 0.3), "affine": np.full(30, 0.69), "oracle": np.full(30, 0.99)}
    table = scores(pairs, {**scale, **methods})
    found = rank(table, RankSettings(FAST), references=("oracle",))
    alone = rank(scores(pairs, methods), RankSettings(FAST))
    mine, theirs = (
        each[(each["policy"] == "identity") & (each["scheme"] == scheme)].set_index("method") for each in (found, alone)
    )
    told = ["rank", "place", "rank_low", "rank_high", "first_share"]
    pd.testing.assert_frame_equal(mine.loc[list(methods), told], theirs.loc[list(methods), told])
    listed = [name for name in scale if name in mine.index]
    assert mine.loc[listed, "rank"].isna().all()
    assert set(mine.loc[listed, "place"]) == {""}
    assert mine.loc[listed, "reference"].all()
    assert mine.loc["affine", "value"] == pytest.approx(0.69)


def test_references_have_no_verdict():
    pairs = pairs_of("all", 5)
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.02, 20)
    values = {"affine": base, "good": base + 0.2 + rng.normal(0, 0.01, 20), "oracle": base + 0.4}
    values["oracle"][0] = NAN
    table = scores(pairs, values)
    found = verdicts(
        compare(table, CompareSettings(FAST)),
        rank(table, RankSettings(FAST), ("oracle",)),
        condition_changes(table, ChangeSettings(FAST)),
        "identity",
        ("oracle",),
    )
    assert found
    assert not [verdict.sentence for verdict in found if "oracle" in verdict.sentence]
