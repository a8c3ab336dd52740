"""The pictures of a pair as rows of three SVG panels: image, outlines of labels, warped grid, Jacobian."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from lumirage.reporting.image_planes import Cut, cuts
from lumirage.reporting.pair_pictures import Result, Scenery, fixed_labels, jacobian, moved_labels
from lumirage.reporting.slice_pictures import contours, difference_png, gray_png, jacobian_png, warped_grid

FOREGROUND = 0.12
"""Share of the intensity range above which a voxel counts as content."""


@dataclass(frozen=True)
class PanelRow:
    """One kind of picture in three planes; `columns` are their widths, so that a millimetre is the same in all."""

    title: str
    note: str
    columns: str
    planes: tuple[Markup, ...]


@dataclass(frozen=True)
class Stage:
    """The planes through one pair."""

    scenery: Scenery
    cuts: tuple[Cut, ...]

    @property
    def columns(self) -> str:
        """Widths of the panels, as CSS wants them."""
        return " ".join(f"{cut.window[2] * cut.spacing[0]:.1f}fr" for cut in self.cuts)

    @property
    def outlines(self) -> Markup:
        """Definitions of the fixed outlines, one group a plane, to stand once in the page."""
        if not self.scenery.source:
            return Markup("")
        groups = (
            Markup('<g id="{}">{}</g>').format(
                self.outline_id(cut), contours(cut.picture(fixed_labels(self.scenery, cut)), "fixed")
            )
            for cut in self.cuts
        )
        return Markup('<svg width="0" height="0" aria-hidden="true" class="defs"><defs>{}</defs></svg>').format(
            Markup("").join(groups)
        )

    def outline_id(self, cut: Cut) -> str:
        """Name of the group of fixed outlines of a plane; pages of several pairs may stand in one file."""
        return f"fixed-{cut.plane}-{self.scenery.pair.id}"


def stage_of(scenery: Scenery) -> Stage:
    """Planes through the foreground of the fixed image."""
    return Stage(scenery, tuple(cuts(scenery.fixed > FOREGROUND, scenery.affine)))


def shared_rows(stage: Stage) -> list[PanelRow]:
    """Fixed and moving, as the methods were given them."""

    def row(title: str, note: str, image: str) -> PanelRow:
        volume = getattr(stage.scenery, image)
        told = f"{image} image"
        planes = (_panel(cut, gray_png(cut(volume)), _fixed(stage, cut), told) for cut in stage.cuts)
        return PanelRow(title, note, stage.columns, tuple(planes))

    return [
        row("Fixed", "with its own outlines", "fixed"),
        row("Moving", "affinely prepared, as the methods got it; outlines of the fixed labels", "moving"),
    ]


def result_rows(stage: Stage, result: Result) -> Iterator[PanelRow]:
    """Moved, difference, warped grid and Jacobian of one method."""
    scenery = stage.scenery

    def row(title: str, note: str, draw: Callable[[Cut], str], above: Callable[[Cut], Markup]) -> PanelRow:
        told = f"{title.lower()}, {result.method}"
        planes = (_panel(cut, draw(cut), above(cut), told) for cut in stage.cuts)
        return PanelRow(title, note, stage.columns, tuple(planes))

    def both(cut: Cut) -> Markup:
        return _fixed(stage, cut) + _moved(stage, result, cut)

    yield row("Moved", "outlines: fixed and moved labels", lambda cut: gray_png(cut(result.moved)), both)
    if scenery.pair.fixed.suffix == scenery.pair.moving.suffix:
        note = "moved minus fixed: red where the moved image is brighter, blue where darker"
        yield row("Difference", note, lambda cut: difference_png(cut(result.moved) - cut(scenery.fixed)), _nothing)
    note = "where the field takes a regular grid of the fixed image, seen in the plane"
    lines = _grid(stage, result)
    yield row("Warped grid", note, lambda cut: gray_png(cut(scenery.fixed) * 0.55), lines)
    note = "blue shrinks, red grows (fourfold at full colour), yellow folds"
    yield row("Jacobian", note, lambda cut: _jacobian(stage, result, cut), _nothing)


def _grid(stage: Stage, result: Result) -> Callable[[Cut], Markup]:
    return lambda cut: warped_grid(result.u, cut, stage.scenery.affine)


def _jacobian(stage: Stage, result: Result, cut: Cut) -> str:
    return jacobian_png(cut.picture(jacobian(result.u, stage.scenery.affine, cut)))


def _nothing(_cut: Cut) -> Markup:
    return Markup("")


def _fixed(stage: Stage, cut: Cut) -> Markup:
    if not stage.scenery.source:
        return Markup("")
    return Markup('<use href="#{}" class="of-fixed"/>').format(stage.outline_id(cut))


def _moved(stage: Stage, result: Result, cut: Cut) -> Markup:
    if not stage.scenery.source:
        return Markup("")
    labels = cut.picture(moved_labels(stage.scenery, result, cut))
    return Markup('<g class="of-moved">{}</g>').format(contours(labels, "moved"))


def _panel(cut: Cut, png: str, above: Markup, told: str) -> Markup:
    left, top, columns, rows = cut.window
    x, y = cut.spacing
    width, height = cut.size
    return Markup(
        '<svg class="panel" viewBox="{:.1f} {:.1f} {:.1f} {:.1f}" role="img" aria-label="{}, {}">'
        '<g transform="scale({:.4f} {:.4f})">'
        '<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/>{}</g></svg>'
    ).format(left * x, top * y, columns * x, rows * y, told, cut.plane, x, y, png, width, height, above)
