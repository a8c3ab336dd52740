"""Computes the phantom's signal in each contrast, with the bias field and Rician noise of a scanner."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lumirage.datasets.phantom_anatomy import STRUCTURES
from lumirage.datasets.phantom_deformation import Points

Signal: TypeAlias = npt.NDArray[np.float32]

WHITE_MATTER = 1000.0
"""Intensity of 1.0 in the files."""
NOISE = 0.02
"""Standard deviation of the noise in each of the two channels, of white matter's T1w signal."""
BIAS = 0.25
"""Largest change of the log sensitivity of the coil from the middle of the head to its edge."""
REACH_MM = 90.0
"""From the middle of the head to its edge."""
TISSUE_SPREAD = 0.03
"""Standard deviation between people of a tissue's signal, as a share of it."""

TISSUES = ("csf", "grey", "white", "thalamus", "striatum", "pallidum", "brainstem")


@dataclass(frozen=True)
class Contrast:
    """The BIDS name of a contrast (`entity` comes before the suffix) and the signal of each of `TISSUES`."""

    suffix: str
    signal: tuple[float, ...]
    entity: str = ""

    @property
    def ending(self) -> str:
        """The ending of its file name, such as `T1w.nii.gz`."""
        return f"{self.entity + '_' if self.entity else ''}{self.suffix}.nii.gz"


_T1W = (0.18, 0.62, 1.0, 0.80, 0.70, 0.90, 0.93)
CONTRASTS = {
    "T1w": Contrast("T1w", _T1W),
    "T2w": Contrast("T2w", (1.50, 0.75, 0.50, 0.60, 0.65, 0.42, 0.52)),
    "FLAIR": Contrast("FLAIR", (0.12, 1.00, 0.72, 0.85, 0.92, 0.66, 0.78)),
    "T2starw": Contrast("T2starw", (1.15, 0.85, 0.65, 0.70, 0.66, 0.30, 0.66)),
    "inverted": Contrast("T1w", tuple(1.2 - signal for signal in _T1W), entity="rec-inverted"),
}
"""Name on the command line -> contrast. `inverted` is T1w with inverted intensities, as its reconstruction `rec-inverted`."""


def tissue_signal(contrast: Contrast, rng: np.random.Generator) -> Signal:
    """One person's signal for every label; entry 0, the background, is 0. (labels + 1,)."""
    spread = 1.0 + TISSUE_SPREAD * rng.standard_normal(len(TISSUES))
    values = dict(zip(TISSUES, np.array(contrast.signal) * spread, strict=True))
    return np.array([0.0, *(values[structure.tissue] for structure in STRUCTURES)], np.float32)


def scanned(signal: Signal, points: Points, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """The signal (n,) of brain voxels at subject points (n, 3) as a scanner would store it, at least 1."""
    received = signal * bias_field(points / REACH_MM, bias_weights(rng))
    real = received + NOISE * rng.standard_normal(len(signal), np.float32)
    imaginary = NOISE * rng.standard_normal(len(signal), np.float32)
    stored: npt.NDArray[np.int16] = np.rint(np.hypot(real, imaginary) * WHITE_MATTER).clip(1, 32767).astype(np.int16)
    return stored


def bias_weights(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """What makes one bias field differ from another, (9,)."""
    return rng.uniform(-1.0, 1.0, 9)


def bias_field(points: Points, weights: npt.NDArray[np.float64]) -> Signal:
    """A smooth sensitivity: the exponential of a random quadratic polynomial, about 1, (n,).

    points: (n, 3), in units of the distance from the middle of the head to its edge."""
    x, y, z = points.T
    terms = (x, y, z, x * y, y * z, z * x, x * x, y * y, z * z)
    # a plain sum: a matrix product may round otherwise with other numbers of threads
    total = sum((weight * term for weight, term in zip(weights, terms, strict=True)), np.zeros(len(points)))
    field: Signal = np.exp(BIAS * total).astype(np.float32)
    return field
