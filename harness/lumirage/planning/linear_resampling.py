"""Resamples images linearly, with the digits of `scipy.ndimage`, which takes ten times as long."""

from typing import Any

import numpy as np
from numba import njit

from lumirage.core.space import Float, Single


def affine_resampled(data: Single, matrix: Float, offset: Float, shape: tuple[int, int, int]) -> Single:
    """out(i) = data(matrix i + offset), trilinear, float32; outside the image is 0, and blends with its border.

    Like `scipy.ndimage.affine_transform(order=1, mode="grid-constant")`, in Fortran order, as images are stored.
    """
    stored = np.asfortranarray(data).T
    out = np.empty(shape[::-1], np.float32)
    _resample(stored, np.ascontiguousarray(matrix), np.ascontiguousarray(offset), out)
    return out.T


@njit(nogil=True, cache=True)
def _resample(stored: Any, matrix: Any, offset: Any, out: Any) -> None:
    """`stored` and `out`: z, y, x; `matrix` and `offset`: x, y, z. Sums and products in the order of scipy's."""
    nz, ny, nx = stored.shape
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                x = ((offset[0] + i * matrix[0, 0]) + j * matrix[0, 1]) + k * matrix[0, 2]
                y = ((offset[1] + i * matrix[1, 0]) + j * matrix[1, 1]) + k * matrix[1, 2]
                z = ((offset[2] + i * matrix[2, 0]) + j * matrix[2, 1]) + k * matrix[2, 2]
                value = 0.0
                if -1 < x < nx and -1 < y < ny and -1 < z < nz:
                    value = _linear(stored, x, y, z)
                out[k, j, i] = np.float32(value)


@njit(nogil=True, cache=True, inline="always")
def _linear(stored: Any, x: float, y: float, z: float) -> float:
    nz, ny, nx = stored.shape
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = np.int64(fx), np.int64(fy), np.int64(fz)
    px, py, pz = x - fx, y - fy, z - fz
    value = 0.0
    if i >= 0 and j >= 0 and k >= 0 and i + 1 < nx and j + 1 < ny and k + 1 < nz:
        for corner in range(8):
            right, back, up = corner >> 2, (corner >> 1) & 1, corner & 1
            weighted = np.float64(stored[np.uint64(k + up), np.uint64(j + back), np.uint64(i + right)])
            value += weighted * (px if right else 1 - px) * (py if back else 1 - py) * (pz if up else 1 - pz)
        return value
    for corner in range(8):
        a, b, c = i + (corner >> 2), j + ((corner >> 1) & 1), k + (corner & 1)
        if 0 <= a < nx and 0 <= b < ny and 0 <= c < nz:
            weights = (px if a > i else 1 - px), (py if b > j else 1 - py), (pz if c > k else 1 - pz)
            value += np.float64(stored[c, b, a]) * weights[0] * weights[1] * weights[2]
    return value


@njit(nogil=True, cache=True)
def joint_counts(image: Any, at: Any, bins: Any, size: int) -> Any:
    """How often each bin of one image meets each of another, (size, size): `image`, values in 0..1, is sampled at points
    (n, 3) in voxels, linearly, 0 outside, as by `scipy.ndimage.map_coordinates(order=1, mode="constant")`."""
    nx, ny, nz = image.shape
    counts = np.zeros((size, size), np.int64)
    for n in range(len(at)):
        x, y, z = at[n, 0], at[n, 1], at[n, 2]
        value = 0.0
        if 0 <= x <= nx - 1 and 0 <= y <= ny - 1 and 0 <= z <= nz - 1:
            value = _clamped(image, x, y, z)
        counts[np.int64(bins[n]), np.int64(min(np.floor(value * size), size - 1))] += 1
    return counts


@njit(nogil=True, cache=True, inline="always")
def _clamped(image: Any, x: float, y: float, z: float) -> float:
    nx, ny, nz = image.shape
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    i, j, k = np.int64(fx), np.int64(fy), np.int64(fz)
    px, py, pz = x - fx, y - fy, z - fz
    value = 0.0
    for corner in range(8):
        a, b, c = corner >> 2, (corner >> 1) & 1, corner & 1
        weighted = image[min(i + a, nx - 1), min(j + b, ny - 1), min(k + c, nz - 1)]
        value += weighted * (px if a else 1 - px) * (py if b else 1 - py) * (pz if c else 1 - pz)
    return value
