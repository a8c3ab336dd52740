import numpy as np
import pandas as pd
import pytest
from score_tables import pairs_of, row, scores

from lumirage.analysis.comparisons import COMPARISON_COLUMNS, CompareSettings, compare, mean_intervals
from lumirage.analysis.designs import detect_design
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.score_matrices import cells_of
from lumirage.core.errors import DataError, UsageError
from lumirage.core.failure_policy import POLICIES

FAST = CompareSettings(Resampling(draws=200, seed=5))
NAN = float("nan")


def table(design="all", n=6, seed=0, shift=0.02, metric="dice_nearest_fg"):
    pairs = pairs_of(design, n)
    rng = np.random.default_rng(seed)
    base = rng.normal(0.6, 0.03, size=len(pairs))
    return pairs, {
        "identity": base - 0.2,
        "affine": base,
        "a": base + shift + rng.normal(0, 0.01, size=len(pairs)),
        "b": base + 2 * shift + rng.normal(0, 0.01, size=len(pairs)),
    }


def test_cells_that_are_made_once_give_what_the_table_gives():
    made = pd.concat([scores(*table(seed=k), metric=name) for k, name in enumerate(("tre_mm", "dice_nearest_fg"))])
    unsorted = made.astype({"pair": pd.CategoricalDtype(made["pair"].unique()[::-1]), "metric": "category"})
    expected = compare(made, FAST)
    assert list(expected["metric"].unique()) == ["dice_nearest_fg", "tre_mm"]
    pd.testing.assert_frame_equal(compare(tuple(cells_of(unsorted)), FAST), expected)
    pd.testing.assert_frame_equal(compare(unsorted, FAST), expected)


def test_every_method_against_the_sentinel_and_every_other_under_every_policy():
    pairs, values = table()
    found = compare(scores(pairs, values), FAST)
    assert list(found.columns) == list(COMPARISON_COLUMNS)
    honest = found[~found["literature"]]
    expected = {("a", "affine"), ("b", "affine"), ("a", "b"), ("affine", "identity")}
    for policy in POLICIES:
        rows = honest[honest["policy"] == policy]
        assert set(zip(rows["method"], rows["reference"], strict=True)) == expected
    assert len(found[found["literature"]]) == 4
    one = row(found, method="b", reference="affine", policy="drop", literature=False)
    np.testing.assert_allclose(one["difference"], (values["b"] - values["affine"]).mean(), rtol=1e-12)
    assert (one["n_pairs"], one["n_subjects"], one["dropped"], one["seed"], one["design"]) == (30, 6, 0, 5, "all pairs")
    assert one["better"] == "method"
    assert one["ci_low"] < one["difference"] < one["ci_high"]


def test_an_interval_of_a_mean_ends_where_the_metric_does():
    pairs = [("sub00", "sub01"), ("sub02", "sub03"), ("sub04", "sub05")]
    values = {"identity": [0.108, 0.0, 0.001], "affine": [0.46, 0.39, 0.45], "exact": [0.999, 1.0, 0.9]}
    found = mean_intervals(next(cells_of(scores(pairs, values))), "drop", FAST)
    assert 0.0 == found["identity"][0] < 0.1 < found["identity"][1]
    assert 0.2 < found["affine"][0] < found["affine"][1] < 0.6
    assert found["exact"][0] < 0.9 < found["exact"][1] == 1.0
    distances = mean_intervals(
        next(cells_of(scores(pairs, {"affine": [9.0, 0.1, 0.2]}, metric="hd95_mm"))), "drop", FAST
    )
    assert 0.0 == distances["affine"][0] < 9.0 < distances["affine"][1]


def test_lower_is_better_where_the_metric_says_so():
    pairs, values = table()
    found = compare(scores(pairs, values, metric="hd95_mm"), FAST)
    assert row(found, method="b", reference="affine", policy="drop", literature=False)["better"] == "reference"


