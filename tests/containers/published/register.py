"""A tool with a command line of its own that leaves an ITK field: 5-D, vector intent, millimetres, LPS, pull.

In RAS its field is u(x, y, z) = (3 + y / 40, z / 30 - 2, 1.5 - x / 50). The moved image is the moving image at x + u(x).
"""

import argparse
from math import floor

import nifti


def inverse(rows):
    """Of the 3x3 part of a matrix that scales and shifts."""
    assert all(row[j] == 0 for i, row in enumerate(rows) for j in range(3) if i != j), "a turned grid"
    return [1.0 / rows[i][i] for i in range(3)]


def sample(values, shape, at):
    """Linear; outside the nearest voxel."""
    at = [min(max(a, 0.0), n - 1.0) for a, n in zip(at, shape)]  # noqa: B905 -- of any Python
    low = [min(floor(a), n - 2) for a, n in zip(at, shape)]  # noqa: B905
    found = 0.0
    for corner in range(8):
        index, weight = [], 1.0
        for axis in range(3):
            up = corner >> axis & 1
            part = at[axis] - low[axis]
            weight *= part if up else 1.0 - part
            index.append(low[axis] + up)
        found += weight * values[index[0] + shape[0] * (index[1] + shape[1] * index[2])]
    return found


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--fixed", required=True)
    words.add_argument("--moving", required=True)
    words.add_argument("--warp", required=True)
    words.add_argument("--moved", required=True)
    words.add_argument("--threads", type=int, required=True)
    words.add_argument("--gain", type=float, required=True)
    given = words.parse_args()
    assert given.threads == 1
    shape, rows, _ = nifti.read(given.fixed)
    shape_of_moving, rows_of_moving, values = nifti.read(given.moving)
    assert (shape, rows) == (shape_of_moving, rows_of_moving)
    scale, field, moved = inverse(rows), ([], [], []), []
    for k in range(shape[2]):
        for j in range(shape[1]):
            for i in range(shape[0]):
                x, y, z = (rows[axis][axis] * n + rows[axis][3] for axis, n in enumerate((i, j, k)))
                u = [given.gain * part for part in (3 + y / 40, z / 30 - 2, 1.5 - x / 50)]
                for axis, sign in enumerate((-1, -1, 1)):
                    field[axis].append(sign * u[axis])
                moved.append(sample(values, shape, [n + part * s for n, part, s in zip((i, j, k), u, scale)]))  # noqa: B905
    nifti.write(given.warp, (*shape, 1, 3), rows, [part for axis in field for part in axis], intent=1007)
    nifti.write(given.moved, shape, rows, moved)


if __name__ == "__main__":
    main()
