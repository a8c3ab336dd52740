"""Draws a pair as rows of three SVG panels: image, outlines of labels, landmarks, warped grid, Jacobian."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from lumirage.core.space import Float
from lumirage.reporting.image_planes import Cut, cuts
from lumirage.reporting.landmark_errors import Landmarks, drawn_landmarks, error_vectors, planes_through
from lumirage.reporting.pair_pictures import PairImages, Result, fixed_labels, jacobian, moved_labels
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.slice_pictures import contours, difference_png, gray_png, jacobian_png, warped_grid

FOREGROUND = 0.12
"""Share of the intensity range above which a voxel counts as content."""


@dataclass(frozen=True)
class PanelRow:
    """One kind of picture in three planes; `columns` are their widths, so that all have the same scale."""

    title: str
    note: str
    columns: str
    planes: tuple[Markup, ...]


@dataclass(frozen=True)
class PairPlanes:
    """The planes through one pair."""

    pair_images: PairImages
    cuts: tuple[Cut, ...]
    landmarks: Landmarks | None = None

    @property
    def columns(self) -> str:
        """Widths of the panels in CSS."""
        return " ".join(f"{cut.window[2] * cut.spacing[0]:.1f}fr" for cut in self.cuts)

    @property
    def outlines(self) -> Markup:
        """Definitions of the fixed outlines, one group for each plane, included once in the page."""
        if not self.pair_images.source:
            return Markup("")
        groups = (
            Markup('<g id="{}">{}</g>').format(
                self.outline_id(cut), contours(cut.picture(fixed_labels(self.pair_images, cut)), "fixed")
            )
            for cut in self.cuts
        )
        return Markup('<svg width="0" height="0" aria-hidden="true" class="defs"><defs>{}</defs></svg>').format(
            Markup("").join(groups)
        )

    def outline_id(self, cut: Cut) -> str:
        """Name of the group of fixed outlines of a plane; pages of several pairs may stand in one file."""
        return f"fixed-{cut.plane}-{self.pair_images.pair.id}"


def planes_of(pair_images: PairImages) -> PairPlanes:
    """Planes through the foreground of the fixed image."""
    return PairPlanes(pair_images, tuple(cuts(pair_images.fixed > FOREGROUND, pair_images.affine)))


def shared_rows(pair_planes: PairPlanes, problems: ReportProblems) -> list[PanelRow]:
    """Fixed and moving image as the methods got them."""

    vectors = {"fixed": None, "moving": errors_of(pair_planes, None)}

    def row(title: str, note: str, image: str) -> PanelRow:
        volume = getattr(pair_planes.pair_images, image)
        told = f"{image} image"

        def panel(cut: Cut) -> Markup:
            above = _fixed(pair_planes, cut) + _landmarks(pair_planes, vectors[image], cut)
            return _panel(cut, gray_png(cut(volume)), above, told)

        return _row(pair_planes, title, note, panel, problems)

    return [
        row("Fixed", "with its own outlines", "fixed"),
        row("Moving", "affinely prepared, as the methods got it; outlines of the fixed labels", "moving"),
    ]


def _row(
    pair_planes: PairPlanes, title: str, note: str, panel: Callable[[Cut], Markup], problems: ReportProblems
) -> PanelRow:
    """A row of panels; if it cannot be drawn, only the reason."""
    pair = pair_planes.pair_images.pair.id
    return problems.attempt(
        f"picture '{title}' of {pair}",
        lambda: PanelRow(title, note, pair_planes.columns, tuple(panel(cut) for cut in pair_planes.cuts)),
        lambda why: PanelRow(title, f"could not be drawn: {why}", "1fr", ()),
    )


def result_rows(pair_planes: PairPlanes, result: Result, problems: ReportProblems) -> Iterator[PanelRow]:
    """Moved, difference, warped grid and Jacobian of one method."""
    pair_images = pair_planes.pair_images

    def row(title: str, note: str, draw: Callable[[Cut], str], above: Callable[[Cut], Markup]) -> PanelRow:
        told = f"{title.lower()}, {result.method}"
        return _row(pair_planes, title, note, lambda cut: _panel(cut, draw(cut), above(cut), told), problems)

    vectors = errors_of(pair_planes, result)

    def both(cut: Cut) -> Markup:
        return _fixed(pair_planes, cut) + _moved(pair_planes, result, cut) + _landmarks(pair_planes, vectors, cut)

    yield row("Moved", "outlines: fixed and moved labels", lambda cut: gray_png(cut(result.moved)), both)
    if pair_planes.landmarks and vectors is not None:
        yield _at_worst_landmark(pair_planes, result, (pair_planes.landmarks, vectors), problems)
    if pair_images.pair.fixed.suffix == pair_images.pair.moving.suffix:
        note = "moved minus fixed: red where the moved image is brighter, blue where darker"
        yield row("Difference", note, lambda cut: difference_png(cut(result.moved) - cut(pair_images.fixed)), _nothing)
    note = "where the field takes a regular grid of the fixed image, seen in the plane"
    lines = _grid(pair_planes, result)
    yield row("Warped grid", note, lambda cut: gray_png(cut(pair_images.fixed) * 0.55), lines)
    note = "blue shrinks, red grows (fourfold at full colour), yellow folds"
    yield row("Jacobian", note, lambda cut: _jacobian(pair_planes, result, cut), _nothing)


def errors_of(pair_planes: PairPlanes, result: Result | None) -> Float | None:
    """The error vectors of the landmarks; those of the affine alone without a result. None: there are no landmarks."""
    if pair_planes.landmarks is None:
        return None
    return error_vectors(pair_planes.landmarks, result.u if result else None, pair_planes.pair_images.affine)


def _at_worst_landmark(
    pair_planes: PairPlanes, result: Result, known: tuple[Landmarks, Float], problems: ReportProblems
) -> PanelRow:
    """The moved image in the planes through the landmark with the largest error."""
    landmarks, vectors = known
    lengths = np.linalg.norm(vectors, axis=1)
    k = int(np.argmax(lengths))
    here = replace(pair_planes, cuts=planes_through(landmarks, k, pair_planes.cuts, pair_planes.pair_images.affine))
    told = f"moved at the landmark {landmarks.names[k]}, {result.method}"

    def panel(cut: Cut) -> Markup:
        return _panel(cut, gray_png(cut(result.moved)), _landmarks(pair_planes, vectors, cut), told)

    note = f"planes through {landmarks.names[k]}: {lengths[k]:.1f} mm"
    return _row(here, "Largest landmark error", note, panel, problems)


def _grid(pair_planes: PairPlanes, result: Result) -> Callable[[Cut], Markup]:
    return lambda cut: warped_grid(result.u, cut, pair_planes.pair_images.affine)


def _jacobian(pair_planes: PairPlanes, result: Result, cut: Cut) -> str:
    return jacobian_png(cut.picture(jacobian(result.u, pair_planes.pair_images.affine, cut)))


def _nothing(_cut: Cut) -> Markup:
    return Markup("")


def _fixed(pair_planes: PairPlanes, cut: Cut) -> Markup:
    if not pair_planes.pair_images.source:
        return Markup("")
    return Markup('<use href="#{}" class="of-fixed"/>').format(pair_planes.outline_id(cut))


def _landmarks(pair_planes: PairPlanes, vectors: Float | None, cut: Cut) -> Markup:
    if pair_planes.landmarks is None:
        return Markup("")
    return drawn_landmarks(pair_planes.landmarks, vectors, cut, pair_planes.pair_images.affine)


def _moved(pair_planes: PairPlanes, result: Result, cut: Cut) -> Markup:
    if not pair_planes.pair_images.source:
        return Markup("")
    labels = cut.picture(moved_labels(pair_planes.pair_images, result, cut))
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