def test_failed_runs_count_as_nothing_done_or_the_worst_or_are_counted_out():
    pairs = pairs_of("chain", 5)
    values = {
        "identity": [0.1, 0.2, 0.3, 0.4], "affine": [0.5] * 4, "a": [0.9, NAN, 0.7, 0.6], "b": [0.6, 0.15, 0.6, 0.6],
    }  # fmt: skip
    found = compare(scores(pairs, values), FAST)
    means = {
        policy: row(found, method="a", reference="affine", policy=policy, literature=False)["mean_method"]
        for policy in POLICIES
    }
    np.testing.assert_allclose(means["identity"], np.mean([0.9, 0.2, 0.7, 0.6]))
    np.testing.assert_allclose(means["worst"], np.mean([0.9, 0.15, 0.7, 0.6]))
    np.testing.assert_allclose(means["drop"], np.mean([0.9, 0.7, 0.6]))
    drop = row(found, method="a", reference="affine", policy="drop", literature=False)
    assert (drop["n_pairs"], drop["dropped"], drop["failed_method"]) == (3, 1, 1)
    # Pairwise deletion takes the pair from both.
    np.testing.assert_allclose(
        row(found, method="a", reference="b", policy="drop", literature=False)["mean_reference"], 0.6
    )


def test_failing_is_no_reward_in_metrics_of_regularity():
    pairs = pairs_of("chain", 4)
    values = {"identity": [0.0] * 3, "affine": [0.0] * 3, "a": [NAN, 1.0, 1.0], "b": [2.0, 2.0, 2.0]}
    raw = next(cells_of(scores(pairs, values, metric="det_le0_percent")))
    for policy in ("identity", "worst"):
        np.testing.assert_allclose(raw.under(policy).of("a"), [2.0, 1.0, 1.0])


def test_worst_is_never_better_than_doing_nothing():
    pairs = pairs_of("chain", 4)
    values = {"identity": [0.1] * 3, "affine": [0.5] * 3, "a": [NAN, 0.9, 0.9], "b": [0.8] * 3}
    raw = next(cells_of(scores(pairs, values)))
    assert raw.under("worst").of("a")[0] == 0.1


def test_infinite_values_are_failures_not_numbers():
    pairs = pairs_of("chain", 4)
    values = {"identity": [9.0] * 3, "affine": [5.0] * 3, "a": [np.inf, 1.0, 1.0]}
    raw = next(cells_of(scores(pairs, values, metric="hd95_mm")))
    np.testing.assert_allclose(raw.under("identity").of("a"), [9, 1, 1])
    assert raw.runs.failed.sum() == 1


def test_a_failed_run_without_rows_in_a_metric_is_still_a_failed_run():
    pairs = pairs_of("chain", 4)
    values = {"identity": [0.1] * 3, "affine": [0.5] * 3, "a": [NAN, 0.9, 0.9]}
    dice = scores(pairs, values)
    other = scores(pairs, values, metric="tre_mm_linear")
    found = pd.concat([dice, other[other["outcome"] == "ok"]])
    tre = [raw for raw in cells_of(found) if raw.cell.metric == "tre_mm_linear"]
    assert tre[0].under("identity").of("a")[0] == 0.5  # the affine's, which is worse there than doing nothing


def test_repeats_are_averaged_after_failures_are_filled():
    pairs = pairs_of("chain", 4)
    first = scores(pairs, {"identity": [0.1] * 3, "affine": [0.5] * 3, "a": [0.7, 0.9, 0.9]})
    second = scores(pairs, {"a": [NAN, 0.7, 0.9]}, repeat=1)
    raw = next(cells_of(pd.concat([first, second])))
    np.testing.assert_allclose(raw.under("identity").of("a"), [0.4, 0.8, 0.9])
    np.testing.assert_allclose(raw.under("drop").of("a"), [0.7, 0.8, 0.9])


def test_rows_of_single_labels_play_no_part():
    pairs, values = table()
    whole = scores(pairs, values)
    labels = whole.assign(label=pd.array([17] * len(whole), dtype="Int64"), value=0.0)
    pd.testing.assert_frame_equal(compare(pd.concat([whole, labels]), FAST), compare(whole, FAST))


def test_the_order_of_rows_and_the_kind_of_strings_do_not_matter():
    pairs, values = table()
    plain = scores(pairs, values)
    shuffled = plain.sample(frac=1, random_state=1)
    for dtype in ("object", "category", "string"):
        names = ["track", "method", "pair", "fixed_subject", "moving_subject", "metric", "outcome", "source"]
        pd.testing.assert_frame_equal(compare(shuffled.astype(dict.fromkeys(names, dtype)), FAST), compare(plain, FAST))


def test_same_seed_same_table_and_the_input_is_left_alone():
    pairs, values = table()
    given = scores(pairs, values)
    before = given.copy()
    pd.testing.assert_frame_equal(compare(given, FAST), compare(given, FAST))
    pd.testing.assert_frame_equal(given, before)
    assert FAST.resampling.seed == 5


