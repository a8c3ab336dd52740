"""Moves points through the steps of a deformation; compiled, because the phantom does this at every voxel.

A step is the real part of a sum of amplitude times plane wave. All waves are products of powers of three exponentials, so
a point costs three sines and cosines for any number of waves. LANES points are moved at once: loops over them fill the
processor's vector registers.
"""

from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
LANES = 32
MOST_UPDATES = 20
KNOWN = 6
EXTRAPOLATION = np.array([[-((-1.0) ** age) * comb(n, age) for age in range(1, KNOWN + 1)] for n in range(KNOWN + 1)])
"""Row n: weights of the last n evenly spaced values, the last first, that extrapolate the next one by a polynomial."""


class Waves(NamedTuple):
    """Plane waves: base in rad/mm, harmonics (n, 3), the highest of them, and parts of the amplitudes (n, 3) in mm."""

    base: float
    highest: int
    harmonics: npt.NDArray[np.int64]
    real: Floats
    imaginary: Floats


@njit(nogil=True, cache=True)
def _buffers(waves: Waves) -> tuple[Floats, Floats]:
    """Buffers for the powers of the exponentials (3, 2 highest + 1, 2, LANES) and for one wave (2, LANES)."""
    return np.empty((3, 2 * waves.highest + 1, 2, LANES)), np.empty((3, LANES))


@njit(nogil=True, cache=True)
def _exponentials(z: Floats, waves: Waves, powers: Floats) -> None:
    """exp(i n base z) for every axis and every n (counted from the middle); z is (3, LANES)."""
    highest = waves.highest
    for axis in range(3):
        up, down = powers[axis, highest + 1], powers[axis, highest - 1]
        for k in range(LANES):
            powers[axis, highest, 0, k] = 1.0
            powers[axis, highest, 1, k] = 0.0
            angle = waves.base * z[axis, k]
            up[0, k] = down[0, k] = np.cos(angle)
            up[1, k] = np.sin(angle)
            down[1, k] = -up[1, k]
        for n in range(2, highest + 1):
            _multiply(powers[axis, highest + n - 1], up, powers[axis, highest + n])
            for k in range(LANES):
                powers[axis, highest - n, 0, k] = powers[axis, highest + n, 0, k]
                powers[axis, highest - n, 1, k] = -powers[axis, highest + n, 1, k]


@njit(nogil=True, cache=True)
def _multiply(first: Floats, second: Floats, out: Floats) -> None:
    """Complex product, (2, LANES) each: real and imaginary parts."""
    for k in range(LANES):
        real = first[0, k] * second[0, k] - first[1, k] * second[1, k]
        out[1, k] = first[0, k] * second[1, k] + first[1, k] * second[0, k]
        out[0, k] = real


@njit(nogil=True, cache=True)
def _add_steps(z: Floats, waves: Waves, buffers: tuple[Floats, Floats], step: Floats, gradient: Floats) -> None:
    """Add the step at z (3, LANES) to `step` (3, LANES), and d step_i / d x_j to `gradient` (3, 3, LANES) or (0, ...)."""
    powers, wave = buffers
    highest = waves.highest
    _exponentials(z, waves, powers)
    for row in range(len(waves.harmonics)):
        nx, ny, nz = waves.harmonics[row]
        _multiply(powers[0, highest + nx], powers[1, highest + ny], wave)
        _multiply(wave, powers[2, highest + nz], wave)
        for i in range(3):
            a, b = waves.real[row, i], waves.imaginary[row, i]
            for k in range(LANES):
                step[i, k] += a * wave[0, k] - b * wave[1, k]
            if len(gradient):
                for k in range(LANES):
                    wave[2, k] = -waves.base * (a * wave[1, k] + b * wave[0, k])
                for j in range(3):
                    n = waves.harmonics[row, j]
                    for k in range(LANES):
                        gradient[i, j, k] += wave[2, k] * n


@njit(nogil=True, cache=True)
def _load(points: Floats, start: int, row: int, column: int, out: Floats) -> None:
    """The points (n, 3) of one column of the rows from `start` on, as (3, LANES); beyond the last row it is repeated."""
    last = len(points) // row - 1
    for k in range(LANES):
        for i in range(3):
            out[i, k] = points[min(start + k, last) * row + column, i]


