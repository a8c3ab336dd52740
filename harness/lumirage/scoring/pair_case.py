"""Scores one pair from one file (.npz): for development, and to compare this scorer with published numbers.

Keys: `fixed_seg`, `moving_seg`, `labels`; the displacement in voxels as `displacement`, `displacement_q1024`
(divided by 1024) or `control_q1024` with `control_step` (a coarse grid); optionally `spacing`, `fixed_img`,
`moving_img`, `lm_fixed`, `lm_moving` (regions) and `pts_fixed`, `pts_moving` (voxel points).
"""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lumirage.core.errors import DataError
from lumirage.core.space import Displacement, Volume, refuse_not_finite
from lumirage.scoring.displacement_planes import Field
from lumirage.scoring.official_numbers import (
    Detailed,
    OfficialLabels,
    official_centroid_tre,
    official_field,
    official_point_tre,
    official_regularity,
)
from lumirage.scoring.pair_scores import score_pair
from lumirage.scoring.presets import SCORER_VERSION, preset_named
from lumirage.scoring.regularity import Folding, Regularity
from lumirage.scoring.score_inputs import LabelMaps, Landmarks, ScoreInputs

Arrays = Mapping[str, NDArray[Any]]
QUANT = 1024
OFFICIAL = ("lumir24", "lumir25", "learn2reg")
"""Presets whose case result has the layout of the challenges' numbers; others give a list of scores."""


def score_case(path: Path, preset: str, *, as_official: bool = False, threads: int = 1) -> dict[str, Any]:
    """The scores of one case as plain data for JSON.

    NaN and inf become null, or, `as_official`, the texts "nan" and "inf", and only then is a non-finite field
    scored at all. Raises DataError for a file that is not a case, InvalidAnswerError for a field of the wrong shape or with
    non-finite values.
    """
    chosen = preset_named(preset)
    case = read_case(path)
    field = official_field(stored_field(case), case["fixed_seg"].shape, "x")
    if not as_official:
        refuse_not_finite(np.moveaxis(field, 0, -1))
    head = {"case": path.name, "preset": preset, "settings": chosen.settings, "scorer": SCORER_VERSION}
    if preset in OFFICIAL:
        return head | to_plain(_official_numbers(case, field, threads), as_official=as_official)
    scores = score_pair(_inputs(case, field), [chosen], threads=threads)[preset]
    return head | {"scores": [score.model_dump() for score in scores]}


def read_case(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a case. Raises DataError with the names of missing arrays."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            case = {key: stored[key] for key in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz case ({error})") from error
    missing = [key for key in ("fixed_seg", "moving_seg") if key not in case]
    if missing:
        raise DataError(f"{path}: not a case, it has no {' and no '.join(missing)}")
    return case


def stored_field(case: Arrays) -> NDArray[Any]:
    """The displacement in voxels, with components first or last as in the case."""
    if "displacement" in case:
        return case["displacement"]
    if "displacement_q1024" in case:
        return case["displacement_q1024"].astype(np.float32) / np.float32(QUANT)
    if "control_q1024" in case and "control_step" in case:
        return expand_control(case["control_q1024"], int(case["control_step"]), case["fixed_seg"].shape)
    raise DataError("the case has no displacement: displacement, displacement_q1024 or control_q1024 with control_step")