def test_two_separate_pairs_have_a_difference_but_no_interval():
    pairs = pairs_of("separate", 4)
    found = compare(scores(pairs, {"affine": [0.5, 0.5], "a": [0.6, 0.8]}), FAST)
    one = row(found, policy="identity", literature=False)
    np.testing.assert_allclose(one["difference"], 0.2)
    assert np.isnan([one["ci_low"], one["ci_high"], one["se"], one["p"], one["jackknife_low"], one["d_z_low"]]).all()
    assert one["better"] == ""
    assert "no interval" in one["note"]


def test_a_star_is_conditional_and_says_so():
    pairs = pairs_of("star", 8)
    rng = np.random.default_rng(0)
    found = compare(scores(pairs, {"affine": rng.normal(size=8), "a": rng.normal(size=8)}), FAST)
    one = row(found, policy="identity", literature=False)
    assert one["n_subjects"] == 9
    assert one["n_units"] == 8
    assert "conditional on atlas" in one["note"]


def test_holm_runs_over_methods_and_tracks_and_spares_the_literature():
    pairs, values = table(shift=0.002)
    both = pd.concat([scores(pairs, values), scores(pairs, values, track="t2w")])
    found = compare(both, FAST)
    family = found[(found["policy"] == "drop") & ~found["literature"]]
    # That of the sentinels with one another is one constant and has no p.
    assert family["p"].notna().sum() == 6
    np.testing.assert_allclose(family["p_holm"].min(), min(1, 6 * family["p"].min()))
    assert found.loc[found["literature"], "p_holm"].isna().all()


def test_a_margin_within_the_interpolation_effect_is_refused_with_the_reason():
    pairs, values = table()
    with pytest.raises(UsageError, match="label interpolation"):
        compare(scores(pairs, values), CompareSettings(Resampling(50), margins={"dice": 0.005}))
    found = compare(scores(pairs, values), CompareSettings(Resampling(50), margins={"dice": 0.1}))
    one = row(found, method="a", reference="affine", policy="drop", literature=False)
    assert one["margin"] == 0.1
    assert one["p_equivalence"] < 0.05


def test_the_literature_row_is_flagged_and_narrower_where_subjects_are_shared():
    pairs = pairs_of("all", 10)
    subject = np.random.default_rng(0).normal(0, 0.02, size=10)
    a = np.array([subject[int(f[3:])] + subject[int(m[3:])] for f, m in pairs])
    found = compare(scores(pairs, {"affine": np.zeros(90), "a": a}), FAST)
    honest = row(found, policy="drop", literature=False)
    naive = row(found, literature=True)
    assert naive["ci_high"] - naive["ci_low"] < 0.5 * (honest["ci_high"] - honest["ci_low"])
    assert "literature" in naive["interval"]


def test_a_table_without_what_is_needed_is_refused():
    pairs, values = table()
    with pytest.raises(DataError, match="outcome"):
        compare(scores(pairs, values).drop(columns="outcome"))
    with pytest.raises(DataError, match="no pair-level row"):
        compare(scores(pairs, values).assign(label=3))


def test_a_metric_nobody_knows_is_compared_but_has_no_winner():
    pairs, values = table()
    found = compare(scores(pairs, values, metric="strange"), FAST)
    assert (found["better"].fillna("") == "").all()
    assert detect_design([f for f, _ in pairs], [m for _, m in pairs]).bootstrap_defined


def test_only_cells_that_have_rows_are_made():
    pairs, values = table()
    one = scores(pairs, values)
    two = scores(pairs, values, metric="hd95_mm").assign(condition="other", preset="lumir25")
    keys = [(raw.cell.key["condition"], raw.cell.key["preset"]) for raw in cells_of(pd.concat([one, two]))]
    assert keys == sorted({(str(t["condition"].iloc[0]), str(t["preset"].iloc[0])) for t in (one, two)})


def test_cells_come_in_the_order_of_their_keys_whatever_the_order_of_rows():
    pairs, values = table()
    parts = [
        scores(pairs, values, metric=metric, condition=condition)
        for condition in ("reference", "noise")
        for metric in ("hd95_mm", "dice_nearest_fg")
    ]
    keys = [(raw.cell.key["condition"], raw.cell.key["metric"]) for raw in cells_of(pd.concat(parts))]
    assert keys == [
        ("noise", "dice_nearest_fg"), ("noise", "hd95_mm"), ("reference", "dice_nearest_fg"), ("reference", "hd95_mm"),
    ]  # fmt: skip
