import numpy as np
import pandas as pd
import pytest
from score_tables import pairs_of, row, scores

from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes, growth_exponents, repeat_variance
from lumirage.analysis.condition_verdicts import condition_verdicts, none_breaks
from lumirage.analysis.designs import detect_design
from lumirage.analysis.power import Components, power_table, subjects_needed, variance_components
from lumirage.analysis.ranking import RankSettings, rank
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.verdicts import verdicts
from lumirage.core.errors import UsageError

FAST = Resampling(draws=200)


def design_of(pairs):
    return detect_design([f for f, _ in pairs], [m for _, m in pairs])


def test_each_method_changes_against_its_own_reference():
    pairs = pairs_of("all", 6)
    rng = np.random.default_rng(0)
    base = {m: rng.normal(0.6, 0.05, 30) for m in ("identity", "affine", "a", "b")}
    worse = {m: v - (0.1 if m == "a" else 0) + rng.normal(0, 0.001, 30) for m, v in base.items()}
    table = pd.concat([scores(pairs, base), scores(pairs, worse, condition="noise-0.1")])
    found = condition_changes(table, ChangeSettings(FAST))
    a, b = (row(found, method=m) for m in ("a", "b"))
    np.testing.assert_allclose(a["change"], (worse["a"] - base["a"]).mean(), rtol=1e-12)
    assert a["ci_high"] < -0.09
    assert a["p_holm"] < 0.05
    assert b["ci_low"] < 0.001
    assert abs(b["change"]) < 0.001
    assert set(found["condition"]) == {"noise-0.1"}


def test_one_condition_has_no_changes():
    assert condition_changes(scores(pairs_of("chain", 4), {"affine": [1.0, 2.0, 3.0]})).empty


def test_changes_pair_by_pair_where_a_condition_has_fewer_pairs():
    pairs = pairs_of("chain", 6)
    table = pd.concat(
        [
            scores(pairs, {"affine": [1.0, 2.0, 3.0, 4.0, 5.0]}),
            scores(pairs[1:], {"affine": [3.0, 4.0, 5.0, 6.0]}, condition="crop"),
        ]
    )
    np.testing.assert_allclose(row(condition_changes(table, ChangeSettings(FAST)), method="affine")["change"], 1.0)


def runs_of(condition, voxels, outcome="ok", **costs):
    return pd.DataFrame({"method": "a", "condition": condition, "voxels": voxels, "outcome": outcome, **costs})


def test_growth_is_the_exponent_and_what_died_of_memory_is_told():
    sizes = np.repeat([1e5, 3e5, 1e6, 3e6, 1e7], 2)
    outcome = ["ok"] * 8 + ["out_of_memory"] * 2
    wall = np.where(sizes < 1e7, 3e-6 * sizes**1.5, 10.0)
    found = row(
        growth_exponents(runs_of(sizes.astype(str), sizes, outcome, wall_s=wall)), method="a", quantity="wall_s"
    )
    np.testing.assert_allclose([found["exponent"], found["ci_low"], found["ci_high"]], 1.5, rtol=1e-8)
    np.testing.assert_allclose(np.exp(found["intercept"]), 3e-6)
    np.testing.assert_allclose(found[["smallest_fitted", "largest_fitted"]].astype(float), [1e5, 3e6])
    assert (found["n_sizes"], found["n_runs"], found["n_censored"], found["n_sizes_censored"]) == (4, 8, 2, 1)
    assert found["largest_ran"] == 3e6
    assert found["smallest_censored"] == 1e7
    assert "not in the fit" in found["note"]


def test_a_size_that_only_some_pairs_survived_does_not_bend_the_exponent():
    # Pair k costs 2^k times as much; at the finest size the limit of 75 s lets only the two cheapest through.
    voxels, pair = (v.ravel() for v in np.meshgrid([1e5, 1e6, 1e7, 1e8], np.arange(4.0), indexing="ij"))
    wall = 2**pair * voxels**0.5 * 0.0025
    outcome = np.where(wall > 75, "timeout", "ok")
    costs = {"wall_s": np.minimum(wall, 75), "cpu_s": 3 * wall}
    found = growth_exponents(runs_of(voxels.astype(str), voxels, outcome, **costs))
    assert (outcome == "timeout").sum() == 2
    np.testing.assert_allclose(found["exponent"], 0.5)
    assert list(found["quantity"]) == ["wall_s", "cpu_s"]
    assert set(found["n_sizes"]) == {3}
    assert set(found["n_runs"]) == {12}
    assert set(found["n_sizes_censored"]) == {1}
    assert set(found["largest_ran"]) == {1e8}


