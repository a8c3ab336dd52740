"""Draws the figures of a study: a claim with its margin, differences of families, and accuracy by resolution and by folds."""

import math
from collections.abc import Mapping, Sequence

from lumirage.core.metrics import title
from lumirage.core.study import OF_RUNS
from lumirage.core.study_results import ClaimResult, FamilyDifference, Interval, MethodOnTrack
from lumirage.reporting.axes import Scale, fit, short, x_axis, y_axis
from lumirage.reporting.figure_rows import Rows, clip, make_rows
from lumirage.reporting.method_looks import Look
from lumirage.reporting.scene import Box, Dot, Label, Line, Mark, Scene, text_width
from lumirage.reporting.study_words import found_at

TALL = 240.0
MARK_COLORS = {"supported": "good", "refuted": "bad", "undecided": "warn", "not measured": "muted"}


def claim_figure(result: ClaimResult, titles: Mapping[str, str], width: float) -> Scene:
    """A row for each place: the interval of these methods, thin below it that of methods like these; the margin is washed."""
    claim, places = result.claim, result.places
    rows = make_rows([at.place.name for at in places], width, pitch=34)
    sign = 100.0 if claim.kind in OF_RUNS else 1.0
    margins = _margins(result)
    ends = [
        v
        for at in places
        for of in (at.difference, at.over_methods)
        for v in (of.value, of.low, of.high)
        if v is not None
    ]
    scale = fit([sign * v for v in [0.0, *margins, *ends]], rows.left + 8, rows.right - 8)
    marks: list[Mark] = list(_zone(scale, [sign * m for m in margins], rows))
    marks += x_axis(scale, rows.top, rows.bottom, _axis(result, titles, rows.narrow))
    marks.append(Line([(scale(0), rows.top), (scale(0), rows.bottom)], color="muted"))
    marks += rows.marks({})
    for i, at in enumerate(places):
        y, color, told = rows.middle(i), MARK_COLORS[at.alone], found_at(result, at, dict(titles))
        marks += _bar(at.over_methods, scale, (y + 7, sign), "muted", 1.2)
        marks += _bar(at.difference, scale, (y, sign), color, 2.5)
        if at.difference.value is not None:
            marks.append(Dot((scale(sign * at.difference.value), y), 4.5, color, color, told))
        else:
            marks.append(Label((rows.left + 8, y + 4), "not measured", "muted", 11))
    alt = " ".join(found_at(result, at, dict(titles)) for at in places)
    return Scene(f"claim-{claim.id}", claim.sentence, alt, width, rows.bottom + 42, marks)


def _margins(result: ClaimResult) -> list[float]:
    """The bounds that decide, in the good direction."""
    claim = result.claim
    if claim.kind == "equivalence" or (claim.kind in ("difference", "interaction") and claim.direction == "different"):
        return [-claim.margin, claim.margin]
    worse = claim.kind == "no_worse_than" or (
        claim.kind in ("difference", "interaction") and claim.direction == "worse"
    )
    return [-claim.margin if worse else claim.margin]


def _zone(scale: Scale, margins: Sequence[float], rows: Rows) -> list[Mark]:
    """A wash between the margin and 0, where a difference would not matter; a dashed line at the margin."""
    low, high = (min(*margins, 0.0), max(*margins, 0.0)) if margins else (0.0, 0.0)
    marks: list[Mark] = [Box((scale(low), rows.top), (scale(high) - scale(low), rows.bottom - rows.top), "wash")]
    return marks + [
        Line([(scale(m), rows.top), (scale(m), rows.bottom)], "muted", 1.0, dash="3 3") for m in margins if m
    ]


def _axis(result: ClaimResult, titles: Mapping[str, str], narrow: bool) -> str:
    claim = result.claim
    if claim.kind in OF_RUNS:
        return "failed runs, %"
    measure = title(claim.metric)
    if narrow:
        return f"{measure}, right: {claim.family} better"
    first = titles.get(claim.family, claim.family)
    words = "hold up better" if claim.kind == "interaction" else "are better"
    return f"difference in {measure}; right: {first} {words}"


def _bar(of: Interval, scale: Scale, at: tuple[float, float], color: str, thick: float) -> list[Mark]:
    y, sign = at
    if of.low is None or of.high is None:
        return []
    return [Line([(scale(sign * of.low), y), (scale(sign * of.high), y)], color=color, width=thick)]


