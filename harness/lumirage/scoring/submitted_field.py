"""Reads the field that a team handed in for a pair of an official configuration."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumirage.core.errors import DataError, InvalidAnswerError
from lumirage.core.space import read_stored
from lumirage.scoring.challenge_truth import EvalPair, Truth


def submitted_field(path: Path, truth: Truth, pair: EvalPair) -> NDArray[Any]:
    """A stored answer (X, Y, Z, 3) in voxels, as it lies in memory, whatever its values. Raises InvalidAnswerError."""
    subjects = "-->".join(pair.key.split("<--"))
    return components_last(_stored(path), truth.configuration.expected_shape[:3], subjects)


def components_last(stored: NDArray[Any], shape: Sequence[int], name: str) -> NDArray[Any]:
    """A stored field, components first or last, as a view (X, Y, Z, 3) of it.

    Raises InvalidAnswerError in the challenge's own words if its shape is not `shape`.
    """
    moved = np.moveaxis(stored, 0, -1) if stored.shape[:1] == (3,) else stored
    for field in (moved, stored):
        if field.shape == (*shape, 3):
            return field
    found, wanted = ("x".join(map(str, s)) for s in (moved.shape, (*shape, 3)))
    raise InvalidAnswerError(
        f"The displacement field {name} has a wrong shape ('{found}'). "
        f"The expected shape of displacement fields for this task is {wanted}."
    )


def _stored(path: Path) -> NDArray[Any]:
    try:
        if path.suffix != ".npz":
            return np.squeeze(read_stored(path))
        with np.load(path, allow_pickle=False) as content:
            return np.asarray(content["arr_0"])
    except (DataError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InvalidAnswerError(f"the answer cannot be read: {error}") from error
