"""All metrics: meaning, unit, what each one judges, when it is undefined, and the source of its definition.

Scoring, analysis and report all read this table."""

import math
from dataclasses import dataclass
from typing import Literal

ABSENT = "null for a label that is absent in the fixed or in the moving map: neither image can say whether it was met"
NIKOLOV = "Nikolov et al. 2018, arXiv:1809.04430 (the surface-distance library)"
LIU = "Liu et al., IJCV 2024, On finite difference Jacobian computation in deformable image registration"
LUMIR = "the LUMIR challenge's evaluation (JHU-MedImage-Reg/LUMIR_L2R and LUMIR25_L2R25)"
LEARN2REG = "the Learn2Reg challenge's evaluation (MDL-UzL/L2R)"
LUMIRAGE = "Jena, Chaudhari, Gee: The LUMirage, MIDL 2026, PMLR 315"
EMPTY_MASK = "null where the mask holds no voxel"
CONSTANT = "null where no voxel of the mask is left or an image is constant there"


Direction = Literal[1, 0, -1]
"""1: higher is better; -1: lower is better; 0: not known."""


@dataclass(frozen=True)
class Metric:
    """One metric. `of` says what a row with a label describes; rows without a label are means over these, or of the field.

    `judges` is one of: accuracy, against labels, landmarks or a true field; methods are ranked by accuracy alone.
    regularity, of the field alone: doing nothing is perfect, so it is a condition and never a reward. consistency, of a
    method with itself. likeness, of the images, which a method can raise by moving anatomy wrongly.
    """

    name: str
    unit: str
    of: Literal["label", "landmark", "field", "image"]
    judges: Literal["accuracy", "regularity", "consistency", "likeness"]
    better: Literal["higher", "lower"]
    definition: str
    undefined: str
    source: str
    presets: tuple[str, ...]
    """The presets that measure it, names in `lumirage.scoring.presets.PRESETS`."""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "dice_nearest_fg", "1", "label", "accuracy", "higher",
            "2 |F and W| / (|F| + |W|) of the fixed label F and the native moving label W pulled once, nearest "
            "neighbour, onto the score grid. "
            "Without the background. A label that both maps have and that the warp lost is 0.",
            ABSENT, "Dice 1945", ("strict",),
        ),
        Metric(
            "hd95_mm", "mm", "label", "accuracy", "lower",
            "The larger of the two directed 95th percentiles of the distance between surfaces, each surface "
            "element weighted by its area, in "
            "millimetres of the score grid. A tie at the percentile (within 1e-9 of the area) takes the smaller "
            "distance.",
            ABSENT + "; null for a label that the warp lost, which the mean counts as the diagonal of the box "
            "around the fixed labels",
            NIKOLOV, ("strict",),
        ),
        Metric(
            "msd_mm", "mm", "label", "accuracy", "lower",
            "Mean distance between the surfaces, both directions together, weighted by area.",
            ABSENT + "; null for a label that the warp lost, which the mean counts as hd95_mm does", NIKOLOV, ("strict",),
        ),
        Metric(
            "nsd_1mm", "1", "label", "accuracy", "higher",
            "Normalized surface Dice at a tolerance of 1 mm: the share of the area of both surfaces together that lies "
            "within 1 mm of the other surface, each surface element weighted by its area. A label that both maps have and "
            "that the warp lost is 0.",
            ABSENT, NIKOLOV, ("strict",),
        ),
        Metric(
            "tre_mm_linear", "mm", "landmark", "accuracy", "lower",
            "|A (p + u(p)) - q| of a landmark p of the fixed and q of the moving image, points in world "
            "millimetres; u is read linearly.",
            "null without landmarks in both images", "Fitzpatrick et al. 1998", ("strict",),
        ),
        Metric(
            "ndv_percent", "%", "field", "regularity", "lower",
            "Non-diffeomorphic volume in percent of the mask: half the negative volume of the eight corner "
            "tetrahedra and of the two central ones "
            "of each voxel of the working grid, of x -> x + u(x) without the affine. Mask: the native fixed mask, else "
            "where the native fixed image is above 0, put on the working grid by nearest neighbour.",
            EMPTY_MASK, LIU, ("strict",),
        ),
        Metric(
            "ndv_mm3", "mm^3", "field", "regularity", "lower", "The same volume in cubic millimetres.", EMPTY_MASK, LIU,
            ("strict",),
        ),
        Metric(
            "non_diffeo_voxels", "voxels", "field", "regularity", "lower",
            "Voxels of the mask whose central-difference Jacobian determinant is <= 0.", EMPTY_MASK, LIU, ("strict",),
        ),
        Metric(
            "non_diffeo_tetrahedra", "tetrahedra", "field", "regularity", "lower",
            "Corners and central tetrahedra of the voxels of the mask with a determinant <= 0, each counted a tenth.",
            EMPTY_MASK, LIU, ("strict",),
        ),
        Metric(
            "det_le0_percent", "%", "field", "regularity", "lower",
            "Voxels of the mask with a central-difference determinant <= 0, in percent.", EMPTY_MASK, "", ("strict",),
        ),
        Metric(
            "sdlogj", "1", "field", "regularity", "lower",
            "Standard deviation of log(det) over the voxels of the mask whose central-difference determinant is "
            "positive; the others are "
            "told by det_le0_percent. No offset, no clipping.",
            "null where no determinant is positive", "Leow et al. 2007, without Learn2Reg's offset of 3", ("strict",),
        ),
        Metric(
            "displacement_error_mm", "mm", "field", "accuracy", "lower",
            "Mean of |A (x + u(x)) - (x + u_true(x))|, in millimetres of the native moving world, over the voxels x of the "
            "native fixed mask, where the true displacement is known; u is read linearly and held at its edge outside "
            "the working grid. Rows with a label are over the native voxels of that structure of the fixed image.",
            EMPTY_MASK, "", ("strict",),
        ),
        Metric(
            "displacement_error_p95_mm", "mm", "field", "accuracy", "lower", "95th percentile of the same lengths.",
            EMPTY_MASK, "", ("strict",),
        ),
        Metric(
            "inverse_consistency_mm", "mm", "field", "consistency", "lower",
            "Mean distance of the voxels of the native mask on the working grid from where fixed to moving and back again "
            "takes them, where both directions were run.",
            EMPTY_MASK, "Christensen and Johnson 2001", ("strict",),
        ),
        Metric(
            "ncc_fixed_moved", "1", "image", "likeness", "higher",
            "Pearson's correlation of the native fixed image and the native moving image at A (x + u(x)), read linearly, "
            "over the voxels x of the native fixed mask. Voxels that leave the moving image (beyond the centres of its "
            "outermost voxels) leave the mask. Not a measure of accuracy.",
            CONSTANT, "", ("strict",),
        ),
        Metric(
            "mi_fixed_moved", "nat", "image", "likeness", "higher",
            "Mutual information of the same, from a joint histogram of 64 x 64 bins, of equal width between each image's "
            "0.1 and 99.9 percentiles there; what lies beyond is in the first or the last bin. Not a measure of accuracy.",
            CONSTANT, "Wells et al. 1996", ("strict",),
        ),
        Metric(
            "dice_lumir", "1", "label", "accuracy", "higher",
            "Dice with the background, moving labels on the working grid pulled as scipy's "
            "map_coordinates(order=0): what leaves the volume by "
            "any fraction of a voxel is label 0.",
            ABSENT, LUMIR, ("lumir24", "lumir25", "learn2reg"),
        ),
        Metric(
            "hd95_vox_lumir", "voxel", "label", "accuracy", "lower",
            "As hd95_mm, of the same labels as dice_lumir, always with spacing 1; exact ties fall as the "
            "published code's rounding has it.",
            ABSENT + "; null for a label that the warp lost, where the challenge writes inf, and then for the mean too",
            LUMIR, ("lumir24", "lumir25", "learn2reg"),
        ),
        Metric(
            "tre_vox_lumir", "voxel", "landmark", "accuracy", "lower",
            "Distance between the centroids of each landmark's region in the fixed and in the warped map "
            "(nearest neighbour).",
            "null for a region that the warp lost, where the challenge writes nan, and then for the mean too", LUMIR,
            ("lumir24", "lumir25"),
        ),
        Metric(
            "ndv_percent_lumir24", "%", "field", "regularity", "lower",
            "As ndv_percent, where the prepared moving image is above 0.", EMPTY_MASK, LUMIR, ("lumir24",),
        ),
        Metric(
            "ndv_percent_lumir25", "%", "field", "regularity", "lower",
            "As ndv_percent, where the prepared fixed image is above 0.", EMPTY_MASK, LUMIR, ("lumir25",),
        ),
        Metric(
            "tre_mm_cubic_l2r", "mm", "landmark", "accuracy", "lower",
            "|p + d(p) - q| of points in voxels, times the spacing, d read with the cubic spline through all "
            "voxels; 0 outside the grid.",
            "null without landmarks in both images", LEARN2REG, ("learn2reg",),
        ),
        Metric(
            "sdlogj_offset3", "1", "field", "regularity", "lower",
            "Standard deviation of log(det + 3), clipped to [1e-9, 1e9], over all voxels two or more from the "
            "border. The offset hides folds.",
            "null for grids of fewer than five voxels along an axis", LEARN2REG, ("lumir24", "lumir25", "learn2reg"),
        ),
        Metric(
            "dice_argmax_fg", "1", "label", "accuracy", "higher",
            "Dice, without the background, of the label with the largest share after one-hot labels were pulled linearly.",
            ABSENT, LUMIRAGE, ("lumirage",),
        ),
        Metric(
            "dice_soft_fg", "1", "label", "accuracy", "higher",
            "2 sum(F W) / (sum F + sum W) of the linearly pulled one-hot labels W, without the background.", ABSENT, LUMIRAGE,
            ("lumirage",),
        ),
    )
}  # fmt: skip


