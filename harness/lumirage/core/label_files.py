"""The label map of a label source: one file, or one map made from a mask or probability map for each structure."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lumirage.core.errors import DataError
from lumirage.core.model import Grid, Pair, Scan
from lumirage.core.native_images import read_image, read_label_map
from lumirage.core.space import Float, Volume, points, same_grid

LEAST_OVERLAP = 0.5
"""Of the smaller of the two boxes in the world, as a map of one structure may cover only a part of its image."""
PROBABILITIES = "_probseg."
_ROUNDING = 0.01
_Structure = tuple[int, Path]


def shared_sources(pair: Pair) -> list[str]:
    """The names of the label sources that both scans have, sorted."""
    mine, others = ({*scan.labels, *scan.structures} for scan in (pair.fixed, pair.moving))
    return sorted(mine & others)


def elsewhere(image: Grid, labels: Grid) -> str:
    """Why a label map cannot belong to an image, judged by its position; empty if it can. The lattices may differ."""
    if same_grid(image, labels):
        return ""
    unset = [np.array_equal(grid.affine, np.eye(4)) for grid in (image, labels)]
    if unset[0] != unset[1]:
        whose = "its" if unset[1] else "the image's"
        return f"{whose} voxel-to-world matrix is the identity, and the other's is not"
    boxes = [points(np.array(grid.affine), _corners(grid)) for grid in (image, labels)]
    low, high = np.max([b.min(axis=0) for b in boxes], axis=0), np.min([b.max(axis=0) for b in boxes], axis=0)
    share = np.prod(np.clip(high - low, 0, None)) / min(np.prod(np.ptp(box, axis=0)) for box in boxes)
    return "" if share >= LEAST_OVERLAP else f"{share:.0%} of the smaller of the two is in both"


def _corners(grid: Grid) -> Float:
    """Outer corners of a lattice, voxels."""
    return np.array(list(itertools.product(*((-0.5, n - 0.5) for n in grid.shape))))


def label_files(scan: Scan, source: str) -> tuple[Path, ...]:
    """The files of a label source for a scan: one, or one for each structure, sorted by name. Empty if there are none."""
    if source in scan.labels:
        return (scan.labels[source],)
    return tuple(path for _, path in sorted(scan.structures.get(source, {}).items()))


def structure_numbers(scan: Scan, source: str, names: Mapping[int, str]) -> tuple[int, ...]:
    """The label of each structure that has its own file, in the order of `label_files`; empty if one file has all labels."""
    numbers = {name: number for number, name in names.items()}
    return tuple(numbers[name] for name in sorted(scan.structures.get(source, {})))


def read_label_files(files: Sequence[Path], numbers: Sequence[int] = ()) -> Volume:
    """The label map of a source, int32 (X, Y, Z): from one file, or from one file for each of these numbers.

    A voxel gets the structure with the largest probability, if that exceeds the probability of background. Raises
    DataError if files are damaged or lie on different lattices, or if masks overlap.
    """
    if not numbers:
        return read_label_map(files[0])
    maps = list(zip(numbers, files, strict=True))
    return _likeliest(maps) if PROBABILITIES in files[0].name else _joined(maps)


def _likeliest(maps: Sequence[_Structure]) -> Volume:
    volumes = _on_one_lattice([(number, path, read_image(path)) for number, path in maps])
    best, total = (np.zeros(volumes[0][2].data.shape) for _ in range(2))
    labels = np.zeros(best.shape, np.int32)
    for number, path, volume in volumes:
        if volume.data.min() < -_ROUNDING or volume.data.max() > 1 + _ROUNDING:
            span = f"{volume.data.min():g} to {volume.data.max():g}"
            raise DataError(f"{path}: probabilities must be from 0 to 1; these are from {span}")
        higher = volume.data > best
        labels[higher], best[higher] = number, volume.data[higher]
        total += volume.data
    labels[best <= 1.0 - total] = 0
    return Volume(labels, volumes[0][2].affine)


def _joined(maps: Sequence[_Structure]) -> Volume:
    volumes = _on_one_lattice([(number, path, read_label_map(path)) for number, path in maps])
    labels = np.zeros(volumes[0][2].data.shape, np.int32)
    for number, path, volume in volumes:
        inside = volume.data > 0
        if twice := int(np.count_nonzero(labels[inside])):
            raise DataError(
                f"{path}: {twice} of its voxels are in the mask of another structure too; put overlapping structures "
                "into separate derivatives"
            )
        labels[inside] = number
    return Volume(labels, volumes[0][2].affine)


def _on_one_lattice(volumes: list[tuple[int, Path, Volume]]) -> list[tuple[int, Path, Volume]]:
    first = volumes[0][2].grid
    for _, path, volume in volumes:
        if not same_grid(volume.grid, first):
            raise DataError(f"{path}: not on the lattice of {volumes[0][1].name}, the first structure of this source")
    return volumes
