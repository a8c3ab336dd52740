"""Behaves as the challenge's template does: paths from its working directory, workers that load, voxels, identity matrix.

Its field is d(i, j, k) = (1 + j / 50, k / 25 - 0.5, 2 - i / 40), channels first in 2024, last in 2025.
"""

# ruff: noqa: T201 -- a program that prints
import json
import site
from multiprocessing import Pool
from pathlib import Path

site.addsitedir(site.getusersitepackages())  # as Python does by itself where it is not a distribution's

import nifti

IDENTITY = [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)]
(LISTING,) = Path().glob("LUMIR*_dataset.json")


def load(name):
    shape, _, values = nifti.read("./input/" + name)
    scaled = [value / 255.0 for value in values]
    assert min(scaled) == 0.0, min(scaled)
    assert abs(max(scaled) - 1.0) < 1e-6, max(scaled)
    return shape


def field(shape):
    x, y, z = shape
    lattice = [(i, j, k) for k in range(z) for j in range(y) for i in range(x)]
    return (
        [1 + j / 50 for _, j, _ in lattice]
        + [k / 25 - 0.5 for _, _, k in lattice]
        + [2 - i / 40 for i, _, _ in lattice]
    )


def main():
    pairs = json.loads(LISTING.read_text())["validation"]
    with Pool(2) as pool:
        shapes = pool.map(load, [pair[side] for pair in pairs for side in ("fixed", "moving")])
    for pair, shape, other in zip(pairs, shapes[::2], shapes[1::2]):  # noqa: B905 -- of any Python
        assert shape == other
        fixed, moving = (pair[side].split("_")[-2] for side in ("fixed", "moving"))
        values = field(shape)
        if "25" in LISTING.name:
            dims = (*shape, 3)
        else:  # (3, X, Y, Z): the channel is the fastest axis of the file
            dims, size = (3, *shape), len(values) // 3
            values = [values[channel * size + voxel] for voxel in range(size) for channel in range(3)]
        nifti.write(f"./output/disp_{fixed}_{moving}.nii.gz", dims, IDENTITY, values)
        print(f"disp_{fixed}_{moving}.nii.gz saved to ./output/")


if __name__ == "__main__":
    main()
