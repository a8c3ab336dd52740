"""Computes the Jacobian determinants of x -> x + d(x) on a voxel grid, d in voxels; compiled kernels.

The official evaluations form, per voxel, one central-difference determinant, eight corner determinants (each axis
forward or backward) and two of the tetrahedra in the middle of the two cells (Liu et al., IJCV 2024, "On finite
difference Jacobian computation in deformable image registration"). All of them are
computed only if one can be negative: if the differences of d are so small that each of these matrices is diagonally
dominant, all determinants are positive.
"""

from typing import Any

import numpy as np
from numba import njit

SAFE_CORNER = np.float32(0.99)
"""Row sums of |differences| below 1 make I + G diagonally dominant; float32 rounding errors are far below the margin."""
SAFE_TETRAHEDRON = np.float32(1.98)
"""Sum of |diagonal differences| below 2 keeps det(M + E) > 0, M the tetrahedron of the identity: |M^-1 E| <= sum / 2
< 1."""
FLOAT32_SAFE = 2e3
"""For displacements up to this, float32 differences are far more exact than the margins above."""


@njit(nogil=True, cache=True, inline="always")
def _determinant(a: Any, b: Any, c: Any) -> float:
    """Determinant of the matrix with these rows, with the official order of operations."""
    return a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])


@njit(nogil=True, cache=True, inline="always")
def _mapped(field: Any, x: int, y: int, z: int) -> Any:
    """x + d(x)."""
    return (
        np.float64(field[0, x, y, z]) + x,
        np.float64(field[1, x, y, z]) + y,
        np.float64(field[2, x, y, z]) + z,
    )


@njit(nogil=True, cache=True, inline="always")
def _minus(p: Any, q: Any) -> Any:
    return (p[0] - q[0], p[1] - q[1], p[2] - q[2])


@njit(nogil=True, cache=True, inline="always")
def _half(p: Any, q: Any) -> Any:
    return (0.5 * p[0] - 0.5 * q[0], 0.5 * p[1] - 0.5 * q[1], 0.5 * p[2] - 0.5 * q[2])


@njit(nogil=True, cache=True)
def determinants_at(field: Any, x: int, y: int, z: int, out: Any) -> None:
    """The eleven determinants of one inner voxel into `out`: eight corners, two tetrahedra, the central one last."""
    here = _mapped(field, x, y, z)
    left, right = _mapped(field, x - 1, y, z), _mapped(field, x + 1, y, z)
    front, back = _mapped(field, x, y - 1, z), _mapped(field, x, y + 1, z)
    low, high = _mapped(field, x, y, z - 1), _mapped(field, x, y, z + 1)
    dx, dy, dz = (
        (_minus(right, here), _minus(here, left)),
        (_minus(back, here), _minus(here, front)),
        (_minus(high, here), _minus(here, low)),
    )
    for i in range(8):
        out[i] = _determinant(dx[i >> 2], dy[(i >> 1) & 1], dz[i & 1])
    out[8] = _determinant(
        _minus(_mapped(field, x - 1, y - 1, z), here),
        _minus(_mapped(field, x - 1, y, z - 1), here),
        _minus(_mapped(field, x, y - 1, z - 1), here),
    )
    out[9] = _determinant(
        _minus(_mapped(field, x + 1, y + 1, z), here),
        _minus(_mapped(field, x, y + 1, z + 1), here),
        _minus(_mapped(field, x + 1, y, z + 1), here),
    )
    out[10] = _determinant(_half(right, left), _half(back, front), _half(high, low))


@njit(nogil=True, cache=True)
def central_row(field: Any, x: int, y: int, first: int, out: Any) -> None:
    """Central-difference determinants of inner voxels of one row: out[k] is at z = first + k + 1."""
    low, here, high = (first, first + out.size), (first + 1, first + 1 + out.size), (first + 2, first + 2 + out.size)
    x0, x1, x2 = _part(field, 0, x - 1, y, here), _part(field, 1, x - 1, y, here), _part(field, 2, x - 1, y, here)
    u0, u1, u2 = _part(field, 0, x + 1, y, here), _part(field, 1, x + 1, y, here), _part(field, 2, x + 1, y, here)
    y0, y1, y2 = _part(field, 0, x, y - 1, here), _part(field, 1, x, y - 1, here), _part(field, 2, x, y - 1, here)
    v0, v1, v2 = _part(field, 0, x, y + 1, here), _part(field, 1, x, y + 1, here), _part(field, 2, x, y + 1, here)
    z0, z1, z2 = _part(field, 0, x, y, low), _part(field, 1, x, y, low), _part(field, 2, x, y, low)
    w0, w1, w2 = _part(field, 0, x, y, high), _part(field, 1, x, y, high), _part(field, 2, x, y, high)
    for k in range(out.size):
        xx = 0.5 * np.float64(u0[k]) - 0.5 * np.float64(x0[k]) + 1.0
        xy = 0.5 * np.float64(u1[k]) - 0.5 * np.float64(x1[k])
        xz = 0.5 * np.float64(u2[k]) - 0.5 * np.float64(x2[k])
        yx = 0.5 * np.float64(v0[k]) - 0.5 * np.float64(y0[k])
        yy = 0.5 * np.float64(v1[k]) - 0.5 * np.float64(y1[k]) + 1.0
        yz = 0.5 * np.float64(v2[k]) - 0.5 * np.float64(y2[k])
        zx = 0.5 * np.float64(w0[k]) - 0.5 * np.float64(z0[k])
        zy = 0.5 * np.float64(w1[k]) - 0.5 * np.float64(z1[k])
        zz = 0.5 * np.float64(w2[k]) - 0.5 * np.float64(z2[k]) + 1.0
        out[k] = xx * (yy * zz - yz * zy) - yx * (xy * zz - xz * zy) + zx * (xy * yz - xz * yy)