def family_forest(differences: Sequence[FamilyDifference], titles: Mapping[str, str], width: float) -> Scene:
    """Differences of the two families in one measure, a row for each place; drawn in the good direction."""
    rows = make_rows([of.place.name for of in differences], width, pitch=38)
    signed = [(of, -1.0 if of.direction < 0 else 1.0) for of in differences]
    ends = [
        s * v
        for of, s in signed
        for i in (of.difference, of.over_methods)
        for v in (i.value, i.low, i.high)
        if v is not None
    ]
    scale = fit([0.0, *ends], rows.left + 8, rows.right - 8)
    first = differences[0]
    better = first.first if rows.narrow else titles.get(first.first, first.first)
    axis = f"difference in {title(first.metric)}; right: {better} better"
    marks = x_axis(scale, rows.top, rows.bottom, axis)
    marks.append(Line([(scale(0), rows.top), (scale(0), rows.bottom)], color="muted"))
    marks += rows.marks({})
    told = []
    for i, (of, sign) in enumerate(signed):
        y = rows.middle(i)
        words = (
            f"{of.place.name}: {short(of.difference.value)} [{short(of.difference.low)}, {short(of.difference.high)}], "
            f"{of.n_people} people, {of.n_pairs} pairs"
        )
        marks += _bar(of.literature, scale, (y + 12, sign), "rule", 1.2)
        marks += _bar(of.over_methods, scale, (y + 6, sign), "muted", 1.4)
        marks += _bar(of.difference, scale, (y, sign), "m0", 2.5)
        if of.difference.value is not None:
            marks.append(Dot((scale(sign * of.difference.value), y), 4.5, "m0", "m0", words))
        told.append(words)
    name = f"families-{first.metric}-{first.source}"
    return Scene(
        name, f"{title(first.metric)}: differences of the families", "; ".join(told), width, rows.bottom + 42, marks
    )


def curve_figure(rows: Sequence[MethodOnTrack], looks: Mapping[str, Look], against: str, width: float) -> Scene:
    """Accuracy of the methods on one track against the spacing (`against` "spacing_mm") or against folds.

    A line for each method by spacing, a point by folds, its name at its height. Hollow: no run ended well, so that
    the value is the failure policy's.
    """
    narrow, first = width < 500, rows[0]
    names = list(dict.fromkeys(row.method for row in rows))
    room = max(text_width(clip(n, 16), bold=True) for n in names)
    known = [(row, _x(row, against), row.mean) for row in rows]
    points = [(row, x, y) for row, x, y in known if x is not None and y is not None]
    top, bottom = 34.0, 34.0 + TALL
    left, right = (44.0 if narrow else 62.0), width - 14 - room
    xs = [x for _, x, _ in points]
    wide = bool(xs) and min(xs) > 0 and max(xs) / min(xs) > 3
    x_of = fit(xs, left + 8, right - 8, log=wide)
    y_of = fit([y for _, _, y in points], bottom, top)
    words = "spacing, mm (finer to the left)" if against == "spacing_mm" else "folded voxels, %"
    marks = x_axis(x_of, top, bottom, words) + y_axis(y_of, left, right, title(first.metric))
    ends: list[tuple[float, float, str, str]] = []
    for name in names:
        look = looks[name]
        color = look.color
        mine = sorted(((x, y, row) for row, x, y in points if row.method == name), key=lambda point: point[0])
        if against == "spacing_mm" and len(mine) > 1:
            marks.append(Line([(x_of(x), y_of(y)) for x, y, _ in mine], color, 1.6, opacity=0.8))
        for x, y, row in mine:
            told = f"{name}: {title(row.metric)} {short(y)} at {short(x)}; {row.failed} of {row.runs} runs failed"
            died = row.runs > 0 and row.failed == row.runs
            marks.append(Dot((x_of(x), y_of(y)), 4.5, color, "paper" if died else color, told, look.marker))
        if mine:
            ends.append((x_of(mine[-1][0]), y_of(mine[-1][1]), name, color))
    marks += _names(ends, right + 8)
    place = first.place.track
    alt = "; ".join(f"{row.method} at {short(x)}: {short(y)}" for row, x, y in points)
    kind = "resolution" if against == "spacing_mm" else "regularity"
    return Scene(f"{kind}-{place}", f"{place}: accuracy by {kind}", alt, width, bottom + 42, marks)


def _x(row: MethodOnTrack, against: str) -> float | None:
    return row.spacing_mm if against == "spacing_mm" else row.folds_percent


def _names(ends: Sequence[tuple[float, float, str, str]], left: float) -> list[Mark]:
    """The names at the right, at the height of their last points, moved apart where they would lie on one another."""
    marks: list[Mark] = []
    free = -math.inf
    for _, y, name, color in sorted(ends, key=lambda end: end[1]):
        at = max(y + 4, free)
        marks.append(Label((left, at), clip(name, 16), color, 11, bold=True))
        free = at + 13
    return marks
