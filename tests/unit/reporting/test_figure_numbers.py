"""Every figure of a report has its numbers as a table: those who do not see it read the same."""

import re
from pathlib import Path

import numpy as np
import pytest

from lumirage.reporting.axes import GB, short
from lumirage.reporting.cost_figures import memory, pareto
from lumirage.reporting.effect_figures import forest
from lumirage.reporting.figure_rows import WIDE
from lumirage.reporting.figures import draw_figures
from lumirage.reporting.method_looks import OUTLINES
from lumirage.reporting.raincloud_plots import MOST_MARKERS, strips
from lumirage.reporting.report_inputs import Inputs, read_inputs
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.scene import Cloud, Dot, Scene, numbers_of, to_svg


def test_every_figure_of_the_page_has_a_table_with_rows(report: Path) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    figures = re.findall(r"<figure .*?</figure>", text, re.DOTALL)
    assert len(figures) > 8
    for figure in figures:
        table = re.search(
            r'<details class="numbers">.*?<table aria-label="Numbers: [^"]+">(.*?)</table>', figure, re.DOTALL
        )
        assert table, figure[:200]
        assert len(re.findall("<tr>", table[1])) > 1
        assert re.search(r"<td class=\"n\">[^<]|<th scope=\"row\">[^<]", table[1])


@pytest.mark.parametrize("which", ["factors", "bare"])
def test_every_kind_of_figure_has_columns_that_fit(which: str, request: pytest.FixtureRequest) -> None:
    inputs: Inputs = request.getfixturevalue(which)
    problems = ReportProblems()
    drawn = draw_figures(inputs, problems)
    assert problems.told == []
    sections = set()
    for figure in drawn:
        table = numbers_of(figure.wide)
        sections.add(figure.section)
        assert len(table) > 1, figure.wide.name
        assert {len(row) for row in table} == {len(table[0])}, figure.wide.name
    assert {"strips", "times", "failures"} <= sections
    if which == "factors":
        assert {"forest", "stability", "resolution", "resolution_costs", "truth", "sources"} <= sections


def test_the_numbers_are_those_drawn(report: Path, layout: object) -> None:
    inputs = read_inputs(layout)  # type: ignore[arg-type]
    dice = inputs.measures[0]
    values = inputs.matrix(dice, inputs.conditions[0])[inputs.methods.index("alpha")]
    table = {row[0]: row for row in strips(inputs, dice, inputs.conditions[0], WIDE).numbers}
    assert table["alpha"][1:3] == (str(values.size), short(float(np.median(values)), 4))
    effects = forest(inputs, dice, WIDE)
    head, *rows = effects.numbers
    assert head[1].startswith("minus ")
    assert [row[0] for row in rows] == [m for m in inputs.methods if f"{m} minus" in effects.alt]
    peak = max(float(v) for v in inputs.runs["peak_memory_bytes"].dropna()) / GB
    shown = [float(row[3]) for row in memory(inputs, WIDE).numbers[1:]]
    assert 0.5 * peak < max(shown) < 1.5 * peak
    assert "memory (GB)" in pareto(inputs, dice, "peak_memory_bytes", WIDE).title


def test_without_a_table_of_its_own_a_figure_tells_what_its_marks_tell() -> None:
    scene = Scene("s", "t", "described", 10, 10, [Dot((1, 1), title="x: 3"), Dot((2, 2), title="y: 4"), Dot((3, 3))])
    assert numbers_of(scene) == (("Shown",), ("x: 3",), ("y: 4",))
    assert numbers_of(Scene("s", "t", "described", 10, 10, [])) == (("Shown",), ("described",))


def test_points_have_the_marker_of_their_method_unless_there_are_too_many(layout: object) -> None:
    inputs = read_inputs(layout)  # type: ignore[arg-type]
    clouds = [m for m in strips(inputs, inputs.measures[0], inputs.conditions[0], WIDE).marks if isinstance(m, Cloud)]
    assert [c.marker for c in clouds] == [inputs.looks[m].marker for m in inputs.methods]
    corners = len(OUTLINES["triangle"])
    few = Scene("s", "t", "a", 10, 10, [Cloud([(1, 1), (5, 5)], marker="triangle")])
    path = re.search(r'<path d="([^"]+)"', str(to_svg(few, inline=False)))[1]  # type: ignore[index]
    assert (path.count("M"), path.count("L"), path.count("Z")) == (2, 2 * (corners - 1), 2)
    assert MOST_MARKERS < 5000
