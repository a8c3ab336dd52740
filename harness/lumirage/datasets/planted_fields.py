"""Draws the planted field of a scan, and samples images, label maps and points through it.

The closed form maps the planted scan's world to the original's: what the planted image shows at y is what the original has at
psi(y). So the true field of the pair (fixed: planted, moving: original), u(y) = psi(y) - y, is the very place at which the
original was sampled: nothing is inverted, nothing is interpolated. Only landmarks go the other way, by Newton's method.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lumirage.core.errors import UsageError
from lumirage.core.foreground import foreground
from lumirage.core.model import Grid
from lumirage.core.space import Float, Single, Volume
from lumirage.datasets.phantom_deformation import Deformation, Points, random_deformation

AMPLITUDE_SHARE, SMOOTHNESS_SHARE = 0.03, 0.2
"""Of the head's size: 3.3 mm and 22 mm for a human brain without its skull, 0.25 mm and 1.7 mm for that of a mouse."""
PROBES_PER_SMOOTHNESS = 2.5
MOST_PROBES = 200_000
CHECKED_INVERSES = 20_000
SMALLEST_STEP_MM = 1e-9
"""Amplitudes are rounded to this: sums may round otherwise with other numbers of threads, the field must not."""


@dataclass(frozen=True)
class PlantedField:
    """A deformation, psi, from the planted scan's world to the original's, mm RAS+, and how it was drawn."""

    deformation: Deformation
    head_size_mm: float
    amplitude_mm: float
    smoothness_mm: float

    def displacement(self, grid: Grid) -> tuple[Single, tuple[float, float]]:
        """u(y) = psi(y) - y in mm at the voxels of a lattice, float32 (X, Y, Z, 3), and the least and the largest Jacobian
        determinant of psi there."""
        u = np.empty((*grid.shape, 3), np.float32)
        low, high = np.inf, -np.inf
        for x in range(grid.shape[0]):
            here = plane(grid, x)
            there, determinants = self.deformation.to_subject_measured(here)
            u[x] = (there - here).reshape(*grid.shape[1:], 3)
            low, high = min(low, float(determinants.min())), max(high, float(determinants.max()))
        return u, (low, high)

    def planted(self, original: Points) -> Points:
        """Where points of the original, (n, 3) mm, lie in the planted scan: the inverse of psi, to better than 1e-6 mm."""
        return self.deformation.to_template(original)

    def inverse_residual_mm(self, grid: Grid, inside: npt.NDArray[np.bool_]) -> float:
        """The largest distance of points of the planted scan from themselves, there and back: at most CHECKED_INVERSES,
        evenly taken from the voxels `inside`."""
        voxels = np.flatnonzero(inside.ravel(order="C"))
        chosen = np.unravel_index(voxels[:: max(1, len(voxels) // CHECKED_INVERSES)], grid.shape)
        here = world(np.array(grid.affine), tuple(index.astype(float) for index in chosen))
        back = self.planted(self.deformation.to_subject(here))
        return float(np.linalg.norm(back - here, axis=1).max(initial=0.0))


def draw_field(
    image: Volume, amplitude_mm: float | None, smoothness_mm: float | None, rng: np.random.Generator
) -> PlantedField:
    """The field of one scan. None: relative to its head's size, the cube root of the volume of its foreground.

    Scans on one lattice get the same field from the same draw, whatever they show, if both lengths are given.
    Raises UsageError where the lengths do not fit each other or the image.
    """
    size = head_size_mm(image)
    amplitude = round(AMPLITUDE_SHARE * size, 4) if amplitude_mm is None else amplitude_mm
    smoothness = round(SMOOTHNESS_SHARE * size, 3) if smoothness_mm is None else smoothness_mm
    drawn = random_deformation(amplitude, smoothness, _probes(image, smoothness), rng)
    amplitudes = np.round(drawn.amplitudes_mm / SMALLEST_STEP_MM) * SMALLEST_STEP_MM
    deformation = Deformation(drawn.base_rad_per_mm, drawn.harmonics, amplitudes, drawn.steps)
    return PlantedField(deformation, size, amplitude, smoothness)


def head_size_mm(image: Volume) -> float:
    """The cube root of the volume of the foreground, to 4 digits: about 110 mm for a human brain, 9 mm for a mouse's."""
    volume = int(foreground(image.data).sum()) * float(np.abs(np.linalg.det(image.affine[:3, :3])))
    return float(f"{np.cbrt(volume):.4g}")


def _probes(image: Volume, smoothness_mm: float) -> Points:
    """Points all over the image, denser than the field is smooth."""
    counts = np.ceil((np.array(image.data.shape) - 1) * image.spacing_mm * PROBES_PER_SMOOTHNESS / smoothness_mm) + 1
    if counts.prod() > MOST_PROBES:
        enough = smoothness_mm * float(np.cbrt(counts.prod() / MOST_PROBES))
        raise UsageError(
            f"a smoothness of {smoothness_mm:.3g} mm is too small for an image of this size: raise it to {enough:.2g} mm"
        )
    axes = [np.linspace(0.0, n - 1.0, int(k)) for n, k in zip(image.data.shape, counts, strict=True)]
    index = np.meshgrid(*axes, indexing="ij")
    return world(image.affine, (index[0].ravel(), index[1].ravel(), index[2].ravel()))


def world(affine: npt.ArrayLike, voxels: tuple[Float, ...]) -> Points:
    """World places (n, 3) of voxel coordinates, three arrays (n,). Sums of products one by one, never a matrix product,
    which may round otherwise with other numbers of threads."""
    rows = [a * voxels[0] + b * voxels[1] + c * voxels[2] + d for a, b, c, d in np.asarray(affine)[:3]]
    return np.stack(rows, axis=-1)


def plane(grid: Grid, x: int) -> Points:
    """World places of the voxels with one first index, (Y * Z, 3), in mm."""
    y, z = (index.ravel().astype(float) for index in np.indices(grid.shape[1:]))
    return world(np.array(grid.affine), (np.full(len(y), float(x)), y, z))


@dataclass(frozen=True)
class Sampler:
    """Samples volumes at x + u(x), x a voxel of `grid`: what the planted scan shows."""

    grid: Grid
    u: Single

    @classmethod
    def on(cls, grid: Grid, field: PlantedField) -> tuple["Sampler", tuple[float, float]]:
        """A sampler and the range of the Jacobian determinant."""
        u, determinants = field.displacement(grid)
        return cls(grid, u), determinants

    def cubic(self, image: Volume) -> Float:
        """By cubic splines, clipped to the image's own range; beyond its edge its lowest value. (X, Y, Z)."""
        low, high = float(image.data.min()), float(image.data.max())
        coefficients = ndimage.spline_filter(image.data.astype(np.float64) - low, order=3)
        sampled = self._sampled(Volume(coefficients, image.affine), order=3)
        return np.asarray(np.clip(sampled + low, low, high))

    def linear(self, image: Volume) -> Float:
        """Linearly; 0 beyond its edge. (X, Y, Z)."""
        return self._sampled(Volume(image.data.astype(np.float64), image.affine), order=1)

    def nearest(self, labels: Volume) -> npt.NDArray[np.int32]:
        """The nearest voxel, 0 beyond the edge. (X, Y, Z)."""
        out = np.zeros(self.grid.shape, np.int32)
        for x, voxels in self._voxels(labels.affine):
            index = [np.rint(v).astype(np.int64) for v in voxels]
            inside = np.all([(i >= 0) & (i < n) for i, n in zip(index, labels.data.shape, strict=True)], axis=0)
            flat = out[x].reshape(-1)
            flat[inside] = labels.data[tuple(i[inside] for i in index)]
        return out

    def _sampled(self, image: Volume, order: int) -> Float:
        out = np.empty(self.grid.shape)
        for x, voxels in self._voxels(image.affine):
            values = ndimage.map_coordinates(image.data, voxels, order=order, mode="constant", prefilter=False)
            out[x] = values.reshape(self.grid.shape[1:])
        return out

    def _voxels(self, affine: Float) -> Iterator[tuple[int, Float]]:
        """Every first index with the coordinates, (3, Y * Z), at which a volume is sampled there."""
        to_voxels = np.linalg.inv(affine)
        for x in range(self.grid.shape[0]):
            there = plane(self.grid, x) + self.u[x].reshape(-1, 3)
            yield x, world(to_voxels, (there[:, 0], there[:, 1], there[:, 2])).T
