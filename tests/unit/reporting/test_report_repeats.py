"""Repeats: the method's own spread beside that between pairs."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_out import REPEAT_STEP, true_dice

from lumirage.analysis.condition_effects import ChangeSettings, condition_changes
from lumirage.analysis.resampling import Resampling
from lumirage.reporting.analysis_tables import of_measure
from lumirage.reporting.policy_means import filled_means, filled_values
from lumirage.reporting.repeat_variance import RepeatTable, repeat_tables
from lumirage.reporting.report_inputs import Inputs


@pytest.fixture(scope="module")
def dice(factors: Inputs) -> RepeatTable:
    return repeat_tables(factors)[0]


def test_only_what_was_made_to_vary_varies(dice: RepeatTable) -> None:
    assert dice.pick == "Dice [manual]"
    own = {spread.method: spread.itself for spread in dice.spreads}
    assert list(own) == ["alpha", "beta", "gamma-untrained"], "the sentinels are scored once"
    assert own["alpha"] == pytest.approx(0, abs=1e-12)
    assert own["gamma-untrained"] == pytest.approx(REPEAT_STEP / np.sqrt(2))


def test_between_pairs_is_the_spread_of_the_pairs(dice: RepeatTable) -> None:
    alpha = dice.spreads[0]
    values = [true_dice("alpha", "reference", k) for k in range(12)]
    assert (alpha.n_pairs, alpha.n_repeats) == (12, 2)
    assert alpha.pairs == pytest.approx(np.std(values, ddof=1))
    gamma = dice.spreads[2]
    assert gamma.share == pytest.approx(gamma.itself**2 / (gamma.itself**2 + gamma.pairs**2))
    assert gamma.largest == pytest.approx(REPEAT_STEP)


def test_other_measures_say_that_all_repeats_gave_the_same(factors: Inputs) -> None:
    tables = {table.measure.metric: table for table in repeat_tables(factors)}
    assert tables["hd95_mm"].all_same
    assert len(tables) >= 4


def test_without_repeats_there_is_nothing(bare: Inputs) -> None:
    assert repeat_tables(bare) == []


def changed(inputs: Inputs, method: str, repeat: int, **columns: object) -> tuple[Inputs, int]:
    """The inputs with the rows of one run on the first pair changed, and the row of the method."""
    values = inputs.values.astype({"outcome": "object"})
    chosen = (values["method"] == method) & (values["pair"] == next(iter(inputs.pairs)))
    chosen &= (values["condition"] == "reference") & (values["repeat"] == repeat)
    for column, value in columns.items():
        values.loc[chosen, column] = value
    return replace(inputs, values=values), inputs.methods.index(method)


def test_a_failed_repeat_is_filled_by_itself_and_not_told_by_those_that_ran(factors: Inputs) -> None:
    inputs, row = changed(factors, "alpha", 1, outcome="crashed", value=None)
    filled = filled_values(inputs, inputs.measures[0], "reference")
    own, nothing = true_dice("alpha", "reference", 0), true_dice("identity", "reference", 0)
    assert filled[row, 0] == pytest.approx((own + nothing) / 2)
    assert inputs.matrix(inputs.measures[0], "reference")[row, 0] == pytest.approx(own), "what was measured"


def test_a_good_run_without_a_value_is_no_failure(factors: Inputs) -> None:
    inputs, row = changed(factors, "alpha", 0, value=None)
    inputs, _ = changed(inputs, "alpha", 1, value=None)
    assert np.isnan(filled_values(inputs, inputs.measures[0], "reference")[row, 0])
    rest = np.mean([true_dice("alpha", "reference", k) for k in range(1, 12)])
    assert filled_means(inputs, inputs.measures[0], "reference")["alpha"] == pytest.approx(rest)


def test_figures_and_the_table_of_conditions_have_the_same_means(factors: Inputs) -> None:
    inputs, _ = changed(factors, "alpha", 1, outcome="crashed", value=None)
    table = condition_changes(inputs.values.assign(label=None), ChangeSettings(Resampling(draws=20)))
    for measure in inputs.measures:
        rows = of_measure(table, measure)
        rows = rows[rows["condition"] == "noise-0.1"].set_index("method")["mean_reference"].astype(float)
        means = filled_means(inputs, measure, "reference")
        assert rows.to_dict() == pytest.approx(means, nan_ok=True)
