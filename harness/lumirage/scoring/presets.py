"""Defines the presets: what a number means, as data. A preset names a set of metrics and the settings they are measured
with."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from lumirage.core.errors import UsageError, nearest
from lumirage.core.metrics import METRICS, Metric

SCORER_VERSION = "6"
"""Increased whenever a number may change or a row is added. In every row, and in every settings hash."""


@dataclass(frozen=True)
class Preset:
    """One way to score. It contains everything that changes a number, and so does the hash."""

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
            "definitions": [_definition(METRICS[name]) for name in self.metrics],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _definition(metric: Metric) -> dict[str, str]:
    """The definition of a metric, without the presets that measure it."""
    return {name: value for name, value in dataclasses.asdict(metric).items() if name != "presets"}


def _metrics_of(preset: str) -> tuple[str, ...]:
    return tuple(name for name, metric in METRICS.items() if preset in metric.presets)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="strict",
            summary="The default: nearest neighbour, once, from native labels; millimetres; points; no background; fixed mask.",
            metrics=_metrics_of("strict"),
        ),
        Preset(
            name="lumir24",
            summary="LUMIR 2024's evaluation, bit for bit: voxels, with background, folds where the moving image is above 0.",
            metrics=_metrics_of("lumir24"),
            background=True,
            vanished="infinite",
        ),
        Preset(
            name="lumir25",
            summary="LUMIR 2025's evaluation, bit for bit: as 2024, folds where the fixed image is above 0.",
            metrics=_metrics_of("lumir25"),
            background=True,
            vanished="infinite",
        ),
        Preset(
            name="learn2reg",
            summary="Learn2Reg's evaluation: labels as LUMIR, landmarks as points through a cubic spline, in millimetres.",
            metrics=_metrics_of("learn2reg"),
            background=True,
            vanished="infinite",
        ),
        Preset(
            name="lumirage",
            summary="The LUMirage paper's Dice: linearly pulled one-hot labels, hard by argmax and soft, no background.",
            metrics=_metrics_of("lumirage"),
        ),
    )
}  # fmt: skip


def preset_named(name: str) -> Preset:
    """The preset with a name. Raises UsageError with the nearest names."""
    if name not in PRESETS:
        raise UsageError(f"no preset '{name}'{nearest(name, PRESETS)}")
    return PRESETS[name]
