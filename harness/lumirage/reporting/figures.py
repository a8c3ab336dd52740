"""The figures of the overview: which there are, and their files as SVG and PNG."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lumirage.layout import write_text, written_aside
from lumirage.reporting import costs, failures
from lumirage.reporting.analysed import main_ranking
from lumirage.reporting.doses import axes_of, dose
from lumirage.reporting.effects import forest, has_effects, stability
from lumirage.reporting.inputs import Inputs
from lumirage.reporting.raster import to_png
from lumirage.reporting.rows import NARROW, WIDE
from lumirage.reporting.scene import Scene, to_svg
from lumirage.reporting.strips import strips

SECTIONS = ("strips", "forest", "stability", "doses", "pareto", "times", "memory", "failures")
"""Sections of the page that hold figures."""


MOST_MEASURES = 16
"""Measures that get figures of their own, the most wanted first. The tables have all."""


@dataclass(frozen=True)
class Plate:
    """A figure, drawn for the text column and for a phone."""

    section: str
    wide: Scene
    narrow: Scene


def draw_plates(inputs: Inputs) -> list[Plate]:
    """All figures that these inputs allow."""
    return [Plate(section, draw(WIDE), draw(NARROW)) for section, draw in _drawings(inputs)]


def _drawings(inputs: Inputs) -> Iterator[tuple[str, Callable[[float], Scene]]]:
    first = inputs.measures[0]
    for measure in inputs.measures[:MOST_MEASURES]:
        if np.isfinite(inputs.matrix(measure, inputs.conditions[0])).any():
            yield ("strips", partial(strips, inputs, measure, inputs.conditions[0]))
    for measure in inputs.measures[:MOST_MEASURES]:
        if has_effects(inputs, measure):
            yield ("forest", partial(forest, inputs, measure))
    if len(main_ranking(inputs, first, inputs.conditions[0])):
        yield ("stability", partial(stability, inputs, first))
    for axis in axes_of(inputs):
        yield ("doses", partial(dose, inputs, first, axis))
    yield from _costs(inputs)
    if failures.failed_pairs(inputs):
        yield ("failures", partial(failures.matrix, inputs))


def _costs(inputs: Inputs) -> Iterator[tuple[str, Callable[[float], Scene]]]:
    first = inputs.measures[0]
    if len(inputs.runs):
        yield ("pareto", partial(costs.pareto, inputs, first, "wall_s"))
        if inputs.runs["peak_memory_bytes"].notna().any():
            yield ("pareto", partial(costs.pareto, inputs, first, "peak_memory_bytes"))
        yield ("times", partial(costs.times, inputs))
    if costs.has_time_lines(inputs):
        yield ("memory", partial(costs.memory, inputs))


def file_name(scene: Scene) -> str:
    """Name of a figure's files, without an ending."""
    return re.sub(r"[^0-9A-Za-z]+", "-", scene.name).strip("-")


def save_figures(plates: Sequence[Plate], folder: Path) -> None:
    """Every figure as SVG and PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for plate in plates:
        name = file_name(plate.wide)
        write_text(folder / f"{name}.svg", to_svg(plate.wide, inline=False))
        with written_aside(folder / f"{name}.png") as aside:
            aside.write_bytes(to_png(plate.wide))
