"""Lists of a challenge: schemes by hand, failures, references, ties, and what a list depends on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from score_tables import pairs_of, scores

from lumirage.analysis import ranking_schemes
from lumirage.analysis.challenge_lists import OURS, SCHEME_NAMES, RankingRules, team_list
from lumirage.analysis.challenge_schemes import SCHEMES, RankBy, ScoreTable, factors_of
from lumirage.analysis.challenge_sensitivity import challenge_ranking
from lumirage.analysis.rank_sums import Factor, losses_in_draws, rank_scores_in_draws
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.team_lists import ALONE, INCOMPLETE, LIST_COLUMNS, TeamList
from lumirage.core.errors import DataError, UsageError
from lumirage.core.failure_policy import POLICIES

NAN = float("nan")
FAST = Resampling(draws=40, seed=3)
ZOO = frozenset({"zoo"})
RULES = RankingRules(resampling=FAST, baselines=ZOO)


def table_of(pairs, dice, folds=None, preset="lumir25", **more) -> pd.DataFrame:
    """Dice, HD95, TRE that agree with it, and folds and SD log J that only the teams have."""
    still = ("identity", "affine")
    folds = folds or {m: 0.0 if m in still else 0.1 for m in dice}
    rough = {m: np.where(np.isnan(v), NAN, folds[m]) for m, v in dice.items()}
    return pd.concat(
        [
            scores(pairs, dice, metric="dice_lumir", preset=preset, **more),
            scores(pairs, {m: 10 * (1 - v) for m, v in dice.items()}, metric="hd95_vox_lumir", preset=preset, **more),
            scores(pairs, {m: 8 * (1 - v) for m, v in dice.items()}, metric="tre_vox_lumir", preset=preset,
                   **(more | {"source": "landmarks"})),
            scores(pairs, rough, metric="ndv_percent_lumir25", preset=preset, **(more | {"source": ""})),
            scores(pairs, rough, metric="sdlogj_offset3", preset=preset, **(more | {"source": ""})),
        ]
    )  # fmt: skip


def far_apart(n_subjects=6):
    """Every value of a method is above every value of the one before it, so that each test tells them apart."""
    pairs = pairs_of("all", n_subjects)
    spread = np.linspace(0, 0.01, len(pairs))
    means = {"identity": 0.3, "affine": 0.4, "poor": 0.5, "fair": 0.6, "zoo": 0.65, "good": 0.7}
    return pairs, {method: mean + spread for method, mean in means.items()}


def listed(table: pd.DataFrame, **changes: object) -> TeamList:
    return team_list(ScoreTable.of(table), replace(RULES, **changes))


def ranks(made: TeamList) -> dict[str, float]:
    return dict(zip(made.table["team"], made.table["rank"], strict=True))


def test_weighted_tests_count_what_the_repeated_values_would():
    rng = np.random.default_rng(0)
    merits = np.round(rng.normal(np.arange(5)[:, None] * 0.25, 1.0, (5, 36)), 1)  # with ties
    merits[3, ::5] = NAN
    pair = np.repeat(np.arange(12), 3)
    weights = rng.integers(0, 4, (20, 12)).astype(float)
    found = losses_in_draws(Factor("x", merits, pair, 12), np.concatenate([np.ones((1, 12)), weights]))
    np.testing.assert_array_equal(found[0], ranking_schemes.rank_sum_losses(merits))
    for row, of_pair in zip(found[1:], weights, strict=True):
        repeated = np.repeat(merits, of_pair[pair].astype(int), axis=1)
        np.testing.assert_array_equal(row, ranking_schemes.rank_sum_losses(repeated))


def test_rank_scores_of_draws_are_learn2regs_own_example():
    losses = np.array([[0, -2, -4, -3, -4, 0], [5, 4, 3, 2, 1, 0.0]])
    found = rank_scores_in_draws(losses)
    np.testing.assert_allclose(found[0], [0.19, 0.46, 0.91, 0.64, 0.91, 0.19])
    np.testing.assert_allclose(found[1], [0.1, 0.28, 0.46, 0.64, 0.82, 1.0])


def test_a_method_without_values_has_lost_to_all():
    merits = np.array([np.arange(9.0), np.full(9, NAN), np.arange(9.0) + 20])
    found = losses_in_draws(Factor("x", merits, np.arange(9), 9), np.ones((1, 9)))
    np.testing.assert_array_equal(found, [[1, 3, 0]])


def test_lumir24_by_hand():
    pairs, dice = far_apart()
    made = listed(table_of(pairs, dice), scheme="lumir24")
    score = made.table.set_index("team")["score"]
    # five in the list, the affine is none of them: .1 .325 .55 .775 1 in TRE (twice), Dice and HD95;
    # in folds nothing is alone at the top, and the four others share the middle of the rest: (.1 + .325 + .55 + .775) / 4
    for team, step in {"identity": 0.1, "poor": 0.325, "fair": 0.55, "zoo": 0.775, "good": 1.0}.items():
        folds = 1.0 if team == "identity" else 0.4375
        np.testing.assert_allclose(score[team], (step**4 * folds) ** 0.2)
    assert ranks(made) == {
        "good": 1,
        "fair": 2,
        "poor": 3,
        "zoo": pytest.approx(NAN, nan_ok=True),
        "identity": pytest.approx(NAN, nan_ok=True),
    }
    assert any("gives no formula" in note for note in made.notes)


def test_lumir25_takes_a_factor_of_each_track():
    pairs, dice = far_apart()
    mixed = dict(dice, good=dice["poor"], poor=dice["good"])
    both = pd.concat([table_of(pairs, dice, track="ID"), table_of(pairs, mixed, track="MM")])
    made = listed(both, scheme="lumir25")
    assert set(made.factors["factor"]) == {
        "TRE", "Dice (ID)", "Dice (MM)", "HD95 (ID)", "HD95 (MM)", "Folds (ID)", "Folds (MM)",
    }  # fmt: skip
    at = made.factors.set_index(["team", "factor"])["rank_score"]
    assert at["good", "Dice (ID)"] == 1.0
    np.testing.assert_allclose(at["good", "Dice (MM)"], 0.325)
    np.testing.assert_allclose(made.table.set_index("team")["score"]["good"], stats.gmean(at["good"]))


def test_learn2reg_by_hand():
    pairs, dice = far_apart()
    # SD log J: the rougher the better the Dice, so that its order is the other way round; nothing has 1.5 there, not 0
    folds = {"identity": 0.0, "affine": 0.0, "poor": 0.1, "fair": 0.2, "zoo": 0.3, "good": 0.4}
    made = listed(table_of(pairs, dice, folds), scheme="learn2reg")
    score = made.table.set_index("team")["score"]
    np.testing.assert_allclose(score["identity"], 0.1)
    steps = {"poor": (0.325, 1.0), "fair": (0.55, 0.775), "zoo": (0.775, 0.55), "good": (1.0, 0.325)}
    for team, (accuracy, smooth) in steps.items():  # Dice, Dice 30, HD95, TRE, TRE 30, SD log J
        np.testing.assert_allclose(score[team], (accuracy**5 * smooth) ** (1 / 6))
    at = made.factors.set_index(["team", "factor"])["mean"]
    np.testing.assert_allclose(at["identity", "SDlogJ"], 1.5)


def test_learn2reg_takes_single_labels_and_the_lowest_30_percent_before_registration():
    pairs = pairs_of("chain", 5)
    means = {"identity": [0.1, 0.2, 0.3, 0.4], "good": [0.5, 0.6, 0.7, 0.8]}
    single = [
        scores(pairs, {m: np.array(v) + step for m, v in means.items()}, metric="dice_lumir").assign(label=k)
        for k, step in enumerate([0.0, 0.05, 0.011], start=1)
    ]
    table = pd.concat([scores(pairs, means, metric="dice_lumir"), *single]).astype({"label": "Int64"})
    dice, lowest = factors_of(SCHEMES["learn2reg"], ScoreTable.of(table), "identity")
    assert (dice.name, lowest.name) == ("Dice", "Dice (30 %)")
    assert dice.merits.shape == (2, 12)
    np.testing.assert_array_equal(dice.pair_of_unit, np.repeat([0, 1, 2, 3], 3))
    # 30 % of 12 values are 4: of nothing .1, .111, .15 and .2
    np.testing.assert_allclose(lowest.merits, [[0.1, 0.111, 0.15, 0.2], [0.5, 0.511, 0.55, 0.6]])


def test_a_label_that_the_warp_lost_is_the_worst_value_and_no_gap():
    pairs, dice = far_apart()
    table = table_of(pairs, dice)
    lost = (
        (table["metric"] == "hd95_vox_lumir") & (table["method"] == "good") & (table["pair"] == table["pair"].iloc[0])
    )
    table = table.assign(value=table["value"].mask(lost))
    found = {f.name: f for f in factors_of(SCHEMES["lumir24"], ScoreTable.of(table), "identity")}
    assert found["HD95"].merits.shape == (6, 30)
    good = found["HD95"].merits[ScoreTable.of(table).methods.index("good")]
    np.testing.assert_allclose(good.min(), found["HD95"].merits.min(axis=1)[0])  # as nothing, the worst on that pair
    means = listed(table, metrics=(RankBy("hd95_vox_lumir"),)).table.set_index("team")
    np.testing.assert_allclose(means.loc["good", "value"], 2.95 + 4.0 / 30)  # 10 (1 - .705), and 7 instead of 3 once


def leaving_out(n_left=3):
    """`leaver` is `good` without its hard pairs, `full` the same with answers that are poor there, but better than nothing."""
    pairs = pairs_of("all", 6)
    rng = np.random.default_rng(5)
    base = rng.normal(0.5, 0.05, len(pairs))
    hard = np.argsort(base)[:n_left]
    dice = {"identity": base - 0.1, "affine": base, "good": base + 0.2, "zoo": base + 0.1, "poor": base + 0.05}
    dice["full"] = base + 0.21
    dice["full"][hard] = base[hard] + 0.02
    dice["leaver"] = dice["full"].copy()
    dice["leaver"][hard] = NAN
    return pairs, dice


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_the_team_that_leaves_out_its_hard_pairs_does_not_win(scheme, policy):
    pairs, dice = leaving_out()
    # on what it answered it is the best of all
    there = np.isfinite(dice["leaver"])
    assert all((dice["leaver"][there] >= other[there]).all() for other in dice.values())
    made = listed(table_of(pairs, dice), scheme=scheme, policy=policy)
    found = made.table.set_index("team")
    assert found.loc["leaver", "rank"] > found.loc["good", "rank"]
    assert found.loc["leaver", "rank"] >= found.loc["full", "rank"]  # leaving out never helps
    assert found.loc["leaver", "place"].rstrip("=") != "1"
    assert found.loc["leaver", "failed"] == 3
    if scheme != OURS or policy == "drop":
        assert found.loc["leaver", "rank"] == 4
        assert found.loc["leaver", "note"] == INCOMPLETE


def test_a_single_missing_answer_does_not_hide_in_a_tie():
    pairs, dice = leaving_out(n_left=1)
    made = listed(table_of(pairs, dice))
    places = dict(zip(made.table["team"], made.table["place"], strict=True))
    assert places["leaver"].rstrip("=") != "1"


def test_who_lacks_answers_shares_no_place_even_if_nobody_can_be_told_apart():
    pairs = pairs_of("all", 3)
    rng = np.random.default_rng(2)
    dice = {"identity": np.full(6, 0.2)} | {team: 0.5 + rng.normal(0, 0.02, 6) for team in ("a", "b", "c")}
    dice["leaver"] = np.array([NAN, 0.55, 0.55, 0.55, 0.55, 0.55])
    dice["a"] = np.array([0.9, 0.1, 0.8, 0.1, 0.7, 0.05])  # below the leaver, and not told from those above it
    found = listed(scores(pairs, dice, metric="dice_lumir")).table.set_index("team")
    assert found.loc["leaver", "rank"] == 3
    assert found.loc["leaver", "place"] == "3"
    assert found.loc["leaver", "note"] == ALONE
    assert [found.loc[team, "place"] for team in ("b", "c", "a")] == ["1=", "1=", "1="]


def test_baselines_and_sentinels_are_in_every_list_and_have_no_rank():
    pairs, dice = far_apart()
    for scheme in SCHEME_NAMES:
        made = listed(table_of(pairs, dice), scheme=scheme)
        assert list(made.table.columns) == list(LIST_COLUMNS)
        kinds = dict(zip(made.table["team"], made.table["kind"], strict=True))
        assert kinds["zoo"] == "baseline"
        assert kinds["identity"] == "sentinel"
        assert made.table.loc[made.table["kind"] != "team", "rank"].isna().all()
        assert made.teams == ("fair", "good", "poor")
        assert list(made.table["team"][:3]) == ["good", "fair", "poor"]
    without = listed(table_of(pairs, {m: v for m, v in dice.items() if m != "zoo"}))
    of = listed(table_of(pairs, dice)).table
    pd.testing.assert_frame_equal(without.table, of[of["team"] != "zoo"].reset_index(drop=True))


def test_equal_teams_share_a_place_and_ranks_of_draws_are_of_teams():
    pairs, dice = far_apart()
    dice["twin"] = dice["good"].copy()
    for scheme in SCHEME_NAMES:
        made = listed(table_of(pairs, dice), scheme=scheme)
        found = made.table.set_index("team")
        assert (found.loc["good", "place"], found.loc["twin", "place"]) == ("1=", "1=")
        assert found.loc["fair", "place"] == "3"
        np.testing.assert_array_equal(made.draws, np.tile([3.0, 1, 4, 1], (40, 1)))  # fair, good, poor, twin
        assert found.loc["good", "first_share"] == 1
        np.testing.assert_allclose(made.stability, 1)


@pytest.mark.parametrize("scheme", [OURS, "lumir24"])
def test_draws_that_leave_no_pair_are_no_draws(scheme):
    pairs = pairs_of("chain", 4)  # of people drawn 1, 1, 3, 3 no pair is left
    dice = {m: v + np.array([0, 0.001, 0.002]) for m, v in {"identity": 0.1, "good": 0.7, "poor": 0.3}.items()}
    made = listed(scores(pairs, dice, metric="dice_lumir"), scheme=scheme)
    assert 20 < len(made.draws) < 40
    found = made.table.set_index("team")
    assert found.loc["good", "first_share"] == 1
    assert (found.loc["good", "rank_low"], found.loc["good", "rank_high"]) == (1, 1)


def test_too_few_subjects_give_no_draws_and_say_so():
    pairs, dice = [("a", "b"), ("b", "a")], {"identity": [0.1, 0.1], "good": [0.5, 0.6], "poor": [0.3, 0.3]}
    made = listed(scores(pairs, {m: np.array(v) for m, v in dice.items()}))
    assert made.draws.shape == (0, 2)
    assert np.isnan(made.stability)
    assert any("no interval" in note for note in made.notes)
    assert ranks(made)["good"] == 1


def test_several_metrics_are_ranked_by_the_weighted_mean_of_their_ranks():
    pairs, dice = far_apart()
    turned = scores(pairs, {m: -v for m, v in dice.items()}, metric="hd95_vox_lumir", preset="lumir25")
    table = pd.concat(
        [scores(pairs, dice, metric="dice_lumir", preset="lumir25"), turned.assign(value=-turned["value"])]
    )
    # by Dice good, fair, poor; by HD95 the other way round
    for weight, order in ((0.5, ["good", "fair", "poor"]), (2.0, ["poor", "fair", "good"])):
        made = listed(table, metrics=(RankBy("dice_lumir"), RankBy("hd95_vox_lumir", weight)))
        assert list(made.table["team"][:3]) == order
        assert list(made.table["place"][:3]) == ["1=", "1=", "1="]  # one is better in one, the other in the other
    score = made.table.set_index("team")["score"]
    # of three teams first by Dice and last by HD95, which counts twice; the baseline has the place it would have
    assert score["good"] == pytest.approx(-(1 + 2 * 3) / 3)
    assert score["zoo"] == pytest.approx(-(2 + 2 * 3) / 3)
    alone = listed(table[table["method"] != "zoo"], metrics=(RankBy("dice_lumir"), RankBy("hd95_vox_lumir", weight)))
    assert alone.table.set_index("team")["score"].drop("identity").equals(score.drop(["zoo", "identity"]))


def test_the_centre_of_a_star_is_not_named():
    pairs = pairs_of("star", 5)
    dice = {"identity": np.full(5, 0.1), "good": np.array([0.5, 0.6, 0.7, 0.5, 0.6]), "poor": np.full(5, 0.3)}
    for scheme in (OURS, "lumir24"):
        notes = " ".join(listed(scores(pairs, dice, metric="dice_lumir"), scheme=scheme).notes)
        assert "conditional on one subject" in notes
        assert "atlas" not in notes


def test_declared_weights_are_those_of_the_geometric_mean():
    pairs, dice = far_apart()
    made = listed(
        table_of(pairs, dice), scheme="lumir24", metrics=(RankBy("dice_lumir", 3.0), RankBy("ndv_percent_lumir25"))
    )
    score = made.table.set_index("team")["score"]
    np.testing.assert_allclose(score["fair"], (0.55**3 * 0.4375) ** 0.25)
    np.testing.assert_allclose(score["identity"], (0.1**3 * 1.0) ** 0.25)


def test_beyond_the_gate_is_listed_without_a_rank():
    pairs, dice = far_apart()
    folds = {m: 0.0 if m in ("identity", "affine") else 7.0 if m == "good" else 0.1 for m in dice}
    found = listed(table_of(pairs, dice, folds)).table.set_index("team")
    assert np.isnan(found.loc["good", "rank"])
    assert "gate" in found.loc["good", "note"]
    assert found.loc["fair", "rank"] == 1


def test_what_a_list_depends_on():
    pairs, dice = far_apart()
    other = dict(dice, good=dice["poor"], poor=dice["good"])
    table = pd.concat(
        [table_of(pairs, dice), scores(pairs, other, metric="dice_lumir", preset="lumir25", source="synthseg")]
    )
    found = challenge_ranking(table, replace(RULES, metrics=(RankBy("dice_lumir", source="manual"),)))
    assert [made.scheme for made in found.other_lists] == ["lumir24", "lumir25", "learn2reg"]
    agreement = found.agreement.set_index(["varies", "name"])
    assert agreement.loc[("label source", "synthseg"), "kendall_tau"] == -1.0
    assert agreement.loc[("label source", "synthseg"), "first"] == "poor"
    assert agreement.loc[("metric", "HD95 (LUMIR, voxels)"), "kendall_tau"] == 1.0
    assert not (found.sensitivity["varies"] == "failures").any()  # nobody failed
    good, zoo = (found.significance.names.index(name) for name in ("good", "zoo"))
    assert found.significance.better[good, zoo]
    assert not found.significance.better[zoo, good]
    np.testing.assert_allclose(found.significance.difference[good, zoo], 0.05)
    np.testing.assert_array_equal(found.pair_ranks, np.tile([[2.0], [1.0], [3.0]], (1, 30)))  # fair, good, poor


def test_the_effect_of_failures_by_hand():
    pairs, dice = far_apart()
    dice["leaver"] = dice["good"] + 0.02
    dice["leaver"][:15] = NAN
    found = challenge_ranking(table_of(pairs, dice), RULES)
    (row,) = found.failures.to_dict("records")
    assert (row["team"], row["failed"], row["of"]) == ("leaver", 15, 30)
    first, second = np.linspace(0, 0.01, 30)[:15].mean(), np.linspace(0, 0.01, 30)[15:].mean()
    np.testing.assert_allclose(row["mean_of_answered"], 0.72 + second)
    np.testing.assert_allclose(row["mean"], (0.3 + first + 0.72 + second) / 2)  # as doing nothing where it failed
    assert (row["rank"], row["rank_without_failures"]) == (3, 1)
    assert set(found.sensitivity.loc[found.sensitivity["varies"] == "failures", "name"]) == {"worst", "drop"}


def test_unknown_schemes_and_absent_metrics_are_told():
    pairs, dice = far_apart()
    with pytest.raises(UsageError, match="unknown ranking scheme 'lumir26'; choose one of subject-ranks, lumir24"):
        listed(table_of(pairs, dice), scheme="lumir26")
    with pytest.raises(DataError, match="nothing to rank by"):
        listed(scores(pairs, dice, metric="ncc_fixed_moved"))
    only = listed(scores(pairs, dice, metric="dice_lumir"), scheme="lumir24")
    assert "without TRE, HD95, Folds: not measured" in only.notes
