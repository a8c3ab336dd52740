"""Accuracy against regularity: points, areas and accuracies at given folds, counted by hand."""

import numpy as np
import pandas as pd
import pytest
from score_tables import pairs_of, scores

from lumirage.analysis.regularity_curves import accuracy_at_most, curve_points, curve_summaries, doses_of

PAIRS = pairs_of("chain", 4)
PARAMETERS = {"net": {"reg": 0.3}, "net-reg0.1": {"reg": 0.1}, "net-reg1": {"reg": 1}, "plain": {}}
DICE = {"identity": 0.4, "net-reg0.1": 0.80, "net": 0.76, "net-reg1": 0.60, "plain": 0.70}
FOLDS = {"identity": 0.0, "net-reg0.1": 1.2, "net": 0.4, "net-reg1": 0.0, "plain": 0.2}


def methods() -> list[tuple[str, str, dict[str, object], dict[str, object]]]:
    changed = {"net-reg0.1": {"reg": 0.1}, "net-reg1": {"reg": 1}}
    return [(name, "net" if name in changed else "", changed.get(name, {}), PARAMETERS[name]) for name in PARAMETERS]


def table(dice: dict[str, float] = DICE, failing: str = "") -> pd.DataFrame:
    def each(values: dict[str, float]) -> dict[str, list[float]]:
        return {m: [np.nan if m == failing and k == 1 else v for k in range(len(PAIRS))] for m, v in values.items()}

    folds = scores(PAIRS, each(FOLDS), metric="det_le0_percent", source="", unit="%")
    return pd.concat([scores(PAIRS, each(dice)), folds], ignore_index=True)


def test_the_doses_of_a_method_are_one_curve_with_the_method_itself() -> None:
    doses = {dose.method: (dose.curve, dose.text, dose.number) for dose in doses_of(methods())}
    assert doses["net"] == ("net", "reg=0.3", 0.3)
    assert doses["net-reg0.1"] == ("net", "reg=0.1", 0.1)
    assert doses["plain"][:2] == ("plain", "")


def test_each_parameter_has_a_curve_of_its_own() -> None:
    more = [*methods(), ("net-steps9", "net", {"steps": 9}, {"reg": 0.3, "steps": 9})]
    more[0] = ("net", "", {}, {"reg": 0.3, "steps": 5})
    found = [(dose.curve, dose.text) for dose in doses_of(more)]
    assert ("net (reg)", "reg=0.3") in found
    assert ("net (steps)", "steps=5") in found
    assert ("net (steps)", "steps=9") in found


def test_points_stand_in_the_order_of_the_doses() -> None:
    points = curve_points(table(), doses_of(methods()), "identity")
    net = points[points["curve"] == "net"]
    assert list(net["dose"]) == ["reg=0.1", "reg=0.3", "reg=1"]
    assert list(net["regularity_value"]) == pytest.approx([1.2, 0.4, 0.0])
    assert list(net["accuracy"]) == pytest.approx([0.80, 0.76, 0.60])
    assert set(points["curve"]) == {"net", "plain"}, "doing nothing draws no curve"


def test_a_failed_run_counts_as_the_policy_says_in_both_directions() -> None:
    points = curve_points(table(failing="net"), doses_of(methods()), "identity").set_index("dose")
    there = points.loc["reg=0.3"]
    assert there["accuracy"] == pytest.approx((2 * 0.76 + 0.4) / 3)
    assert there["regularity_value"] == pytest.approx((2 * 0.4 + 1.2) / 3), "failing is no way to be regular"
    assert there["failed"] == 1
    dropped = curve_points(table(failing="net"), doses_of(methods()), "drop").set_index("dose").loc["reg=0.3"]
    assert (dropped["accuracy"], dropped["n_pairs"]) == (pytest.approx(0.76), 2)


def test_area_and_accuracy_at_given_folds() -> None:
    curves = curve_summaries(curve_points(table(), doses_of(methods()), "identity")).set_index("curve")
    net, plain = curves.loc["net"], curves.loc["plain"]
    area = (0.4 * (0.60 + 0.76) / 2 + 0.8 * (0.76 + 0.80) / 2) / 1.2
    assert (net["area"], net["area_from"], net["area_to"]) == pytest.approx((area, 0.0, 1.2))
    assert net["accuracy_at_0.1_percent"] == pytest.approx(0.64)
    assert net["accuracy_at_1_percent"] == pytest.approx(0.79)
    assert (plain["n_doses"], plain["note"]) == (1, "one point: no curve")
    assert np.isnan(plain["area"])
    assert np.isnan(plain["accuracy_at_0.1_percent"]), "it folds more, and nothing is guessed"
    assert plain["accuracy_at_0.5_percent"] == pytest.approx(0.70)


def test_areas_are_over_the_range_that_the_curves_share() -> None:
    other = [("o", "", {}, {"w": 1}), ("o-w2", "o", {"w": 2}, {"w": 2})]
    values = {"o": (0.9, 1.0), "o-w2": (0.7, 0.2)}
    rows = [table()]
    rows += [scores(PAIRS, {m: [v[0]] * 3}) for m, v in values.items()]
    rows += [scores(PAIRS, {m: [v[1]] * 3}, metric="det_le0_percent", source="") for m, v in values.items()]
    points = curve_points(pd.concat(rows, ignore_index=True), doses_of([*methods(), *other]), "identity")
    curves = curve_summaries(points).set_index("curve")
    assert list(curves.loc[["net", "o"], "area_from"]) == pytest.approx([0.2, 0.2])
    assert list(curves.loc[["net", "o"], "area_to"]) == pytest.approx([1.0, 1.0])
    assert curves.loc["o", "area"] == pytest.approx(0.8)


def test_lower_is_better_for_distances() -> None:
    path = np.array([[1.2, 2.0], [0.4, 3.0], [0.0, 5.0]])
    assert accuracy_at_most(path, 0.2, -1) == pytest.approx(4.0)
    assert accuracy_at_most(path, 2.0, -1) == 2.0


def test_without_doses_there_is_no_table() -> None:
    plain = [("net", "", {}, {"reg": 0.3}), ("plain", "", {}, {})]
    points = curve_points(table(), doses_of(plain), "identity")
    assert points.empty
    assert curve_summaries(points).empty