TITLES = {
    "dice_nearest_fg": "Dice", "dice_argmax_fg": "Dice (argmax)", "dice_soft_fg": "Dice (soft)", "dice_lumir": "Dice (LUMIR)",
    "hd95_mm": "HD95 (mm)", "hd95_vox_lumir": "HD95 (LUMIR, voxels)", "msd_mm": "surface distance (mm)",
    "nsd_1mm": "surface Dice (1 mm)", "tre_mm_linear": "TRE (mm)", "tre_mm_cubic_l2r": "TRE (Learn2Reg, mm)",
    "tre_vox_lumir": "TRE (LUMIR, voxels)", "displacement_error_mm": "true error (mm)",
    "displacement_error_p95_mm": "true error, 95th percentile (mm)", "inverse_consistency_mm": "inverse consistency (mm)",
    "det_le0_percent": "folded voxels (%)", "ndv_percent": "folded volume (%)", "ndv_mm3": "folded volume (mm³)",
    "ndv_percent_lumir24": "folded volume (LUMIR24, %)", "ndv_percent_lumir25": "folded volume (LUMIR25, %)",
    "non_diffeo_voxels": "folded voxels", "non_diffeo_tetrahedra": "folded tetrahedra",
    "sdlogj": "SD log J", "sdlogj_offset3": "SD log J (Learn2Reg)",
    "mi_fixed_moved": "mutual information", "ncc_fixed_moved": "NCC",
}  # fmt: skip
"""The usual names of metrics in texts for people; files have the metric's own name."""


