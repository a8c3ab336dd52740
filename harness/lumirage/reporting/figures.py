"""Makes the figures of the overview, and their files as SVG and PNG."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lumirage.core.layout import write_text, written_aside
from lumirage.reporting import cost_figures as costs
from lumirage.reporting import failure_tables as failures
from lumirage.reporting import label_sources as sources
from lumirage.reporting import preparation_effects as preparation
from lumirage.reporting import regularity_figures as regularity
from lumirage.reporting import resolution_figures
from lumirage.reporting import resolution_results as resolution
from lumirage.reporting import true_error_figures as truth
from lumirage.reporting.analysis_tables import main_ranking
from lumirage.reporting.dose_figures import axes_of, dose, is_curve
from lumirage.reporting.effect_figures import forest, has_effects, stability
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.raincloud_plots import strips
from lumirage.reporting.raster import to_png
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.scene import Label, Mark, Scene, to_svg

SECTIONS = (
    "strips", "forest", "stability", "regularity", "changes", "resolution", "resolution_costs", "truth", "sources",
    "pareto", "times", "memory", "failures",
)  # fmt: skip
"""Sections of the page with figures."""


MOST_MEASURES = 16
"""Most measures with figures of their own, the most interesting first. The tables have all."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure, drawn for the text column and for a phone."""

    section: str
    wide: Scene
    narrow: Scene
    pick: str
    """The choice under which it is shown; empty if it is always shown."""


@dataclass(frozen=True)
class _Drawing:
    section: str
    draw: Callable[[float], Scene]
    pick: str = ""


def draw_figures(inputs: Inputs, problems: ReportProblems) -> list[ReportFigure]:
    """All figures that these inputs allow; a figure that cannot be drawn is replaced by the reason."""
    found = []
    for section, drawings in _KINDS.items():
        wanted = problems.attempt(f"figures of {section}", lambda d=drawings: list(d(inputs)), lambda _: [])  # type: ignore[misc]
        found += [_figure(drawing, n, problems) for n, drawing in enumerate(wanted)]
    return found


def _figure(drawing: _Drawing, n: int, problems: ReportProblems) -> ReportFigure:
    what = f"figure {drawing.section}" + (f" of {drawing.pick}" if drawing.pick else "")

    def both() -> ReportFigure:
        wide, narrow = drawing.draw(WIDE), drawing.draw(NARROW)
        to_svg(wide), to_svg(narrow)  # finds figures that cannot be written here, not while the page is made
        return ReportFigure(drawing.section, wide, narrow, drawing.pick)

    def reason(why: str) -> ReportFigure:
        name = f"{drawing.section}-{drawing.pick}-not-drawn-{n}"
        wide, narrow = (_in_words(name, f"{what} could not be drawn: {why}", width) for width in (WIDE, NARROW))
        return ReportFigure(drawing.section, wide, narrow, drawing.pick)

    return problems.attempt(what, both, reason)


def _in_words(name: str, text: str, width: float) -> Scene:
    """A text in place of a figure."""
    lines = textwrap.wrap(text, max(20, int(width / 7)))
    marks: list[Mark] = [Label((8, 20 + 18 * k), line, "bad", 12) for k, line in enumerate(lines)]
    return Scene(name, "Not drawn", text, width, 24.0 + 18 * len(lines), marks)


def _every_pair(inputs: Inputs) -> Iterator[_Drawing]:
    for measure in inputs.measures[:MOST_MEASURES]:
        if np.isfinite(inputs.matrix(measure, inputs.conditions[0])).any():
            yield _Drawing("strips", partial(strips, inputs, measure, inputs.conditions[0]), measure.title)


def _effects(inputs: Inputs) -> Iterator[_Drawing]:
    first = inputs.measures[0]
    for measure in inputs.measures[:MOST_MEASURES]:
        if has_effects(inputs, measure):
            yield _Drawing("forest", partial(forest, inputs, measure), measure.title)
    if len(main_ranking(inputs, first, inputs.conditions[0])):
        yield _Drawing("stability", partial(stability, inputs, first))
    for measure in inputs.measures[:MOST_MEASURES]:
        for against in regularity.regularities_of(inputs, measure):
            yield _Drawing("regularity", partial(regularity.figure, inputs, measure, against), measure.title)


def _failures(inputs: Inputs) -> Iterator[_Drawing]:
    if failures.failed_pairs(inputs):
        yield _Drawing("failures", partial(failures.matrix, inputs))


def _changes(inputs: Inputs) -> Iterator[_Drawing]:
    """For each measure: the changes on axes with few levels or names, a curve for every other axis."""
    tables = preparation.change_tables(inputs)
    for table in tables:
        if preparation.has_forest(table):
            yield _Drawing("changes", partial(preparation.forest, inputs, table), table.measure.title)
    measures = [table.measure for table in tables] or inputs.measures[:1]
    sizes = resolution.sizes_of(inputs)
    for measure in measures:
        for axis, levels in axes_of(inputs).items():
            if is_curve(levels) and not (sizes and axis == resolution.AXIS):
                yield _Drawing("changes", partial(dose, inputs, measure, axis), measure.title)
    if sizes:
        for measure in measures:
            yield _Drawing("resolution", partial(resolution_figures.accuracy, inputs, measure), measure.title)
        for cost in resolution.costs_of(inputs):
            yield _Drawing("resolution_costs", partial(resolution_figures.cost, inputs, cost))


def _orders(inputs: Inputs) -> Iterator[_Drawing]:
    """The methods in order: by true error and by Dice; by each label source."""
    if known := truth.truth_of(inputs):
        yield _Drawing("truth", partial(truth.figure, inputs, known))
    for of_metric in sources.sources_of(inputs):
        yield _Drawing("sources", partial(sources.figure, inputs, of_metric), of_metric.metric)


def _costs(inputs: Inputs) -> Iterator[_Drawing]:
    first = inputs.measures[0]
    if len(inputs.runs):
        yield _Drawing("pareto", partial(costs.pareto, inputs, first, "wall_s"))
        if inputs.runs["peak_memory_bytes"].notna().any():
            yield _Drawing("pareto", partial(costs.pareto, inputs, first, "peak_memory_bytes"))
        yield _Drawing("times", partial(costs.times, inputs))
    if costs.has_time_lines(inputs):
        yield _Drawing("memory", partial(costs.memory, inputs))


_KINDS: dict[str, Callable[[Inputs], Iterator[_Drawing]]] = {
    "pairs": _every_pair,
    "effects": _effects,
    "conditions": _changes,
    "orders": _orders,
    "costs": _costs,
    "failures": _failures,
}


def file_name(scene: Scene) -> str:
    """Name of a figure's files, without an ending."""
    return re.sub(r"[^0-9A-Za-z]+", "-", scene.name).strip("-")


def save_figures(drawn_figures: Sequence[ReportFigure], folder: Path, problems: ReportProblems) -> None:
    """Every figure as SVG and PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for drawn in drawn_figures:
        problems.attempt(f"files of figure {drawn.wide.name}", partial(_save, drawn.wide, folder), lambda _: None)


def _save(scene: Scene, folder: Path) -> None:
    name = file_name(scene)
    write_text(folder / f"{name}.svg", to_svg(scene, inline=False))
    with written_aside(folder / f"{name}.png") as aside:
        aside.write_bytes(to_png(scene))
