"""Presets: what a number means, as data. A preset is a name for a set of metrics and the settings they are measured
with."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from lumirage.core.errors import UsageError, nearest
from lumirage.core.metrics import METRICS

SCORER_VERSION = "3"
"""Raised whenever a number may come out differently or a row is added. In every row, and in every settings hash."""


@dataclass(frozen=True)
class Preset:
    """One way to score. Everything that changes a number is in here, and so in the hash."""

    name: str
    summary: str
    metrics: tuple[str, ...]
    """Names in `lumirage.core.metrics.METRICS`."""
    background: bool = False
    """Whether label 0 is scored and is in the means."""
    vanished: Literal["penalty", "infinite"] = "penalty"
    """How a label that the warp lost enters the mean of a distance: as the diagonal of the fixed labels' box, or as
    infinity."""

    @property
    def settings(self) -> str:
        """Hash of the preset, its metrics' definitions and the scorer's version."""
        content = dataclasses.asdict(self) | {
            "scorer": SCORER_VERSION,
            "definitions": [dataclasses.asdict(METRICS[name]) for name in self.metrics],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


_REGULARITY = ("ndv_percent", "ndv_mm3", "non_diffeo_voxels", "non_diffeo_tetrahedra", "det_le0_percent", "sdlogj")
_LUMIR_LABELS = ("dice_lumir", "hd95_vox_lumir", "tre_vox_lumir")

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="strict",
            summary="The default: nearest neighbour, once, from native labels; millimetres; points; no background; fixed mask.",
            metrics=(
                "dice_nearest_fg", "hd95_mm", "msd_mm", "tre_mm_linear", *_REGULARITY, "displacement_error_mm",
                "displacement_error_p95_mm", "inverse_consistency_mm", "ncc_fixed_moved", "mi_fixed_moved",
            ),
        ),
        Preset(
            name="lumir24",
            summary="LUMIR 2024's evaluation, bit for bit: voxels, with background, folds where the moving image is above 0.",
            metrics=(*_LUMIR_LABELS, "ndv_percent_lumir24", "sdlogj_offset3"),
            background=True,
            vanished="infinite",
        ),
        Preset(
            name="lumir25",
            summary="LUMIR 2025's evaluation, bit for bit: as 2024, folds where the fixed image is above 0.",
            metrics=(*_LUMIR_LABELS, "ndv_percent_lumir25", "sdlogj_offset3"),
            background=True,
            vanished="infinite",
        ),
        Preset(
            name="learn2reg",
            summary="Learn2Reg's evaluation: labels as LUMIR, landmarks as points through a cubic spline, in millimetres.",
            metrics=("dice_lumir", "hd95_vox_lumir", "tre_mm_cubic_l2r", "sdlogj_offset3"),
            background=True,
            vanished="infinite",
        ),
        Preset(
            name="lumirage",
            summary="The LUMirage paper's Dice: linearly pulled one-hot labels, hard by argmax and soft, no background.",
            metrics=("dice_argmax_fg", "dice_soft_fg"),
        ),
    )
}  # fmt: skip


def preset_named(name: str) -> Preset:
    """The preset of a name. Raises UsageError with the names there are."""
    if name not in PRESETS:
        raise UsageError(f"no preset '{name}'{nearest(name, PRESETS)}")
    return PRESETS[name]