@njit(nogil=True, cache=True, inline="always")
def _part(field: Any, component: int, x: int, y: int, span: Any) -> Any:
    """Part of one row of one component."""
    return field[component, x, y, span[0] : span[1]]


@njit(nogil=True, cache=True)
def _reach_row(field: Any, here: Any, there: Any, span: Any, out: Any) -> None:
    """out = max(out, sum over components of |d(there) - d(here)|), both (x, y): both differences of one axis."""
    (hx, hy), (x, y) = here, there
    a0, a1, a2 = _part(field, 0, x, y, span), _part(field, 1, x, y, span), _part(field, 2, x, y, span)
    c0, c1, c2 = _part(field, 0, hx, hy, span), _part(field, 1, hx, hy, span), _part(field, 2, hx, hy, span)
    for k in range(out.size):
        step = (
            abs(np.float32(a0[k]) - np.float32(c0[k]))
            + abs(np.float32(a1[k]) - np.float32(c1[k]))
            + abs(np.float32(a2[k]) - np.float32(c2[k]))
        )
        out[k] = max(out[k], step)


@njit(nogil=True, cache=True)
def _reach_along(field: Any, at: Any, span: Any, out: Any) -> None:
    """The same for both differences along z."""
    x, y = at
    for c in range(3):
        a, b = field[c, x, y, span[0] - 1 : span[1] - 1], _part(field, c, x, y, span)
        d, down, up = field[c, x, y, span[0] + 1 : span[1] + 1], out[1], out[2]
        for k in range(out.shape[1]):
            down[k] += abs(np.float32(a[k]) - np.float32(b[k]))
            up[k] += abs(np.float32(d[k]) - np.float32(b[k]))
    low, high = out[1], out[2]
    for k in range(out.shape[1]):
        out[0, k] = max(out[0, k], low[k], high[k])


@njit(nogil=True, cache=True)
def _reach_cell(field: Any, at: Any, side: int, span: Any, out: Any) -> None:
    """Adds to `out` the three diagonal differences that span the tetrahedron towards `side` (-1 or 1)."""
    x, y = at
    beside = span[0] + side, span[1] + side
    for c in range(3):
        here = _part(field, c, x, y, span)
        a = _part(field, c, x + side, y + side, span)
        b = _part(field, c, x + side, y, beside)
        d = _part(field, c, x, y + side, beside)
        for k in range(out.size):
            h = np.float32(here[k])
            out[k] += abs(np.float32(a[k]) - h) + abs(np.float32(b[k]) - h) + abs(np.float32(d[k]) - h)


@njit(nogil=True, cache=True)
def safe_row(field: Any, x: int, y: int, first: int, work: Any, safe: Any) -> None:
    """safe[k] = 1 if all determinants of voxel (x, y, first + k + 1) are certain to be positive.

    `work`: float32, (5, length of `safe`).
    """
    work[:] = 0
    here, span = (x, y), (first + 1, first + 1 + safe.size)
    _reach_row(field, here, (x - 1, y), span, work[0])
    _reach_row(field, here, (x + 1, y), span, work[0])
    _reach_row(field, here, (x, y - 1), span, work[0])
    _reach_row(field, here, (x, y + 1), span, work[0])
    _reach_along(field, here, span, work)
    _reach_cell(field, here, -1, span, work[3])
    _reach_cell(field, here, 1, span, work[4])
    axes, near, far = work[0], work[3], work[4]
    for k in range(safe.size):
        safe[k] = np.uint8((axes[k] < SAFE_CORNER) & (near[k] < SAFE_TETRAHEDRON) & (far[k] < SAFE_TETRAHEDRON))
