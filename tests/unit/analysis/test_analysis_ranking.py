import numpy as np
import pandas as pd
import pytest
from score_tables import pairs_of, row, scores

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.condition_effects import condition_changes
from lumirage.analysis.ranking import (
    AGGREGATE,
    LUMIR,
    RANK_FIRST,
    RANKING_COLUMNS,
    SCHEMES,
    TEST,
    RankSettings,
    _correlation,
    rank_agreement,
)
from lumirage.analysis.ranking import rank as rank_methods
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.verdicts import verdicts

FAST = Resampling(draws=200, seed=1)
NAN = float("nan")


def rank(table):
    return rank_methods(table, RankSettings(FAST))


def failing(n_subjects=9, seed=0):
    """`fails` is a little better than `steady` where it succeeds, and fails on every third pair."""
    pairs = pairs_of("all", n_subjects)
    rng = np.random.default_rng(seed)
    base = rng.normal(0.55, 0.03, size=len(pairs))
    values = {
        "identity": base - 0.1,
        "affine": base,
        "fails": base + 0.155 + rng.normal(0, 0.01, len(pairs)),
        "other": base + 0.05 + rng.normal(0, 0.01, len(pairs)),
        "steady": base + 0.15 + rng.normal(0, 0.01, len(pairs)),
    }
    values["fails"][::3] = NAN
    return pairs, values


def full_table(pairs, values):
    """Dice, and from it TRE and HD95 that agree with it; folds that only the methods have."""
    folds = {m: np.where(np.isnan(v), NAN, 0.0 if m in ("identity", "affine") else 0.2) for m, v in values.items()}
    return pd.concat(
        [
            scores(pairs, values),
            scores(pairs, {m: 10 * (1 - v) for m, v in values.items()}, metric="hd95_mm"),
            scores(pairs, {m: 8 * (1 - v) for m, v in values.items()}, metric="tre_mm_linear", source="landmarks"),
            scores(pairs, folds, metric="ndv_percent", source=""),
            scores(pairs, folds, metric="det_le0_percent", source=""),
        ]
    )


def test_a_method_that_fails_on_a_third_is_nowhere_above_one_that_always_succeeds():
    pairs, values = failing()
    found = rank(full_table(pairs, values))
    lists = found[found["policy"].isin(["identity", "worst"])].groupby(["metric", "policy", "scheme"])
    assert len(lists) == 3 * 2 * 3 + 2
    for name, group in lists:
        ranks = group.set_index("method")["rank"]
        assert ranks["steady"] < ranks["fails"], name
    # Where failures vanish, as in the literature, it is in front: which is why they must not.
    dropped = row(found, metric="dice_nearest_fg", policy="drop", scheme=AGGREGATE, method="fails")
    assert dropped["rank"] == 1
    assert dropped["dropped"] == 24
    assert dropped["failed"] == 24


def test_the_verdicts_say_that_failures_change_the_ranking():
    pairs, values = failing()
    table = full_table(pairs, values)
    said = [v.sentence for v in verdicts(compare(table, CompareSettings(FAST)), rank(table), condition_changes(table))]
    about = [s for s in said if s.startswith("fails failed on 24 of 72 pairs")]
    assert any("were failures left out, it would rank 1 instead of" in s for s in about)
    assert any("failures change the ranking" in s for s in about)


def test_sentinels_and_every_scheme_are_in_every_list():
    pairs, values = failing()
    found = rank(full_table(pairs, values))
    assert list(found.columns) == list(RANKING_COLUMNS)
    assert set(found["scheme"]) == set(SCHEMES)
    for _, group in found.groupby(["metric", "policy", "scheme"]):
        assert {"identity", "affine"} <= set(group["method"])
    assert set(found["metric"]) == {"dice_nearest_fg", "hd95_mm", "tre_mm_linear", "several"}


