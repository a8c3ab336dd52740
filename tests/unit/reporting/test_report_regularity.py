"""The figure and the table of accuracy at equal regularity."""

from dataclasses import replace

import pandas as pd
import pytest
from synthetic_out import NONE_EXPECTED

from lumirage.analysis.regularity_curves import curve_points, curve_summaries, doses_of
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.figures import draw_figures
from lumirage.reporting.regularity_figures import curve_tables, figure, rate_words, regularities_of
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line


@pytest.fixture(scope="module")
def dosed(factors: Inputs) -> Inputs:
    """As if beta were alpha with another weight."""
    scores = pd.read_parquet(factors.layout.score_table)
    methods = [("alpha", "", {}, {"reg": 1}), ("beta", "alpha", {"reg": 0.5}, {"reg": 0.5})]
    points = curve_points(scores, doses_of(methods), factors.evaluation.track.on_failure)
    assert len(points)
    made = {"regularity_points": points, "regularity_curves": curve_summaries(points)}
    tables = {name: table.convert_dtypes() for name, table in made.items()}
    return replace(factors, tables={**factors.tables, **tables})


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_curve_has_a_dot_a_dose_within_the_figure(dosed: Inputs, width: float) -> None:
    measure = next(m for m in dosed.measures if m.is_accuracy)
    against = regularities_of(dosed, measure)
    assert against
    scene = figure(dosed, measure, against[0], width)
    dots = [mark for mark in scene.marks if isinstance(mark, Dot)]
    assert len(dots) == 2
    assert all(0 < dot.at[0] < width and 0 < dot.at[1] < scene.height for dot in dots)
    assert any(isinstance(mark, Line) and mark.width == 1.6 and len(mark.points) == 2 for mark in scene.marks)
    words = [mark.text for mark in scene.marks if isinstance(mark, Label)]
    assert {"1", "reg=0.5", "alpha"} <= set(words), "the first dose says which parameter"


def test_the_page_has_the_table_and_the_figures(dosed: Inputs, factors: Inputs) -> None:
    (first, *_) = curve_tables(dosed)
    assert first.rows[0]["curve"] == "alpha"
    assert first.rows[0]["n_doses"] == "2"
    assert rate_words("accuracy_at_0.5_percent") == "at most 0.5 % folds"
    assert any(drawn.section == "regularity" for drawn in draw_figures(dosed, NONE_EXPECTED))
    assert not any(drawn.section == "regularity" for drawn in draw_figures(factors, NONE_EXPECTED))
    assert curve_tables(factors) == []


def test_a_measure_without_any_value_has_no_figure(dosed: Inputs) -> None:
    """Landmarks, say, that these pairs do not have."""
    measure = next(m for m in dosed.measures if m.is_accuracy)
    points = dosed.tables["regularity_points"].copy()
    points.loc[:, "accuracy"] = pd.NA
    empty = replace(dosed, tables={**dosed.tables, "regularity_points": points})
    assert regularities_of(empty, measure) == []
    assert curve_tables(empty) == []
