"""Makes the page of one pair: pictures of every method, scores per label, log tails, provenance."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from lumirage.core.errors import DataError
from lumirage.core.model import SENTINELS, Outcome, Pair, Run
from lumirage.core.precision import rounded
from lumirage.core.space import Float, Single
from lumirage.reporting.axes import MINUS, short
from lumirage.reporting.chosen_pairs import Chosen
from lumirage.reporting.headline_figure import halves_of
from lumirage.reporting.landmark_errors import LandmarkTable, landmark_table, landmarks_of, viewer_points
from lumirage.reporting.method_looks import Look
from lumirage.reporting.pair_panels import PairPlanes, PanelRow, errors_of, planes_of, result_rows, shared_rows
from lumirage.reporting.pair_pictures import read_pair_images, read_result
from lumirage.reporting.report_inputs import Inputs, files_of, read_run
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.viewer_volumes import embedded

AFFINE = SENTINELS[-1]
"""The preparation alone: the errors that landmarks have on the moving image."""


@dataclass(frozen=True)
class MethodPart:
    """The result of one method on the pair."""

    method: str
    run: Run
    rows: tuple[PanelRow, ...]
    trouble: str
    """Why there are no pictures; empty if there are."""


@dataclass(frozen=True)
class LabelTable:
    """Values of one metric for each label (rows) and method (columns), as text."""

    title: str
    methods: tuple[str, ...]
    rows: tuple[tuple[int, str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class PairPage:
    """The context of a pair's template."""

    title: str
    choice: Chosen
    pair: Pair
    scores: tuple[tuple[str, tuple[str, ...]], ...]
    """Method and its values, in the order of `measures`."""
    measures: tuple[str, ...]
    outlines: Markup
    shared: tuple[PanelRow, ...]
    parts: tuple[MethodPart, ...]
    trouble: str
    labels: tuple[LabelTable, ...]
    landmarks: LandmarkTable | None
    looks: dict[str, Look]
    volumes: str
    warning: str
    """Doubts about the pair itself; empty if there are none."""
    caution: str
    """What the dataset's numbers cannot say; empty if it says nothing of the kind."""


@dataclass(frozen=True)
class PageValues:
    """What all pages of pairs share."""

    labels: pd.DataFrame
    """Rows of single labels."""
    halves: tuple[float, ...]
    """For each measure half of its finest interval, which says how many digits are shown; NaN: unknown."""


def page_values(inputs: Inputs, labels: pd.DataFrame) -> PageValues:
    """With the intervals that the analysis found."""
    return PageValues(labels, tuple(halves_of(inputs, measure)[""] for measure in inputs.measures))


def make_pair_page(inputs: Inputs, choice: Chosen, values: PageValues, problems: ReportProblems) -> PairPage:
    """Read, warp and draw one pair.

    A picture that cannot be made is a sentence on the page, not an error.
    """
    pair = inputs.evaluation.under(inputs.pairs[choice.pair], choice.condition)
    runs = _runs(inputs, choice)
    pair_planes, trouble = problems.attempt(
        f"pictures of {choice.name}",
        lambda: _stage(inputs, pair, runs, problems),
        lambda why: (None, f"No pictures: {why}."),
    )
    moved: dict[str, Single] = {}
    errors = _errors_of_affine(pair_planes)

    def part(method: str, run: Run, path: Path) -> MethodPart:
        return problems.attempt(
            f"pictures of {method} on {choice.name}",
            lambda: _part(pair_planes, method, run, path, (moved, errors, problems)),
            lambda why: MethodPart(method, run, (), f"No pictures: {why}."),
        )

    parts = tuple(part(method, run, path) for method, (run, path) in runs.items())
    return PairPage(
        title=f"{pair.moving.name} to {pair.fixed.name}",
        choice=choice,
        pair=pair,
        scores=_scores(inputs, choice, values.halves),
        measures=tuple(m.title for m in inputs.measures),
        outlines=_outlines(pair_planes, problems) if pair_planes else Markup(""),
        shared=tuple(shared_rows(pair_planes, problems)) if pair_planes else (),
        parts=parts,
        trouble=trouble,
        labels=_labels(inputs, choice, values.labels),
        landmarks=landmark_table(pair_planes.landmarks, errors) if pair_planes and pair_planes.landmarks else None,
        looks=inputs.looks,
        volumes=_volumes(pair_planes, moved, errors, problems) if pair_planes else "",
        warning=inputs.pair_warnings.get(choice.pair, ""),
        caution=inputs.evaluation.caution,
    )


def page_without(inputs: Inputs, choice: Chosen, why: str) -> PairPage:
    """The page of a pair that could not be drawn, with the reason."""
    pair = inputs.pairs[choice.pair]
    return PairPage(
        title=f"{pair.moving.name} to {pair.fixed.name}",
        choice=choice,
        pair=pair,
        scores=(),
        measures=(),
        outlines=Markup(""),
        shared=(),
        parts=(),
        trouble=f"This page could not be made: {why}.",
        labels=(),
        landmarks=None,
        looks=inputs.looks,
        volumes="",
        warning=inputs.pair_warnings.get(choice.pair, ""),
        caution=inputs.evaluation.caution,
    )