def test_ranks_by_hand():
    pairs = pairs_of("within", 4)
    values = {"low": [0.1, 0.1, 0.1, 0.1], "a": [0.9, 0.2, 0.2, 0.2], "b": [0.3, 0.3, 0.3, 0.3]}
    found = rank(scores(pairs, values))
    means = {m: row(found, scheme=AGGREGATE, policy="drop", method=m) for m in values}
    assert [means[m]["rank"] for m in ("a", "b", "low")] == [1, 2, 3]
    np.testing.assert_allclose(means["a"]["value"], 0.375)
    of_ranks = {m: row(found, scheme=RANK_FIRST, policy="drop", method=m) for m in values}
    assert [of_ranks[m]["rank"] for m in ("b", "a", "low")] == [1, 2, 3]
    np.testing.assert_allclose(of_ranks["b"]["merit"], -np.mean([2, 1, 1, 1]))


def test_equals_share_a_rank():
    np.testing.assert_array_equal(schemes.ranks_of(np.array([0.3, 0.5, 0.5, NAN])), [3, 1, 1, NAN])
    np.testing.assert_array_equal(schemes.ranks_of(np.array([0.1 + 0.2, 0.3])), [1, 1])


def test_indistinguishable_methods_share_the_rank_of_test_then_rank():
    pairs = pairs_of("all", 8)
    rng = np.random.default_rng(3)
    values = {"low": rng.normal(0.3, 0.01, 56)} | {m: rng.normal(0.7, 0.01, 56) for m in ("a", "b", "c")}
    found = rank(scores(pairs, values))
    ranks = {m: row(found, scheme=TEST, policy="drop", method=m)["rank"] for m in values}
    assert ranks == {"a": 1, "b": 1, "c": 1, "low": 4}


def test_beyond_the_gate_is_listed_without_a_rank_and_regularity_earns_nothing():
    pairs = pairs_of("chain", 6)
    values = {"identity": [0.2] * 5, "affine": [0.4] * 5, "folds": [0.9] * 5, "smooth": [0.8] * 5, "rough": [0.85] * 5}
    folds = {"identity": [0.0] * 5, "affine": [0.0] * 5, "folds": [7.0] * 5, "smooth": [0.0] * 5, "rough": [0.9] * 5}
    found = rank(pd.concat([scores(pairs, values), scores(pairs, folds, metric="det_le0_percent", source="")]))
    mine = found[(found["scheme"] == AGGREGATE) & (found["policy"] == "identity")].set_index("method")
    assert np.isnan(mine.loc["folds", "rank"])
    assert mine.loc["folds", "beyond_gate"]
    assert mine.loc["rough", "rank"] == 1
    assert mine.loc["smooth", "rank"] == 2
    assert np.isnan(mine.loc["identity", "rank"])
    assert set(mine["gate"]) == {"mean det_le0_percent at most 1"}
    assert not (found["metric"] == "det_le0_percent").any()
    table = pd.concat([scores(pairs, values), scores(pairs, folds, metric="det_le0_percent", source="")])
    said = [v.sentence for v in verdicts(compare(table, CompareSettings(FAST)), found, condition_changes(table))]
    assert "folds is not ranked: the gate of regularity is a mean det_le0_percent at most 1, and it has 7." in said


def test_rank_stability_is_sure_where_methods_are_far_apart_and_not_where_they_are_equal():
    pairs = pairs_of("all", 10)
    rng = np.random.default_rng(0)
    far = {"low": np.zeros(90), "a": np.full(90, 0.5), "b": np.full(90, 1.0)}
    found = rank(scores(pairs, {m: v + rng.normal(0, 0.01, 90) for m, v in far.items()}))
    sure = found[(found["scheme"] == AGGREGATE) & (found["policy"] == "drop")].set_index("method")
    np.testing.assert_array_equal(sure["rank_low"], sure["rank"])
    np.testing.assert_array_equal(sure["rank_high"], sure["rank"])
    assert sure.loc["b", "first_share"] == 1
    np.testing.assert_allclose(sure["stability"], 1)
    found = rank(scores(pairs, {m: rng.normal(0, 0.1, 90) for m in far}))
    unsure = found[(found["scheme"] == AGGREGATE) & (found["policy"] == "drop")]
    assert (unsure["rank_high"] > unsure["rank_low"]).any()


