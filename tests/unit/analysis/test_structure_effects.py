"""Differences of single structures: the same numbers and intervals as effects of pairs, over the pairs that both have."""

import itertools

import numpy as np
import pandas as pd
import pytest

from lumirage.analysis.comparisons import compare
from lumirage.analysis.structure_effects import STRUCTURE_COLUMNS, structure_effects
from lumirage.core.model import SCORE_COLUMNS

METRIC = "dice_nearest_fg"
SUBJECTS = ("a", "b", "c", "d", "e")


def scores(repeats: int = 1) -> pd.DataFrame:
    """Two structures of three methods; the pair-level value is that of structure 1."""
    rng = np.random.default_rng(5)
    rows = []
    pairs = itertools.permutations(SUBJECTS, 2)
    for (fixed, moving), method, repeat in itertools.product(pairs, ("affine", "x", "y"), range(repeats)):
        values = rng.normal({"affine": 0.5, "x": 0.7, "y": 0.72}[method], 0.05, 2)
        for label, name in ((None, None), (1, "Left-Thalamus"), (2, "CSF")):
            row = dict.fromkeys(SCORE_COLUMNS, "") | {
                "track": "t", "condition": "reference", "repeat": repeat, "method": method, "pair": f"{fixed}-{moving}",
                "fixed_subject": fixed, "moving_subject": moving, "outcome": "ok", "preset": "strict", "metric": METRIC,
                "source": "manual", "settings": "s", "label": label, "name": name, "value": values[1 if label == 2 else 0],
            }  # fmt: skip
            rows.append(row)
    return pd.DataFrame(rows).astype({"label": "Int64", "value": "float64"})


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_structure_has_the_effect_that_pairs_with_its_values_have(repeats: int) -> None:
    table = scores(repeats)
    found = structure_effects(table)
    assert tuple(found.columns) == STRUCTURE_COLUMNS
    pairs = compare(table)
    for method, reference in (("x", "affine"), ("y", "affine"), ("x", "y")):
        (one,) = found[(found["label"] == 1) & (found["method"] == method) & (found["reference"] == reference)].to_dict(
            "records"
        )
        honest = pairs[~pairs["literature"] & (pairs["policy"] == "drop")]
        (whole,) = honest[(honest["method"] == method) & (honest["reference"] == reference)].to_dict("records")
        for column in ("difference", "ci_low", "ci_high", "se", "mean_method", "mean_reference", "n_pairs", "n_units"):
            assert one[column] == pytest.approx(whole[column], rel=1e-12), column
        assert one["name"] == "Left-Thalamus"


def test_a_pair_counts_only_where_both_measured_the_structure() -> None:
    table = scores()
    lost = (table["method"] == "x") & (table["label"] == 2) & (table["fixed_subject"] == "a")
    found = structure_effects(table[~lost])
    counts = found.set_index(["label", "method", "reference"])["n_pairs"]
    assert counts.loc[(2, "x", "affine")] == counts.loc[(2, "x", "y")] == 16
    assert counts.loc[(2, "y", "affine")] == counts.loc[(1, "x", "affine")] == 20
    whole = table[(table["label"] == 2) & (table["fixed_subject"] != "a")].groupby("method")["value"].mean()
    row = found[(found["label"] == 2) & (found["method"] == "x") & (found["reference"] == "affine")].iloc[0]
    assert row["difference"] == pytest.approx(whole["x"] - whole["affine"])


def test_only_accuracy_of_labels_under_the_reference_condition() -> None:
    table = scores()
    other = table.assign(condition="noise-0.1", value=0.1)
    folds = table.assign(metric="ndv_percent")
    found = structure_effects(pd.concat([other, folds, table]))
    pd.testing.assert_frame_equal(found, structure_effects(table))
    assert structure_effects(table[table["label"].isna()]).empty


def test_intervals_end_at_the_differences_that_dice_can_have() -> None:
    table = scores()
    table = table[table["fixed_subject"].isin(["a", "b"]) & table["moving_subject"].isin(["b", "c"])].copy()
    found = {}
    for metric in (METRIC, "hd95_mm"):
        values = np.where(table["method"] == "affine", 0.0, np.where(table["pair"] == "a-b", 1.0, 0.1))
        found[metric] = structure_effects(table.assign(metric=metric, value=values)).set_index(["method", "reference"])
    dice, distance = (found[metric].loc[("x", "affine"), ["ci_low", "ci_high"]] for metric in (METRIC, "hd95_mm"))
    assert (distance["ci_high"] > 1).all(), "distances have no end"
    pd.testing.assert_frame_equal(dice, distance.clip(-1, 1))