def _outlines(pair_planes: PairPlanes, problems: ReportProblems) -> Markup:
    what = f"outlines of {pair_planes.pair_images.pair.id}"
    return problems.attempt(what, lambda: pair_planes.outlines, lambda _: Markup(""))


def _errors_of_affine(pair_planes: PairPlanes | None) -> dict[str, Float]:
    found = errors_of(pair_planes, None) if pair_planes else None
    return {} if found is None else {AFFINE: found}


def _volumes(
    pair_planes: PairPlanes, moved: dict[str, Single], errors: dict[str, Float], problems: ReportProblems
) -> str:
    what = f"volumes of {pair_planes.pair_images.pair.id}"
    landmarks = pair_planes.landmarks
    points = {}
    if landmarks:
        points = {"fixed": viewer_points(landmarks, None), "moving": viewer_points(landmarks, errors[AFFINE])}
        points |= {f"moved by {m}": viewer_points(landmarks, of) for m, of in errors.items() if m in moved}
    return problems.attempt(what, lambda: embedded(pair_planes.pair_images, moved, points), lambda _: "")


def _runs(inputs: Inputs, choice: Chosen) -> dict[str, tuple[Run, Path]]:
    r = inputs.runs
    mine = r[(r["pair"] == choice.pair) & (r["condition"] == choice.condition)].sort_values("repeat")
    paths = {str(run.method): Path(str(run.record)) for run in mine.drop_duplicates("method").itertuples()}
    return {m: (read_run(paths[m]), paths[m]) for m in inputs.methods if m in paths}


def _stage(
    inputs: Inputs, pair: Pair, runs: dict[str, tuple[Run, Path]], problems: ReportProblems
) -> tuple[PairPlanes | None, str]:
    key = next((run.prepared for run, _ in runs.values()), "")
    if not key:
        return None, "No method was run on this pair under this condition."
    try:
        found = planes_of(read_pair_images(inputs.layout, pair, key))
    except DataError as error:
        return None, f"No pictures: {error}."
    landmarks = problems.attempt(
        f"landmarks of {pair.id}", lambda: landmarks_of(pair, found.pair_images.prepared), lambda _: None
    )
    return replace(found, landmarks=landmarks), ""


def _part(
    pair_planes: PairPlanes | None,
    method: str,
    run: Run,
    record: Path,
    kept: tuple[dict[str, Single], dict[str, Float], ReportProblems],
) -> MethodPart:
    moved, errors, problems = kept
    if run.outcome is not Outcome.OK:
        ended = run.outcome.value.replace("_", " ").capitalize()
        return MethodPart(method, run, (), f"{ended}: {run.message or 'no message'}")
    if pair_planes is None:
        return MethodPart(method, run, (), "")
    field = files_of(record).field
    try:
        result = read_result(pair_planes.pair_images, method, field, run.checksums.get("field", ""))
    except DataError as error:
        return MethodPart(method, run, (), f"No pictures: {error}.")
    moved[method] = result.moved
    if (vectors := errors_of(pair_planes, result)) is not None:
        errors[method] = vectors
    return MethodPart(method, run, tuple(result_rows(pair_planes, result, problems)), "")


def _scores(inputs: Inputs, choice: Chosen, halves: tuple[float, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    at = list(inputs.pairs).index(choice.pair)
    columns = [inputs.matrix(measure, choice.condition)[:, at] for measure in inputs.measures]
    return tuple(
        (m, tuple(_value(float(c[i]), half) for c, half in zip(columns, halves, strict=True)))
        for i, m in enumerate(inputs.methods)
    )


def _value(value: float, half: float) -> str:
    """A pair's value with the digits that the finest interval of the measure allows."""
    known = np.isfinite(value) and np.isfinite(half)
    return rounded(value, half, 2).replace("-", MINUS) if known else short(value, 4)


def _labels(inputs: Inputs, choice: Chosen, rows: pd.DataFrame) -> tuple[LabelTable, ...]:
    rows = rows[(rows["condition"] == choice.condition) & (rows["pair"] == choice.pair)]
    found = []
    for measure in inputs.measures:
        same = (rows["metric"] == measure.metric) & (rows["preset"] == measure.preset)
        mine = rows[same & (rows["settings"] == measure.settings) & (rows["source"] == measure.source)]
        if len(mine):
            found.append(_label_table(measure.title, mine, inputs.methods))
    return tuple(found)


def _label_table(title: str, rows: pd.DataFrame, methods: list[str]) -> LabelTable:
    names = dict(zip(rows["label"].astype(int), rows["name"].fillna("").astype(str), strict=True))
    values = rows.groupby(["label", "method"], observed=True)["value"].mean().unstack("method")
    values = values.reindex(columns=methods).astype(float)
    lines = tuple(
        (int(label), names[int(label)], tuple(short(v, 3) for v in row))
        for label, row in zip(values.index, values.to_numpy(dtype=np.float64), strict=True)
    )
    return LabelTable(title, tuple(methods), lines)