def test_rank_scores_are_learn2regs_own_example():
    # ranking_utils.py ranks minus the losses on a scale of .1 to 1 in six steps, ties at their middle.
    np.testing.assert_allclose(schemes.rank_scores([0, -2, -4, -3, -4, 0]), [0.19, 0.46, 0.91, 0.64, 0.91, 0.19])


def test_losses_are_counted_not_wins():
    # b beats c alone and a is told from nobody: by wins b would be ahead of a, by losses they are equal.
    merits = np.array([[0, 20, 1, 21, 2, 22.0, 3, 23], [11, 12, 13, 14, 15, 16.0, 17, 18], [1, 2, 3, 4, 5, 6, 7.0, 8]])
    np.testing.assert_array_equal(schemes.rank_sum_losses(merits), [0, 0, 1])
    np.testing.assert_allclose(schemes.rank_scores([0, 0, 1]), [0.775, 0.775, 0.1])


def test_doing_nothing_scores_what_lumir_published_for_it():
    # 21 in the list; last in TRE (taken twice), Dice and HD95; three share the top in folding.
    folding = schemes.rank_scores([0] * 3 + list(range(3, 21)))[0]
    score = schemes.lumir_score(np.array([[0.1], [0.1], [0.1], [0.1], [folding]]))[0]
    assert round(score, 3) == 0.157


def test_a_method_without_any_value_has_the_lowest_rank_score():
    losses = schemes.rank_sum_losses(np.array([np.arange(30.0), np.full(30, NAN), np.arange(30.0) + 0.1]))
    np.testing.assert_allclose(schemes.rank_scores(losses), [0.775, 0.1, 0.775])


def test_lumir_scheme_multiplies_rank_scores_with_tre_twice():
    pairs = pairs_of("all", 7)
    rng = np.random.default_rng(0)
    values = {m: rng.normal(i, 0.1, 42) / 10 for i, m in enumerate(["identity", "affine", "a", "b"])}
    found = rank(full_table(pairs, values))
    mine = found[(found["scheme"] == LUMIR) & (found["policy"] == "drop")].set_index("method")
    scale = dict(zip(["identity", "affine", "a", "b"], [0.1, 0.4, 0.7, 1.0], strict=True))
    for method, own in scale.items():
        folding = 0.85 if method in ("identity", "affine") else 0.25
        np.testing.assert_allclose(mine.loc[method, "merit"], (own**4 * folding) ** 0.2)
    assert "doing nothing gains" in mine.loc["a", "note"]


@pytest.mark.parametrize(("swap", "tau"), [(False, 1.0), (True, -1.0)])
def test_rank_agreement_between_presets(swap, tau):
    pairs = pairs_of("chain", 6)
    values = {"affine": [0.1] * 5, "a": [0.3] * 5, "b": [0.5] * 5, "c": [0.7] * 5}
    other = (
        dict(zip(values, [values["affine"], values["c"], values["b"], values["a"]], strict=True)) if swap else values
    )
    both = pd.concat([scores(pairs, values), scores(pairs, other, preset="lumirage")])
    found = rank_agreement(rank(both))
    one = row(found, policy="identity", scheme=AGGREGATE)
    assert one["varies"] == "preset"
    assert one["n_methods"] == 3
    np.testing.assert_allclose(one["kendall_tau"], tau)
    np.testing.assert_allclose(one["spearman_rho"], tau)  # three methods in order, or all of them turned round


def test_orders_with_ties_agree_but_an_order_of_ties_alone_agrees_with_nothing():
    tied = pd.DataFrame({"a": [1, 1, 3, 3], "b": [1, 1, 3, 3], "c": [1, 1, 1, 1]})
    assert _correlation(tied[["a", "b"]], "kendall") == pytest.approx(1.0)
    assert np.isnan(_correlation(tied[["a", "c"]], "kendall"))
