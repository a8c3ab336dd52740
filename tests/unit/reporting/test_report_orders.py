"""The methods in order of several measures: truth beside Dice, and one label source beside another."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from synthetic_out import MERGED_DICE, TRUE_ERROR_MM

from lumirage.core.metrics import direction
from lumirage.reporting.axes import MINUS, short
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.label_sources import sources_of
from lumirage.reporting.method_looks import colors_of
from lumirage.reporting.method_orders import MethodOrder, drawn_orders, moved, order_of, slopes, tau
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line
from lumirage.reporting.true_error_figures import truth_of

ABOVE_W = frozenset({("x", "w"), ("y", "w"), ("z", "w")})
A = MethodOrder("a", True, {"x": 0.9, "y": 0.8, "z": 0.8, "w": 0.1}, better=ABOVE_W)
B = MethodOrder(
    "b", False, {"x": 1.0, "y": 3.0, "z": 2.0, "w": 4.0}, better=ABOVE_W | {("x", "z"), ("x", "y"), ("z", "y")}
)


def every_order_told(inputs: Inputs) -> Inputs:
    """The same means from so many subjects that every difference between them is significant."""
    rows = inputs.tables["comparisons"].copy()
    higher = rows["metric"].map(lambda metric: direction(metric) > 0)
    rows["better"] = np.where((rows["difference"].astype(float) > 0) == higher, "method", "reference")
    rows["p_holm"] = 1e-6
    return replace(inputs, tables=inputs.tables | {"comparisons": rows})


def test_ranks_follow_the_direction_and_equals_share_the_better_place() -> None:
    assert A.ranks == {"x": 1, "y": 2, "z": 2, "w": 4}
    assert B.ranks == {"x": 1, "z": 2, "y": 3, "w": 4}
    assert B.listed == ["x", "z", "y", "w"]
    assert A.places == {"x": "1=", "y": "1=", "z": "1=", "w": "4"}
    assert list(B.places.values()) == ["1", "3", "2", "4"]


def test_lines_cross_only_where_both_orders_can_be_told() -> None:
    turned = MethodOrder("turned", True, {"x": 0.1, "y": 0.5, "z": 0.7, "w": 0.9}, better=frozenset({("w", "x")}))
    assert moved([A, B]) == []  # what a has tied is no other order
    assert drawn_orders([A, B]) == [["x", "z", "y", "w"]] * 2
    assert moved([B, turned]) == ["x", "w"]
    one, other = drawn_orders([B, turned])
    assert one == B.listed
    assert other == B.listed, "all four share one place there"
    sure = replace(turned, better=frozenset({("w", m) for m in "xyz"} | {("z", "x"), ("z", "y"), ("y", "x")}))
    assert drawn_orders([B, sure])[1] == ["w", "z", "y", "x"]
    assert moved([B, sure]) == ["x", "y", "z", "w"]


def test_four_subjects_tell_no_order_of_methods_that_fail_here_and_there(factors: Inputs) -> None:
    (dice,) = sources_of(factors)
    assert dice.changing == ()
    assert {place for order in dice.orders for place in order.places.values()} == {"1="}
    scene = slopes("s", "s", dice.orders, colors_of(factors.methods), WIDE)
    paths = [m.points for m in scene.marks if isinstance(m, Line) and m.title]
    assert all(len({y for _, y in points}) == 1 for points in paths), "no line crosses another"
    assert {m.text.split(", ")[1] for m in scene.marks if isinstance(m, Label) and "filled" in m.text} == {
        "4 of 12 filled",
        "1 of 12 filled",
    }


def test_tau_is_scipys_and_needs_three() -> None:
    assert tau(A, B) == pytest.approx(stats.kendalltau([1, 2, 2, 4], [1, 3, 2, 4]).statistic)
    few = MethodOrder("few", higher_is_better=True, means={"x": 1.0, "y": 0.5})
    assert np.isnan(tau(A, few))


def test_an_order_over_some_pairs_is_of_those_alone(factors: Inputs) -> None:
    dice = factors.measures[0]
    chosen = np.arange(12) % 3 != 1  # those on which beta does not fail
    assert order_of(factors, dice, "reference", chosen).listed == ["beta", "alpha", "gamma-untrained"]
    assert order_of(factors, dice, "reference").listed == ["alpha", "beta", "gamma-untrained"]


def test_truth_and_dice_disagree_where_they_were_made_to(factors: Inputs) -> None:
    truth = truth_of(every_order_told(factors))
    assert truth is not None
    places = {line.method: (line.by_error, line.by_dice) for line in truth.lines}
    assert places == {"gamma-untrained": ("1", "3"), "alpha": ("2", "1"), "beta": ("3", "2")}
    assert [line.moved for line in truth.lines] == [-2, 1, 1]
    gamma = truth.lines[0]
    assert gamma.error_mm == pytest.approx(
        (11 * TRUE_ERROR_MM["gamma-untrained"] + TRUE_ERROR_MM["identity"]) / 12, abs=0.05
    )
    parts = {part.title: part for part in truth.parts}
    assert parts["all pairs"].tau == pytest.approx(-1 / 3)
    assert parts["all pairs"].differing == "alpha 2 → 1, beta 3 → 2, gamma-untrained 1 → 3"
    assert "5 % noise" in parts
    unsure = truth_of(factors)
    assert unsure is not None
    assert {part.differing for part in unsure.parts if part.title == "all pairs"} == {"none significant"}


def test_without_a_truth_there_is_nothing(bare: Inputs) -> None:
    assert truth_of(bare) is None
    assert sources_of(bare) == []


def test_sources_stand_side_by_side_with_the_agreement_of_the_analysis(factors: Inputs) -> None:
    (dice,) = sources_of(every_order_told(factors))
    assert [order.title for order in dice.orders] == ["manual", "merged"]
    assert dice.orders[1].listed == ["gamma-untrained", "beta", "alpha"]
    assert dice.orders[1].means["alpha"] == pytest.approx(MERGED_DICE["alpha"], abs=0.01)
    assert dice.changing == ("alpha", "beta", "gamma-untrained")
    (agreement,) = dice.agreement
    assert (agreement.first, agreement.second, agreement.n_methods) == ("manual", "merged", "3")
    assert agreement.kendall_tau == agreement.spearman_rho == f"{MINUS}1.00"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_slopes_are_strong_where_a_method_moves(factors: Inputs, width: float) -> None:
    (dice,) = sources_of(every_order_told(factors))
    scene = slopes("s", "s", dice.orders, colors_of(factors.methods), width)
    lines = {m.title.split(":")[0]: m for m in scene.marks if isinstance(m, Line)}
    assert {name for name, line in lines.items() if line.width == 3} == set(dice.changing)
    ranks = [m.text for m in scene.marks if isinstance(m, Label) and m.color == "paper"]
    assert sorted(ranks) == sorted(["1", "2", "3"] * 2)
    assert all(0 <= m.at[0] <= width for m in scene.marks if isinstance(m, Dot | Label))


def test_sources_on_different_pairs_are_ordered_by_the_pairs_they_share(factors: Inputs) -> None:
    kept = list(factors.pairs)[:5]
    values = factors.values
    lost = (values["source"] == "merged") & ~values["pair"].isin(kept)
    names = {"manual": {1: "thalamus"}, "merged": {1: "grey matter"}}
    inputs = replace(
        factors, values=values[~lost], evaluation=factors.evaluation.model_copy(update={"label_names": names})
    )
    (dice,) = sources_of(inputs)
    assert (dice.n_pairs, dice.differ) == (5, True)
    manual = order_of(inputs, inputs.measures[0], "reference", np.arange(12) < 5)
    assert dice.orders[0].means == manual.means
    (agreement,) = dice.agreement
    assert agreement.kendall_tau == short(tau(*dice.orders))
    assert agreement.apart
    (same,) = sources_of(factors)
    assert (same.n_pairs, same.differ, same.agreement[0].apart) == (12, False, False)
