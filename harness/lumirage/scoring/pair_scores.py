"""Scores one pair under presets: measurements in, rows out, with a reason for every missing value."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lumirage.core.metrics import METRICS
from lumirage.core.model import Score
from lumirage.core.space import points, spacing_of
from lumirage.scoring.backends import backend_for
from lumirage.scoring.known_truth import inverse_consistency
from lumirage.scoring.label_warp import Overlap
from lumirage.scoring.landmarks import error_of_centroids, error_of_points, sample_clamped, sample_cubic
from lumirage.scoring.measurements import FIXED_ABOVE_0, MOVING_ABOVE_0, LabelMeasures, PairMeasures
from lumirage.scoring.overlap import dice
from lumirage.scoring.pair_constants import PairConstants
from lumirage.scoring.presets import Preset
from lumirage.scoring.regularity import Folding
from lumirage.scoring.score_inputs import ScoreInputs
from lumirage.scoring.score_rows import LabelValues, field_row, label_rows, landmark_rows, missing_row, structure_row
from lumirage.scoring.surface import SurfaceDistances

NO_LABELS = "no label source has maps of both images"
NO_LANDMARKS = "no landmarks of both images"
NO_REGIONS = "no landmark regions of both images"


def score_pair(
    inputs: ScoreInputs,
    presets: Sequence[Preset],
    *,
    threads: int = 1,
    device: str = "cpu",
    constants: PairConstants | None = None,
) -> dict[str, list[Score]]:
    """The rows of each preset. Measurements shared by several presets are made once.

    `threads` and `device` (cpu, cuda, cuda:N) change the speed, not the result; so do `constants`, kept between the answers to
    one pair. Raises UnavailableError
    if torch or a GPU is requested and missing.
    """
    whole = any(metric in WHOLE_FIELD_METRICS for preset in presets for metric in preset.metrics)
    pair = PairMeasures(inputs, backend_for(device, threads), threads, constants, whole_field=whole)
    sources = {name: LabelMeasures(pair, maps) for name, maps in sorted(inputs.labels.items())}
    return {preset.name: _score(pair, sources, preset) for preset in presets}


def scores_of_failure(preset: Preset, sources: Sequence[str], why: str) -> list[Score]:
    """The rows of a run without a valid answer: one for each metric and label source, so that no failure is dropped."""
    rows = []
    for metric in preset.metrics:
        if METRICS[metric].of == "label":
            rows += [missing_row(metric, why, source) for source in sources or [""]]
        elif METRICS[metric].of == "landmark":
            rows.append(missing_row(metric, why, "landmarks"))
        else:
            rows.append(missing_row(metric, why))
    return rows


def _score(pair: PairMeasures, sources: dict[str, LabelMeasures], preset: Preset) -> list[Score]:
    rows = []
    for metric in preset.metrics:
        if metric in LABEL_METRICS:
            rows += _label_scores(metric, sources, preset)
        elif metric in LANDMARK_METRICS:
            rows += LANDMARK_METRICS[metric](pair, metric)
        else:
            value = FIELD_METRICS[metric](pair)
            rows += [] if value is None else [field_row(metric, *value)]
            rows += _error_by_structure(metric, sources)
    return rows


# -- labels ------------------------------------------------------------------------------------------------------------


def _label_scores(metric: str, sources: dict[str, LabelMeasures], preset: Preset) -> list[Score]:
    if not sources:
        return [missing_row(metric, NO_LABELS)]
    rows = []
    for name, measures in sources.items():
        rows += label_rows(metric, (name, measures.maps.names), LABEL_METRICS[metric](measures), preset)
        if metric in STRICT_METRICS:
            rows += _group_scores(metric, (name, measures), preset)
    return rows


def _group_scores(metric: str, source: tuple[str, LabelMeasures], preset: Preset) -> list[Score]:
    """A row for each group of labels; its number is below 0, so that the mean excludes it."""
    name, measures = source
    rows = []
    for number, (group, measured) in enumerate(measures.strict_groups.items(), start=1):
        values = _values(measured, STRICT_METRICS[metric](measured), (-number,))
        rows += label_rows(metric, (name, {-number: group}), values, preset)[:1]
    return rows


Strict = tuple[Overlap, SurfaceDistances]


def _values(measured: Strict, values: NDArray[np.float64], labels: tuple[int, ...]) -> LabelValues:
    overlap, surfaces = measured
    counts = overlap.fixed.counts, overlap.moving_counts, overlap.warped.counts
    return LabelValues(values, labels, *counts, penalty=surfaces.diagonal)


STRICT_METRICS: dict[str, Callable[[Strict], NDArray[np.float64]]] = {
    "dice_nearest_fg": lambda strict: dice(strict[0]),
    "hd95_mm": lambda strict: strict[1].hd95,
    "msd_mm": lambda strict: strict[1].mean,
    "nsd_1mm": lambda strict: strict[1].surface_dice,
}


def _strict(of: Callable[[Strict], NDArray[np.float64]]) -> Callable[[LabelMeasures], LabelValues]:
    return lambda m: _values(m.strict, of(m.strict), m.labels.values)


def _official(of: Callable[[LabelMeasures], NDArray[np.float64]]) -> Callable[[LabelMeasures], LabelValues]:
    def values(m: LabelMeasures) -> LabelValues:
        overlap, _ = m.official
        counts = overlap.fixed.counts, overlap.moving_counts, overlap.warped.counts
        return LabelValues(of(m), m.labels.values, *counts, penalty=math.inf)

    return values


def _soft(of: Callable[[LabelMeasures], NDArray[np.float64]]) -> Callable[[LabelMeasures], LabelValues]:
    def values(m: LabelMeasures) -> LabelValues:
        fixed, moving = m.working
        return LabelValues(of(m), m.labels.values, fixed.counts, moving.counts, moving.counts, penalty=math.inf)

    return values


LABEL_METRICS: dict[str, Callable[[LabelMeasures], LabelValues]] = {
    **{metric: _strict(of) for metric, of in STRICT_METRICS.items()},
    "dice_lumir": _official(lambda m: dice(m.official[0])),
    "hd95_vox_lumir": _official(lambda m: m.official[1].hd95),
    "dice_argmax_fg": _soft(lambda m: m.soft.hard),
    "dice_soft_fg": _soft(lambda m: m.soft.soft),
}


# -- landmarks ---------------------------------------------------------------------------------------------------------


def _tre_linear(pair: PairMeasures, metric: str) -> list[Score]:
    landmarks, displacement = pair.inputs.landmarks, pair.inputs.displacement
    if landmarks is None:
        return [missing_row(metric, NO_LANDMARKS, "landmarks")]
    u = sample_clamped(displacement.u, points(np.linalg.inv(displacement.affine), landmarks.fixed))
    apart = points(pair.inputs.affine, landmarks.fixed + u) - landmarks.moving
    return landmark_rows(metric, landmarks.names, np.sqrt((apart**2).sum(axis=1)), alone=landmarks.alone)


def _tre_cubic(pair: PairMeasures, metric: str) -> list[Score]:
    landmarks, grid = pair.inputs.landmarks, pair.inputs.displacement.affine
    if landmarks is None:
        return [missing_row(metric, NO_LANDMARKS, "landmarks")]
    to_grid = np.linalg.inv(grid)
    fixed = points(to_grid, landmarks.fixed)
    moving = points(to_grid @ np.linalg.inv(pair.inputs.affine), landmarks.moving)
    errors = error_of_points(fixed, moving, sample_cubic(pair.field, fixed), spacing_of(grid))
    return landmark_rows(metric, landmarks.names, errors, alone=landmarks.alone)


def _tre_centroids(pair: PairMeasures, metric: str) -> list[Score]:
    regions = pair.inputs.landmark_regions
    if regions is None:
        return [missing_row(metric, NO_REGIONS, "landmarks")]
    fixed, moving = LabelMeasures(pair, regions).working
    errors = error_of_centroids(fixed, moving, pair.field, pair.threads)
    wanted = [i for i, label in enumerate(fixed.labels.values) if label != 0 and fixed.counts[i]]
    names = tuple(regions.names.get(fixed.labels.values[i], str(fixed.labels.values[i])) for i in wanted)
    return landmark_rows(metric, names, errors[wanted], all_or_none=True)


LANDMARK_METRICS: dict[str, Callable[[PairMeasures, str], list[Score]]] = {
    "tre_mm_linear": _tre_linear,
    "tre_mm_cubic_l2r": _tre_cubic,
    "tre_vox_lumir": _tre_centroids,
}


# -- fields and images -------------------------------------------------------------------------------------------------

FieldValue = tuple[float, int | None] | None
"""Value and number of voxels; None if there is nothing to measure against, and so no row."""


def _folding(of: str, folding_of: Callable[[PairMeasures], Folding]) -> Callable[[PairMeasures], FieldValue]:
    def value(pair: PairMeasures) -> FieldValue:
        folding = folding_of(pair)
        measured = float(getattr(folding, of)) if folding.mask_voxels else math.nan
        return measured, folding.mask_voxels

    return value


def _strict_folding(of: str) -> Callable[[PairMeasures], FieldValue]:
    return _folding(of, lambda pair: pair.strict_regularity.folding)


def _volume_mm3(pair: PairMeasures) -> FieldValue:
    voxels, n = _strict_folding("volume")(pair) or (math.nan, None)
    return voxels * abs(float(np.linalg.det(pair.inputs.displacement.affine[:3, :3]))), n


def _of_truth(of: str) -> Callable[[PairMeasures], FieldValue]:
    def value(pair: PairMeasures) -> FieldValue:
        lengths = pair.truth
        return None if lengths is None else (float(getattr(lengths, of)), lengths.voxels)

    return value


TRUTH_METRICS = {"displacement_error_mm": "mean", "displacement_error_p95_mm": "p95"}


def _error_by_structure(metric: str, sources: dict[str, LabelMeasures]) -> list[Score]:
    """A row for each structure of the fixed image, if the truth is known."""
    return [
        structure_row(metric, (name, measures.maps.names), label, float(getattr(lengths, TRUTH_METRICS[metric])))
        for name, measures in sources.items()
        if metric in TRUTH_METRICS and measures.truth
        for label, lengths in zip(measures.labels.values, measures.truth, strict=True)
        if label != 0 and not math.isnan(lengths.mean)
    ]


def _inverse(pair: PairMeasures) -> FieldValue:
    backward = pair.inputs.backward
    if backward is None:
        return None
    lengths = inverse_consistency(pair.world, PairMeasures(backward, pair.backend, 1).world, pair.mask, pair.threads)
    return lengths.mean, lengths.voxels


def _likeness(of: str) -> Callable[[PairMeasures], FieldValue]:
    def value(pair: PairMeasures) -> FieldValue:
        likeness = pair.similarity
        return None if likeness is None else (float(getattr(likeness, of)), likeness.voxels)

    return value


WHOLE_FIELD_METRICS: dict[str, Callable[[PairMeasures], FieldValue]] = {
    "ndv_percent_lumir24": _folding("percent", lambda pair: pair.regularity.foldings[MOVING_ABOVE_0]),
    "ndv_percent_lumir25": _folding("percent", lambda pair: pair.regularity.foldings[FIXED_ABOVE_0]),
    "sdlogj_offset3": lambda pair: (pair.regularity.inner.sd_log_offset3, pair.regularity.inner.count),
}

FIELD_METRICS: dict[str, Callable[[PairMeasures], FieldValue]] = {
    "ndv_percent": _strict_folding("percent"),
    "ndv_mm3": _volume_mm3,
    "non_diffeo_voxels": _strict_folding("voxels"),
    "non_diffeo_tetrahedra": _strict_folding("tetrahedra"),
    "det_le0_percent": _strict_folding("voxels_percent"),
    "sdlogj": lambda pair: (pair.strict_regularity.sd_log, pair.strict_regularity.folding.mask_voxels),
    **WHOLE_FIELD_METRICS,
    **{metric: _of_truth(of) for metric, of in TRUTH_METRICS.items()},
    "inverse_consistency_mm": _inverse,
    "ncc_fixed_moved": _likeness("ncc"),
    "mi_fixed_moved": _likeness("mi"),
}
