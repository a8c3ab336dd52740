"""Repeats: the method's own spread beside that between pairs."""

import numpy as np
import pytest
from synthetic_out import REPEAT_STEP, true_dice

from lumirage.reporting.inputs import Inputs
from lumirage.reporting.repeats import RepeatTable, repeat_tables


@pytest.fixture(scope="module")
def dice(factors: Inputs) -> RepeatTable:
    return repeat_tables(factors)[0]


def test_only_what_was_made_to_vary_varies(dice: RepeatTable) -> None:
    assert dice.pick == "dice_nearest_fg [manual]"
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
