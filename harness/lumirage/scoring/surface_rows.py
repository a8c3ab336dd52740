"""Computes squared distances from a row of points to what lies in rows of a surface: the inner loops of `nearest_surface`.

All take whole arrays and the numbers that say which part is meant: numba counts references to every part that is cut, which
costs more than the work on a short row. Loops take several parts at once, so that compilers vectorize them.
"""

from typing import Any

import numpy as np
from numba import njit

from lumirage.scoring.surfels import corner_of

AT_ONCE = 4
"""Rows that are taken at once."""


@njit(nogil=True, cache=True)
def room_for(nz: int, ends: Any, squares: Any) -> Any:
    """Room for a row of the surface's box with nothing on both sides as far as points look, then for a row of points; and
    where the box begins in it.

    `ends`: where along z the points begin and end, from the beginning of the box.
    """
    aside = squares.z.size + max(-ends[0], ends[1] - nz + 1, 0) + 1
    return np.full(nz + 2 * aside + ends[1] - ends[0] + 1, np.inf, squares.z.dtype), aside


@njit(nogil=True, cache=True)
def lower_by_rows(planes: Any, lowest: Any, squares: Any, low: Any, at: Any) -> None:
    """Sets a row of `low` to the nearest in rows around it, inside a window along z.

    A row that cannot lower the worst distance is left out.
    """
    (base, y, ny, nz), (along, (start, end), aside), (beside, worst) = at
    for z in range(nz):
        low[np.uint64(aside + z)] = np.inf
    r, stop = max(y - along + 1, 0), min(y + along, ny)
    while r < stop:
        a, row = squares[abs(y - r)], (base + r) * nz
        if lowest[base + r] + a + beside >= worst:
            r += 1
        elif r + AT_ONCE <= stop:
            b, c, d = squares[abs(y - r - 1)], squares[abs(y - r - 2)], squares[abs(y - r - 3)]
            for z in range(start, end):
                p, q = planes[np.uint64(row + z)] + a, planes[np.uint64(row + nz + z)] + b
                s, t = planes[np.uint64(row + 2 * nz + z)] + c, planes[np.uint64(row + 3 * nz + z)] + d
                p, s = q if q < p else p, t if t < s else s
                p = s if s < p else p
                here = low[np.uint64(aside + z)]
                low[np.uint64(aside + z)] = p if p < here else here
            r += AT_ONCE
        else:
            for z in range(start, end):
                p, here = planes[np.uint64(row + z)] + a, low[np.uint64(aside + z)]
                low[np.uint64(aside + z)] = p if p < here else here
            r += 1


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def lower_by_sides(room: Any, squares: Any, points: Any, best: Any, at: Any) -> Any:
    """Lowers `best` by what lies in the row `room` beside each point along z; gives the largest of it."""
    (first, stop), (first_z, z_low, z_high), (dz, along), (start, end), aside = at
    n, here, out = z_high - z_low + 1, aside + z_low, room.size - (z_high - z_low + 1)
    least = room[aside + start]
    for z in range(start, end):
        least = min(least, room[np.uint64(aside + z)])
    for z in range(n):
        room[np.uint64(out + z)] = room[np.uint64(here + z)]
    dz = max(dz, 1)
    while True:
        worst = squares[0]
        for k in range(first, stop):
            found = room[np.uint64(out + corner_of(points[k])[2] - first_z - z_low)]
            best[k] = min(found, best[k])
            worst = max(worst, best[k])
        if dz >= min(along, squares.size - AT_ONCE + 1) or least + squares[dz] >= worst:
            return worst
        a, b, c, d = squares[dz], squares[dz + 1], squares[dz + 2], squares[dz + 3]
        for z in range(n):
            down, up = here - dz + z, here + dz + z
            p = min(room[np.uint64(down)], room[np.uint64(up)]) + a
            q = min(room[np.uint64(down - 1)], room[np.uint64(up + 1)]) + b
            s = min(room[np.uint64(down - 2)], room[np.uint64(up + 2)]) + c
            t = min(room[np.uint64(down - 3)], room[np.uint64(up + 3)]) + d
            room[np.uint64(out + z)] = min(p, q, s, t, room[np.uint64(out + z)])
        dz += AT_ONCE


@njit(nogil=True, cache=True)
def steps_below(squares: Any, worst: float) -> int:
    """The number of steps that are shorter than a squared distance."""
    steps = 0
    while steps < squares.size and squares[steps] < worst:
        steps += 1
    return steps