def title(metric: str) -> str:
    """The usual name of a metric, with its unit; its own name if there is no usual one."""
    return TITLES.get(metric, metric)


def direction(metric: str) -> Direction:
    """Whether higher (1) or lower (-1) is better; 0 for an unknown metric."""
    known = METRICS.get(metric)
    return 0 if known is None else 1 if known.better == "higher" else -1


def is_accuracy(metric: str) -> bool:
    """Whether it is measured against labels, landmarks or a true field. Methods are ranked by such metrics only."""
    return metric in METRICS and METRICS[metric].judges == "accuracy"


def possible_range(metric: str) -> tuple[float, float]:
    """The smallest and the largest value that a metric can have, in its unit; infinite where nothing is known of it."""
    known = METRICS.get(metric)
    if known is None or known.judges == "likeness":
        return -math.inf, math.inf
    overlaps = known.unit == "1" and known.better == "higher"
    return 0.0, 1.0 if overlaps else 100.0 if known.unit == "%" else math.inf


def possible_change(metric: str) -> tuple[float, float]:
    """The smallest and the largest difference that two values of a metric can have, in its unit."""
    low, high = possible_range(metric)
    return low - high, high - low


def nothing_is_perfect(metric: str) -> bool:
    """Whether doing nothing has the best value, as in regularity and consistency. A failed run must not get that value."""
    return metric in METRICS and METRICS[metric].judges in ("regularity", "consistency")


def is_regularity(metric: str) -> bool:
    """Whether it judges the field alone. A failed run must not get the value of doing nothing."""
    return metric in METRICS and METRICS[metric].judges == "regularity"