def expand_control(control: NDArray[np.int16], step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Displacement in voxels (3, X, Y, Z) from a control grid (3, a, b, c) in 1/1024 voxel: a separable quadratic
    B-spline.

    Control point k of an axis is centred on cell k - 1 of width `step`. Integer arithmetic with 4 extra bits after
    each of the first two axes, all roundings floor(x + 1/2), so it is the same everywhere.
    """
    field = np.empty((3, *shape), np.float32)
    weights = _axis_weights(step, shape[2])
    for component, planes in zip(control.astype(np.int64), field, strict=True):
        columns = _expand_axis(_expand_axis(component, 0, step, (shape[0], 16)), 1, step, (shape[1], 16))
        _expand_columns(columns.astype(np.float64), weights.astype(np.float64), step, planes)
    return field


@njit(cache=True, error_model="numpy")
def _expand_columns(columns: Any, weights: Any, step: int, planes: Any) -> None:
    """The last axis, in one pass. In float64: all integers here are below 2^50, so the floors are exact."""
    whole = 8.0 * step * step
    first, second, third = weights[0], weights[1], weights[2]
    for x in range(planes.shape[0]):
        for y in range(planes.shape[1]):
            column, out = columns[x, y], planes[x, y]
            for start in range(0, out.size, step):
                a, b, c = column[start // step], column[start // step + 1], column[start // step + 2]
                for z in range(start, min(start + step, out.size)):
                    total = first[z] * a + second[z] * b + third[z] * c
                    rounded = np.floor((2.0 * total + whole) / (2.0 * whole))
                    out[z] = np.float32(np.floor((rounded + 128.0) / 256.0) / 1024.0)


def _axis_weights(step: int, length: int) -> NDArray[np.int64]:
    """Of the three control points around each of `length` samples, times 8 step^2."""
    twice = 2 * (np.arange(length) % step) + 1
    whole = 8 * step * step
    return np.stack([(2 * step - twice) ** 2, whole - (2 * step - twice) ** 2 - twice**2, twice**2])


def _expand_axis(grid: NDArray[np.int64], axis: int, step: int, target: tuple[int, int]) -> NDArray[np.int64]:
    """One axis to `target[0]` samples, multiplied by `target[1]`."""
    length, extra = target
    sample, whole, weights = np.arange(length), 8 * step * step, _axis_weights(step, length)
    moved = np.moveaxis(grid, axis, -1)
    total = sum(moved[..., sample // step + k] * weights[k] for k in range(3))
    return np.moveaxis((2 * total * extra + whole) // (2 * whole), -1, axis)


def _labels(case: Arrays) -> list[int]:
    if "labels" in case:
        return [int(label) for label in case["labels"].ravel()]
    return [int(label) for label in np.union1d(case["fixed_seg"], case["moving_seg"])]


def _official_numbers(case: Arrays, field: Field, threads: int) -> dict[str, Any]:
    """All numbers of the challenges' evaluations that the case has the inputs for."""
    labels = _labels(case)
    nothing = {"mean": math.nan, "detailed": list[float]()}
    overlap = {"dice": nothing, "hd95_spacing1": nothing}
    if labels:  # without a label there is nothing to score
        maps = OfficialLabels((case["fixed_seg"], case["moving_seg"]), field, labels, threads)
        overlap = {"dice": vars(maps.dice(labels)), "hd95_spacing1": vars(maps.hd95(labels))}
    masks = {
        "ndv_lumir24_mask_moving_img": case.get("moving_img"),
        "ndv_lumir25_mask_fixed_img": case.get("fixed_img"),
    }
    given = {name: mask for name, mask in masks.items() if mask is not None}
    field_numbers = official_regularity(field, [*given.values(), None], threads)
    foldings = dict(zip([*given, "ndv_no_mask"], map(_folding, field_numbers.foldings), strict=True))
    return {"labels": labels, **overlap} | foldings | _determinants(field_numbers) | _landmarks(case, field, threads)


def _folding(folding: Folding) -> dict[str, Any]:
    return {
        "percent": folding.percent,
        "non_diff_volume": folding.volume,
        "non_diff_voxels_central": folding.voxels,
        "non_diff_tetrahedra": folding.tetrahedra,
        "mask_voxels": folding.mask_voxels,
    }


def _determinants(numbers: Regularity) -> dict[str, Any]:
    inner = numbers.inner
    return {
        "jac_central_min": numbers.minimum,
        "jac_central_max": numbers.maximum,
        "n_central_le0_nomask_crop1": numbers.foldings[-1].voxels,
        "n_any_of_8_le0": numbers.any_corner_nonpositive,
        "sdlogj": {"std": inner.sd_log_offset3, "num_foldings_official(always 0)": 0.0},
        "central_jac_crop2": {
            "n_le0": inner.nonpositive,
            "n": inner.count,
            "percent_le0": inner.nonpositive / inner.count * 100 if inner.count else math.nan,
            "min": inner.minimum,
            "max": inner.maximum,
            "mean": inner.mean,
            "std": inner.std,
            "sdlogj_no_offset_clip1e-9": inner.sd_log,
        },
    }


def _landmarks(case: Arrays, field: Field, threads: int) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    if "lm_fixed" in case and "lm_moving" in case:
        numbers["tre_lumir_roi_centroid_vox"] = official_centroid_tre(
            case["lm_fixed"], case["lm_moving"], field, threads
        )
    if "pts_fixed" in case and "pts_moving" in case:
        points, spacing = (case["pts_fixed"], case["pts_moving"]), _spacing(case)
        cubic = official_point_tre(field, points, spacing)
        linear = official_point_tre(field, points, spacing, linear=True)
        numbers |= {"tre_l2r_points_cubic": vars(cubic), "tre_points_linear(not official)": vars(linear)}
    return numbers


def _spacing(case: Arrays) -> NDArray[np.float64]:
    return np.asarray(case.get("spacing", np.ones(3)), np.float64)


def _inputs(case: Arrays, field: Field) -> ScoreInputs:
    """The case as a pair whose world is its grid, scaled by the spacing."""
    spacing = _spacing(case)
    affine = np.diag([*spacing, 1.0])
    points = [np.asarray(case[k], np.float64) * spacing for k in ("pts_fixed", "pts_moving") if k in case]
    names = tuple(str(n) for n in range(1, len(points[0]) + 1)) if len(points) == 2 else ()
    u = (np.moveaxis(field, 0, -1) * spacing).astype(np.float32)
    scored = tuple(label for label in _labels(case) if label != 0)
    maps = LabelMaps(Volume(case["fixed_seg"], affine), Volume(case["moving_seg"], affine), scored=scored)
    return ScoreInputs(
        displacement=Displacement(u, affine),
        affine=np.eye(4),
        labels={"case": maps},
        landmarks=Landmarks(points[0], points[1], names) if len(points) == 2 else None,
        fixed_image=Volume(case["fixed_img"], affine) if "fixed_img" in case else None,
        moving_image=Volume(case["moving_img"], affine) if "moving_img" in case else None,
        prepared_fixed=case.get("fixed_img"),
        prepared_moving=case.get("moving_img"),
    )


def to_plain(value: Any, *, as_official: bool) -> Any:
    """For JSON: NaN and inf as null, or as the texts "nan", "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {key: to_plain(item, as_official=as_official) for key, item in value.items()}
    if isinstance(value, list):
        return [to_plain(item, as_official=as_official) for item in value]
    if isinstance(value, Detailed):
        return to_plain(vars(value), as_official=as_official)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value) if as_official else None
    return value
