"""Draws smooth, known, invertible deformations: the bodies of the phantom's subjects.

A `Deformation` maps template world to subject world (RAS+ mm). It follows a stationary velocity made of random plane
waves in steps z -> z + step(z). Every step changes distances by less than their length, so their composition is a
diffeomorphism, and its inverse is found at each point separately by Newton's method: no grid, no interpolation.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lumirage.core.errors import UsageError
from lumirage.datasets.deformation_walk import Waves as StepWaves
from lumirage.datasets.deformation_walk import step_back, walk

Points: TypeAlias = npt.NDArray[np.float64]
"""World coordinates, (n, 3), RAS+ mm."""
Waves: TypeAlias = npt.NDArray[np.complex128]

WAVES = 24
STEP_GRADIENT = 0.6
"""Largest norm of the gradient of one step. Below 1 a step is one-to-one; the margin covers what the probes miss."""
MOST_STEPS = 16
LAST_UPDATE_MM = 1e-3
"""Newton's method squares its error: after an update of 1e-3 mm it is below 1e-7 mm for all that `STEP_GRADIENT` allows."""


@dataclass(frozen=True)
class Deformation:
    """Template world to subject world.

    harmonics: (waves, 3) integers; a wave vector is `base_rad_per_mm * harmonics`. On such a lattice all waves are
    products of powers of three exponentials, ten times as fast as one cosine for each wave and point.
    amplitudes_mm: (waves, 3), complex; a step is the real part of the sum of amplitude times wave.
    """

    base_rad_per_mm: float
    harmonics: npt.NDArray[np.int64]
    amplitudes_mm: Waves
    steps: int

    def to_subject(self, template: Points) -> Points:
        """Positions of template points in the subject, (n, 3) mm; closed form."""
        out = np.array(template, dtype=np.float64, order="C")
        walk(out, self.steps, self._waves, np.empty(0))
        return out

    def to_subject_measured(self, template: Points) -> tuple[Points, npt.NDArray[np.float64]]:
        """The same, and the determinants of the derivative there, (n,)."""
        out, determinants = np.array(template, dtype=np.float64, order="C"), np.ones(len(template))
        walk(out, self.steps, self._waves, determinants)
        return out, determinants

    def to_template(self, subject: Points, row: int = 1) -> Points:
        """Positions of subject points in the template, (n, 3) mm: the inverse of `to_subject`, to better than 1e-6 mm.

        row: this many consecutive points lie on a line, evenly spaced, which is several times as fast; 1: no order.
        """
        out = np.array(subject, dtype=np.float64, order="C")
        if not all(step_back(out, row, self._waves, LAST_UPDATE_MM) for _ in range(self.steps)):
            raise ArithmeticError("a deformation could not be inverted; its steps are too steep")
        return out

    @property
    def _waves(self) -> StepWaves:
        real, imaginary = (np.ascontiguousarray(part) for part in (self.amplitudes_mm.real, self.amplitudes_mm.imag))
        return StepWaves(
            self.base_rad_per_mm, max(1, int(np.abs(self.harmonics).max())), self.harmonics, real, imaginary
        )

    def jacobian(self, template: Points) -> npt.NDArray[np.float64]:
        """The derivative of `to_subject` at template points, (n, 3, 3)."""
        here = np.array(template, dtype=np.float64)
        total: npt.NDArray[np.float64] = np.broadcast_to(np.eye(3), (len(here), 3, 3))
        for _ in range(self.steps):
            waves = self.waves(here)
            total = (np.eye(3) + self.step_gradient(waves)) @ total
            here = here + self.step(waves)
        return total

    def waves(self, points: Points) -> Waves:
        """exp(i k.x) for every wave and point, (waves, n)."""
        first = np.exp(1j * self.base_rad_per_mm * points.T)
        highest = int(np.abs(self.harmonics).max())
        powers = np.empty((2 * highest + 1, *first.shape), np.complex128)
        powers[0] = 1.0
        for n in range(1, highest + 1):
            np.multiply(powers[n - 1], first, out=powers[n])
            np.conj(powers[n], out=powers[-n])
        out = np.empty((len(self.harmonics), len(points)), np.complex128)
        for row, (nx, ny, nz) in enumerate(self.harmonics):
            np.multiply(powers[nx, 0], powers[ny, 1], out=out[row])
            out[row] *= powers[nz, 2]
        return out

    def step(self, waves: Waves) -> Points:
        """The displacement of one step, (n, 3) mm."""
        return (self.amplitudes_mm.T @ waves).real.T

    def step_gradient(self, waves: Waves) -> npt.NDArray[np.float64]:
        """d step_i / d x_j, (n, 3, 3)."""
        vectors = 1j * self.base_rad_per_mm * self.harmonics
        outer = (self.amplitudes_mm[:, :, None] * vectors[:, None, :]).reshape(-1, 9)
        return (outer.T @ waves).real.T.reshape(-1, 3, 3)


def random_deformation(
    amplitude_mm: float, smoothness_mm: float, probes: Points, rng: np.random.Generator
) -> Deformation:
    """A deformation drawn at random.

    amplitude_mm: root mean square length of the total velocity over the probes; that of the displacement is close to it.
    smoothness_mm: correlation length L; the velocity's covariance falls about as exp(-r^2 / (2 L^2)).
    probes: (n, 3) template points, denser than the smoothness, where size and steepness are measured.

    Raises UsageError if the amplitude is too large for the smoothness.
    """
    base = 0.3 / smoothness_mm
    harmonics = np.rint(rng.normal(0.0, 1.0 / 0.3, (WAVES, 3))).astype(np.int64)
    amplitudes = rng.normal(size=(WAVES, 3)) + 1j * rng.normal(size=(WAVES, 3))
    unit = Deformation(base, harmonics, amplitudes, 1)
    waves = unit.waves(probes)
    scale = amplitude_mm / np.sqrt((unit.step(waves) ** 2).sum(axis=1).mean())
    steepest = scale * float(np.linalg.norm(unit.step_gradient(waves), ord=2, axis=(1, 2)).max())
    steps = max(1, int(np.ceil(steepest / STEP_GRADIENT)))
    if steps > MOST_STEPS:
        raise UsageError(
            f"an amplitude of {amplitude_mm:g} mm is too large for a smoothness of {smoothness_mm:g} mm: "
            "lower the amplitude or raise the smoothness"
        )
    return Deformation(base, harmonics, amplitudes * (scale / steps), steps)
