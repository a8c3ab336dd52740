"""Defines the inputs for scoring one pair: arrays and their frames. Nothing here reads a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lumirage.core.space import Displacement, Volume


@dataclass(frozen=True)
class LabelMaps:
    """One label source of a pair, both maps native."""

    fixed: Volume
    moving: Volume
    names: Mapping[int, str] = field(default_factory=dict)
    scored: tuple[int, ...] = ()
    """The labels to score; empty: all labels in either map."""
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Name -> labels that are also scored merged into one."""


@dataclass(frozen=True)
class Landmarks:
    """Corresponding points, (n, 3) each, world mm RAS+."""

    fixed: NDArray[np.float64]
    moving: NDArray[np.float64]
    names: tuple[str, ...]
    alone: tuple[int, int] = (0, 0)
    """Landmarks that only the fixed, only the moving image has."""


@dataclass(frozen=True)
class ScoreInputs:
    """All inputs of one pair and one answer to it. Missing inputs give rows that say so."""

    displacement: Displacement
    """The answer, or zeros for the sentinels: u in mm on the working grid."""
    affine: NDArray[np.float64]
    """Fixed world to moving world; x_moving = affine (x + u(x))."""
    labels: Mapping[str, LabelMaps] = field(default_factory=dict)
    """By source."""
    landmarks: Landmarks | None = None
    landmark_regions: LabelMaps | None = None
    """Landmarks as small regions, as LUMIR stores them."""
    mask: Volume | None = None
    """Mask of the fixed image, native; without it, the fixed image above 0 is used."""
    fixed_image: Volume | None = None
    """Native."""
    moving_image: Volume | None = None
    """Native."""
    prepared_fixed: NDArray[Any] | None = None
    """On the working grid: a mask of LUMIR's."""
    prepared_moving: NDArray[Any] | None = None
    """On the working grid: a mask of LUMIR's."""
    truth: Displacement | None = None
    """x_moving = x + u_true(x), including the affine, on the native fixed grid."""
    backward: "ScoreInputs | None" = None
    """The answer to the reversed pair, for inverse consistency."""
    score_grid: Literal["native", "working"] = "native"
    """The grid on which preset `strict` compares labels."""
