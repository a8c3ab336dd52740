"""Beyond a dozen methods the headline's figure keeps the others at hand, and digits follow intervals."""

import math
import re
from pathlib import Path

import pytest
from synthetic_out import DICE, Recipe, make_out, write_analysis

from lumirage.reporting.headline_figure import MOST_ROWS, Effect, effects_of, halves_of, headline_figure
from lumirage.reporting.page_templates import digits, environment
from lumirage.reporting.report_inputs import read_inputs
from lumirage.reporting.report_tables import method_rows


def test_all_methods_have_a_row_and_those_beyond_the_first_are_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"method-{k:02d}" for k in range(MOST_ROWS + 3))
    for k, name in enumerate(names):
        monkeypatch.setitem(DICE, name, 0.6 + 0.01 * k)
    layout = make_out(tmp_path, Recipe(subjects=4, images=False, methods=names, conditions=False))
    write_analysis(layout)
    inputs = read_inputs(layout)
    figure = headline_figure(inputs, method_rows(inputs, inputs.conditions[0]))
    assert len(figure.rows) == MOST_ROWS
    assert len(figure.rest) == 3
    assert {row.line.method for row in (*figure.rows, *figure.rest)} == set(names)
    for rows in (figure.rows, figure.rest):
        assert rows[0].span > 0
        assert sum(row.span for row in rows) == len(rows)
    text = render_table(figure, inputs)
    assert all(f'data-lane="{name}"' in text for name in names)
    assert "Show 3 more methods" in text


def render_table(figure: object, inputs: object) -> str:

    made = environment()
    source = '{% from "headline.html.j2" import headline_table with context %}{{ headline_table(figure, looks) }}'
    return made.from_string(source).render(figure=figure, looks=inputs.looks)  # type: ignore[attr-defined]


def test_digits_follow_half_the_interval() -> None:
    assert digits(0.73456, 0.02) == "0.735"
    assert digits(0.73456, 0.2) == "0.73"
    assert digits(5.2391, 3.0) == "5.2"
    assert digits(-0.5, 0.1) == "\N{MINUS SIGN}0.50"
    assert digits(0.73456, None) == digits(0.73456, math.nan) == "0.7346"
    assert digits(math.nan, 0.1) == "\N{EN DASH}"


def test_the_least_half_is_that_of_the_surest_method(layout) -> None:  # type: ignore[no-untyped-def]
    inputs = read_inputs(layout)
    halves = halves_of(inputs, inputs.measures[0])
    assert {"alpha", "beta"} <= set(halves)
    assert halves[""] == min(half for method, half in halves.items() if method)
    assert halves[""] > 0


def test_intervals_of_references_near_the_methods_are_drawn_whole(layout, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    inputs = read_inputs(layout)
    wide = effects_of(inputs, inputs.measures[0]) | {("identity", "affine"): Effect(-0.08, -0.5, 0.1)}
    monkeypatch.setattr("lumirage.reporting.headline_figure.effects_of", lambda *_: wide)
    figure = headline_figure(inputs, method_rows(inputs, inputs.conditions[0]))
    rows = [row for row in (*figure.rows, *figure.scale_rows) if row.effect.half > 0.01]
    assert {row.line.reference for row in rows} == {False, True}
    spans = [re.findall(r'class="ci" x1="([0-9.]+)%" x2="([0-9.]+)%"', row.lane)[0] for row in rows]
    per_dice = [(float(b) - float(a)) / (2 * row.effect.half) for row, (a, b) in zip(rows, spans, strict=True)]
    assert per_dice == pytest.approx([per_dice[0]] * len(rows), rel=0.02)  # two digits of a percent