def test_the_interval_of_growth_covers_the_truth_where_pairs_differ_in_size():
    """log cost = log size + a pair's own + a spacing's own, shared by its 20 pairs + noise: the exponent is 1."""
    rng = np.random.default_rng(0)
    spacings = np.array([3.0, 2.5, 2.0, 1.5, 1.2, 1.0, 0.8])
    names = np.repeat(spacings.astype(str), 20)
    inside = []
    for _ in range(200):
        head = rng.normal(np.log(1.5e6), 0.15, 20)  # each head fills a grid of its own
        size = head[None, :] - 3 * np.log(spacings)[:, None]
        own = rng.normal(0, 0.2, 20)[None, :] + rng.normal(0, 0.1, 7)[:, None] + rng.normal(0, 0.05, (7, 20))
        runs = runs_of(names, np.exp(size.ravel()), wall_s=np.exp((size + own).ravel()))
        found = growth_exponents(runs).iloc[0]
        assert found["n_sizes"] == 7
        inside.append(found["ci_low"] <= 1 <= found["ci_high"])
    assert 0.91 <= np.mean(inside) <= 0.985


def test_conditions_that_leave_the_size_alone_are_one_size():
    runs = [runs_of(name, [1e6, 2e6], wall_s=[10.0, 20.0]) for name in ("reference", "noise-0.1", "noise-0.2")]
    found = growth_exponents(pd.concat(runs)).iloc[0]
    assert found["n_sizes"] == 1
    assert "no exponent" in found["note"]


def test_two_sizes_give_no_interval_and_one_no_exponent():
    runs = runs_of(["coarse", "fine"], [10.0, 100.0], wall_s=[1.0, 10.0])
    found = growth_exponents(runs).iloc[0]
    np.testing.assert_allclose(found["exponent"], 1.0)
    assert np.isnan(found["ci_low"])
    assert "no exponent" in growth_exponents(runs.iloc[:1])["note"].iloc[0]


def test_repeats_apart_from_pairs_by_hand():
    pairs = pairs_of("chain", 4)
    first = scores(pairs, {"a": [1.0, 3.0, 5.0]})
    second = scores(pairs, {"a": [1.2, 3.0, 5.2]}, repeat=1)
    found = repeat_variance(pd.concat([first, second])).iloc[0]
    # Mean square within: (0.02 + 0 + 0.02) / 3; between: 2 * variance of (1.1, 3.0, 5.1).
    within, between = 0.04 / 3, 2 * np.var([1.1, 3.0, 5.1], ddof=1)
    np.testing.assert_allclose(found["sd_repeats"], np.sqrt(within))
    np.testing.assert_allclose(found["sd_pairs"], np.sqrt((between - within) / 2))
    np.testing.assert_allclose(found["largest_range"], 0.2)


def test_methods_without_repeats_have_no_row():
    assert repeat_variance(scores(pairs_of("chain", 4), {"a": [1.0, 2.0, 3.0]})).empty


@pytest.mark.parametrize("design", ["all", "chain"])
def test_variance_components_are_unbiased(design):
    pairs = pairs_of(design, 14)
    rng = np.random.default_rng(0)
    fixed, moving = (np.array([int(p[k][3:]) for p in pairs]) for k in (0, 1))
    found = []
    for _ in range(300):
        subject = rng.normal(size=14)
        d = subject[fixed] + subject[moving] + rng.normal(size=len(pairs))
        c = variance_components(d, design_of(pairs))
        found.append((c.subject, c.couple + c.pair))
    np.testing.assert_allclose(np.mean(found, axis=0), [1.0, 1.0], atol=0.15)


def test_a_star_cannot_tell_the_components_apart():
    assert variance_components(np.arange(5.0), design_of(pairs_of("star", 5))) is None


def test_subjects_needed_reach_the_power_by_simulation():
    components = Components(subject=1e-4, couple=0.0, pair=2e-4)
    n = subjects_needed(components, 0.005, chain=False)
    rng = np.random.default_rng(0)
    # The mean over all ordered pairs is twice the subjects' mean plus the noise of n (n - 1) pairs.
    se = np.sqrt(4e-4 / n + 2e-4 / (n * (n - 1)))
    chi = np.sqrt(rng.chisquare(n - 1, 20_000) / (n - 1))
    seen = np.abs(rng.normal(0.005, se, 20_000)) > 1.979 * se * chi
    np.testing.assert_allclose(seen.mean(), 0.8, atol=0.02)
    assert subjects_needed(components, 0.005, chain=True) > n


def test_power_table_says_how_many():
    pairs = pairs_of("all", 8)
    rng = np.random.default_rng(0)
    base = rng.normal(0.6, 0.05, 56)
    found = power_table(scores(pairs, {"affine": base, "a": base + rng.normal(0.01, 0.02, 56)}))
    one = found.iloc[0]
    assert one["target"] == 0.005
    np.testing.assert_allclose(one["sd"], 0.02, rtol=0.2)
    assert one["pairs_separate"] == pytest.approx((2.8 * one["sd"] / 0.005) ** 2, rel=0.05)
    assert one["smallest_seen"] > 0


def test_more_subjects_than_exist_is_an_error():
    with pytest.raises(UsageError, match="subjects"):
        subjects_needed(Components(1.0, 0.0, 1.0), 1e-5, chain=False)


