"""The figures of the overview: which there are, and their files as SVG and PNG."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lumirage.layout import write_text, written_aside
from lumirage.reporting import costs, failures
from lumirage.reporting.analysed import against_base, comparisons, main_ranking
from lumirage.reporting.doses import axes_of, dose
from lumirage.reporting.effects import forest, stability
from lumirage.reporting.inputs import Inputs
from lumirage.reporting.raster import to_png
from lumirage.reporting.rows import WIDE
from lumirage.reporting.scene import Scene, to_svg
from lumirage.reporting.strips import strips


SECTIONS = ("strips", "forest", "stability", "doses", "pareto", "times", "memory", "failures")
"""Sections of the page that hold figures."""


@dataclass(frozen=True)
class Plate:
    """A figure that can be drawn at any width."""

    section: str
    draw: Callable[[float], Scene]


def plates(inputs: Inputs) -> Iterator[Plate]:
    """All figures that these inputs allow."""
    first = inputs.measures[0]
    for measure in inputs.measures:
        yield Plate("strips", partial(strips, inputs, measure, inputs.conditions[0]))
    for measure in inputs.measures:
        if len(against_base(comparisons(inputs, measure, inputs.conditions[0]))):
            yield Plate("forest", partial(forest, inputs, measure))
    if len(main_ranking(inputs, first, inputs.conditions[0])):
        yield Plate("stability", partial(stability, inputs, first))
    for axis in axes_of(inputs):
        yield Plate("doses", partial(dose, inputs, first, axis))
    if len(inputs.runs):
        yield Plate("pareto", partial(costs.pareto, inputs, first, "wall_s"))
        if inputs.runs["peak_memory_bytes"].notna().any():
            yield Plate("pareto", partial(costs.pareto, inputs, first, "peak_memory_bytes"))
        yield Plate("times", partial(costs.times, inputs))
    if costs.has_time_lines(inputs):
        yield Plate("memory", partial(costs.memory, inputs))
    if failures.failed_pairs(inputs):
        yield Plate("failures", partial(failures.matrix, inputs))


def file_name(scene: Scene) -> str:
    """Name of a figure's files, without an ending."""
    return re.sub(r"[^0-9A-Za-z]+", "-", scene.name).strip("-")


def save_figures(inputs: Inputs, folder: Path) -> None:
    """Every figure as SVG and PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for plate in plates(inputs):
        scene = plate.draw(WIDE)
        write_text(folder / f"{file_name(scene)}.svg", to_svg(scene, inline=False))
        with written_aside(folder / f"{file_name(scene)}.png") as aside:
            aside.write_bytes(to_png(scene))