@njit(nogil=True, cache=True)
def _store(points: Floats, start: int, row: int, column: int, values: Floats) -> None:
    """The inverse of `_load`."""
    for k in range(min(LANES, len(points) // row - start)):
        for i in range(3):
            points[(start + k) * row + column, i] = values[i, k]


@njit(nogil=True, cache=True)
def _fill(values: Floats, value: float) -> None:
    for i in range(3):
        for k in range(LANES):
            values[i, k] = value


@njit(nogil=True, cache=True)
def walk(points: Floats, steps: int, waves: Waves, determinants: Floats) -> None:
    """Move points (n, 3) by z -> z + step(z), `steps` times, in place; `determinants`, (n,) of 1 or (0,), become those of
    the derivative of the whole way: the products of the steps' own."""
    buffers = _buffers(waves)
    gradient = np.empty((3 if len(determinants) else 0, 3, LANES))
    z, step = np.empty((3, LANES)), np.empty((3, LANES))
    for start in range(0, len(points), LANES):
        _load(points, start, 1, 0, z)
        for _ in range(steps):
            _fill(step, 0.0)
            for i in range(len(gradient)):
                _fill(gradient[i], 0.0)
                for k in range(LANES):
                    gradient[i, i, k] = 1.0
            _add_steps(z, waves, buffers, step, gradient)
            for i in range(3):
                for k in range(LANES):
                    z[i, k] += step[i, k]
            for k in range(min(LANES, len(determinants) - start)):
                determinants[start + k] *= _determinant(gradient, k)
        _store(points, start, 1, 0, z)


@njit(nogil=True, cache=True)
def _determinant(m: Floats, k: int) -> float:
    """Of the k-th of the matrices (3, 3, LANES)."""
    first = m[0, 0, k] * (m[1, 1, k] * m[2, 2, k] - m[1, 2, k] * m[2, 1, k])
    second = m[0, 1, k] * (m[1, 0, k] * m[2, 2, k] - m[1, 2, k] * m[2, 0, k])
    third = m[0, 2, k] * (m[1, 0, k] * m[2, 1, k] - m[1, 1, k] * m[2, 0, k])
    return float(first - second + third)


@njit(nogil=True, cache=True, error_model="numpy")
def _newton(z: Floats, residual: Floats, m: Floats) -> float:
    """One update, z -= m^-1 residual by Cramer's rule; the largest of its components. (3, LANES), (3, 3, LANES)."""
    largest = 0.0
    for k in range(LANES):
        a, b, c = m[0, 0, k], m[0, 1, k], m[0, 2, k]
        d, e, f = m[1, 0, k], m[1, 1, k], m[1, 2, k]
        g, h, i = m[2, 0, k], m[2, 1, k], m[2, 2, k]
        x, y, w = residual[0, k], residual[1, k], residual[2, k]
        ei_fh, fg_di, dh_eg = e * i - f * h, f * g - d * i, d * h - e * g
        det = a * ei_fh + b * fg_di + c * dh_eg
        first = (ei_fh * x + (c * h - b * i) * y + (b * f - c * e) * w) / det
        second = (fg_di * x + (a * i - c * g) * y + (c * d - a * f) * w) / det
        third = (dh_eg * x + (b * g - a * h) * y + (a * e - b * d) * w) / det
        z[0, k] -= first
        z[1, k] -= second
        z[2, k] -= third
        largest = max(largest, abs(first), abs(second), abs(third))
    return largest


@njit(nogil=True, cache=True)
def _solved(target: Floats, z: Floats, waves: Waves, buffers: tuple[Floats, Floats], last_update_mm: float) -> bool:
    """Solve z + step(z) = target (3, LANES) by Newton's method from the guess in z; gives whether it converged."""
    residual, gradient = np.empty((3, LANES)), np.empty((3, 3, LANES))
    for _ in range(MOST_UPDATES):
        for i in range(3):
            _fill(gradient[i], 0.0)
            for k in range(LANES):
                gradient[i, i, k] = 1.0
                residual[i, k] = z[i, k] - target[i, k]
        _add_steps(z, waves, buffers, residual, gradient)
        if _newton(z, residual, gradient) < last_update_mm:
            return True
    return False


@njit(nogil=True, cache=True)
def _guess(target: Floats, moved: Floats, known: int, out: Floats) -> None:
    """A first guess. `moved` (KNOWN, 3, LANES): from target to solution at the previous points, the last first."""
    for i in range(3):
        for k in range(LANES):
            out[i, k] = target[i, k]
        for age in range(min(known, KNOWN)):
            weight = EXTRAPOLATION[min(known, KNOWN), age]
            for k in range(LANES):
                out[i, k] += weight * moved[age, i, k]


@njit(nogil=True, cache=True)
def step_back(points: Floats, row: int, waves: Waves, last_update_mm: float) -> bool:
    """Solve z + step(z) = point at every point (n, 3), in place; gives whether all converged.

    Every `row` points lie on a line, evenly spaced: there Newton's method starts from the polynomial through the KNOWN
    previous solutions, and mostly needs one update instead of three or four. `row` is 1 if points have no order.
    """
    buffers = _buffers(waves)
    target, z = np.empty((3, LANES)), np.empty((3, LANES))
    moved = np.zeros((KNOWN, 3, LANES))
    for start in range(0, len(points) // row, LANES):
        for column in range(row):
            _load(points, start, row, column, target)
            _guess(target, moved, column, z)
            if not _solved(target, z, waves, buffers, last_update_mm):
                # the polynomial is a bad guess if points are farther apart than the field is smooth
                _guess(target, moved, 0, z)
                if not _solved(target, z, waves, buffers, last_update_mm):
                    return False
            for i in range(3):
                for k in range(LANES):
                    for age in range(KNOWN - 1, 0, -1):
                        moved[age, i, k] = moved[age - 1, i, k]
                    moved[0, i, k] = z[i, k] - target[i, k]
            _store(points, start, row, column, z)
    return True