def sentence(pairs, values, metric="dice_nearest_fg"):
    table = scores(pairs, values, metric=metric)
    changes = condition_changes(table, ChangeSettings(FAST))
    found = verdicts(compare(table, CompareSettings(FAST)), rank(table, RankSettings(FAST)), changes)
    return next(v.sentence for v in found if v.method == "a" and v.reference == "affine")


def test_a_clear_difference_is_said_with_its_interval_and_numbers():
    rng = np.random.default_rng(0)
    base = rng.normal(0.4, 0.02, 30)
    text = sentence(pairs_of("all", 6), {"affine": base, "a": base + 0.12 + rng.normal(0, 0.005, 30)})
    assert text.startswith("a is better than affine on Dice (manual) by 0.1")
    assert text.endswith("(n = 30 pairs, 6 subjects).")


def test_lower_distances_are_better_and_said_as_a_gain():
    rng = np.random.default_rng(0)
    text = sentence(
        pairs_of("all", 6), {"affine": rng.normal(3, 0.1, 30), "a": rng.normal(2, 0.1, 30)}, metric="hd95_mm"
    )
    assert text.startswith("a is better than affine on HD95 (mm, manual) by ")
    assert "-" not in text.split(" by ")[1]


def test_what_cannot_be_told_is_not_claimed():
    rng = np.random.default_rng(1)
    text = sentence(pairs_of("all", 6), {"affine": rng.normal(0.4, 0.02, 30), "a": rng.normal(0.4, 0.02, 30)})
    assert text.startswith("No significant difference between a and affine on ")


@pytest.mark.parametrize(
    ("change", "interval", "p_holm", "affine", "broken"),
    [
        (-0.15, (-0.2, -0.1), 0.01, 0.4, True),
        (-0.15, (np.nan, np.nan), np.nan, 0.4, True),  # worse; without an interval that is enough
        (-0.15, (-0.4, 0.1), 0.3, 0.4, False),
        (-0.15, (-0.2, -0.1), 0.06, 0.4, False),
        (-0.05, (-0.06, -0.04), 0.01, 0.4, False),  # more than half of the gain is left
        (0.05, (0.01, 0.09), 0.01, 0.7, False),  # better, though the affine gained more
        (0.05, (np.nan, np.nan), np.nan, 0.7, False),
    ],
)
def test_a_condition_breaks_a_method_that_is_worse_and_has_lost_half_its_gain(change, interval, p_holm, affine, broken):
    same = {
        "track": "t", "condition": "noise", "metric": "dice_nearest_fg", "source": "", "n_pairs": 9, "n_subjects": 9,
        "dropped": 0, "failed": 0, "failed_reference": 0, "note": "", "p_holm": p_holm,
        "ci_low": interval[0], "ci_high": interval[1],
    }  # fmt: skip
    method = same | {"method": "a", "mean_reference": 0.6, "mean": 0.6 + change, "change": change}
    of_affine = same | {"method": "affine", "mean_reference": 0.4, "mean": affine, "change": affine - 0.4}
    rows = pd.DataFrame([method, of_affine])
    breaks, others = condition_verdicts(rows)
    assert bool(none_breaks(rows)) != broken
    assert ([v.method for v in breaks], [v.method for v in others]) == ((["a"], []) if broken else ([], ["a"]))


@pytest.mark.parametrize(
    ("losses", "text"),
    [
        (
            {"noise-0.05": (-0.02, -0.03, -0.01), "orientation-LPS": (0.0, -0.01, 0.01)},
            (
                "Under none of 2 conditions does a method lose half of its gain over the affine; "
                "the largest significant loss is 0.02 Dice, of a with 5 % noise."
            ),
        ),
        (
            {"noise-0.05": (-0.02, -0.05, 0.01)},
            "With 5 % noise no method loses half of its gain over the affine; no loss of a method is significant.",
        ),
        (
            {"noise-0.05": (-0.02, np.nan, np.nan)},
            "With 5 % noise no method loses half of its gain over the affine; no loss has an interval.",
        ),
    ],
)
def test_conditions_that_break_nothing_are_told_in_the_headline(losses, text):
    same = {"track": "t", "metric": "dice_nearest_fg", "source": "", "p_holm": np.nan, "mean_reference": 0.6}
    rows = [
        same
        | {"method": "a", "condition": name, "mean": 0.6 + change, "change": change, "ci_low": low, "ci_high": high}
        for name, (change, low, high) in losses.items()
    ]
    rows += [row | {"method": "affine", "mean": 0.4, "mean_reference": 0.4, "change": 0.0} for row in rows]
    (told,) = none_breaks(pd.DataFrame(rows))
    assert (told.kind, told.sentence) == ("headline", text)


def test_two_pairs_get_no_interval_and_are_told_so():
    text = sentence(pairs_of("separate", 4), {"affine": [0.4, 0.4], "a": [0.5, 0.6]})
    assert "without an interval (n = 2 pairs, 4 subjects; only 2 pairs to resample: no interval)" in text
    assert "better" not in text
