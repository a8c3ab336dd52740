"""The pictures of a pair as rows of three SVG panels: image, outlines of labels, warped grid, Jacobian."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from lumirage.reporting.pictures import Result, Scenery, Turn, turn_of
from lumirage.reporting.slices import Cut, contours, cuts, difference_png, gray_png, jacobian_png, warped_grid
from lumirage.space import Array


@dataclass(frozen=True)
class PanelRow:
    """One kind of picture in three planes."""

    title: str
    note: str
    planes: tuple[Markup, ...]


@dataclass(frozen=True)
class Stage:
    """The planes through one pair, and outlines that several pictures share."""

    scenery: Scenery
    turn: Turn
    cuts: tuple[Cut, ...]

    @property
    def outlines(self) -> Markup:
        """Definitions of the fixed outlines, one group a plane, to stand once in the page."""
        if self.scenery.fixed_labels is None:
            return Markup("")
        labels = self.turn(self.scenery.fixed_labels)
        groups = (
            Markup('<g id="fixed-{}-{}">{}</g>').format(cut.plane, self.scenery.pair.id, contours(cut(labels), "fixed"))
            for cut in self.cuts
        )
        return Markup('<svg width="0" height="0" aria-hidden="true" class="defs"><defs>{}</defs></svg>').format(
            Markup("").join(groups)
        )


def stage_of(scenery: Scenery) -> Stage:
    """Planes through the middle of the fixed labels, or of the fixed image where there are none."""
    turn = turn_of(scenery.grid)
    content = scenery.fixed_labels if scenery.fixed_labels is not None else scenery.fixed > 0.1
    return Stage(scenery, turn, tuple(cuts(turn(content), turn.affine)))


def shared_rows(stage: Stage) -> list[PanelRow]:
    """Fixed and moving, as the methods were given them."""
    scenery = stage.scenery
    fixed = [
        _panel(cut, gray_png(cut(stage.turn(scenery.fixed))), _fixed(stage, cut), "fixed image") for cut in stage.cuts
    ]
    moving = [
        _panel(cut, gray_png(cut(stage.turn(scenery.moving))), _fixed(stage, cut), "moving image before registration")
        for cut in stage.cuts
    ]
    return [
        PanelRow("Fixed", "with its own outlines", tuple(fixed)),
        PanelRow("Moving", "affinely prepared, as the methods got it; outlines of the fixed labels", tuple(moving)),
    ]


def result_rows(stage: Stage, result: Result) -> Iterator[PanelRow]:
    """Moved, difference, warped grid and Jacobian of one method."""
    turn, scenery, name = stage.turn, stage.scenery, result.method
    labels = turn(result.moved_labels) if result.moved_labels is not None else None

    def over(cut: Cut) -> Markup:
        moved = (
            Markup('<g class="of-moved">{}</g>').format(contours(cut(labels), "moved")) if labels is not None else ""
        )
        return _fixed(stage, cut) + moved

    def row(title: str, note: str, draw: Callable[[Cut], str], above: Callable[[Cut], Markup]) -> PanelRow:
        told = f"{title.lower()}, {name}"
        return PanelRow(title, note, tuple(_panel(cut, draw(cut), above(cut), told) for cut in stage.cuts))

    yield row("Moved", "outlines: fixed and moved labels", lambda cut: gray_png(cut(turn(result.moved))), over)
    if scenery.pair.fixed.suffix == scenery.pair.moving.suffix:
        difference: Array = turn(result.moved - scenery.fixed)
        note = "moved minus fixed: red where the moved image is brighter, blue where darker"
        yield row("Difference", note, lambda cut: difference_png(cut(difference)), _nothing)
    u = turn(result.u)
    faint = turn(scenery.fixed) * 0.55
    note = "where the field takes a regular grid of the fixed image, in the plane"
    yield row("Warped grid", note, lambda cut: gray_png(cut(faint)), lambda cut: warped_grid(u, cut, turn.affine))
    jacobian = turn(result.jacobian)
    folds = int((result.jacobian <= 0).sum())
    note = f"blue shrinks, red grows (fourfold at full colour), black folds: {folds} of {jacobian.size} voxels"
    yield row("Jacobian", note, lambda cut: jacobian_png(cut(jacobian)), _nothing)


def correlation(scenery: Scenery, result: Result) -> float:
    """Pearson correlation of moved and fixed image over the working grid; NaN for a constant image."""
    if result.moved.std() == 0 or scenery.fixed.std() == 0:
        return float("nan")
    return float(np.corrcoef(scenery.fixed.ravel(), result.moved.ravel())[0, 1])


def _nothing(_cut: Cut) -> Markup:
    return Markup("")


def _fixed(stage: Stage, cut: Cut) -> Markup:
    if stage.scenery.fixed_labels is None:
        return Markup("")
    return Markup('<use href="#fixed-{}-{}" class="of-fixed"/>').format(cut.plane, stage.scenery.pair.id)


def _panel(cut: Cut, png: str, above: Markup, told: str) -> Markup:
    shape = cut.size
    width, height = shape[0] * cut.spacing[0], shape[1] * cut.spacing[1]
    return Markup(
        f'<svg class="panel" viewBox="0 0 {width:.1f} {height:.1f}" role="img" aria-label="{escape(told)}, {cut.plane}">'
        f'<g transform="scale({cut.spacing[0]:.4f} {cut.spacing[1]:.4f})">'
        f'<image href="{png}" width="{shape[0]}" height="{shape[1]}" preserveAspectRatio="none"/>{above}</g></svg>'
    )
