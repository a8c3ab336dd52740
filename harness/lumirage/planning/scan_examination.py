"""Checks scans and working grids before anything is built or started: unusable ones are refused or left out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lumirage.core.errors import DataError, UsageError
from lumirage.core.landmark_files import read_landmarks
from lumirage.core.model import Pair, Scan
from lumirage.core.native_images import Note
from lumirage.core.track import Condition, Evaluation
from lumirage.planning.grid_forecast import grids_of
from lumirage.planning.preparation import check_scan, examine_scan

NAMED = 3
"""How many files are named for each assumption."""

INPUT_BYTES, FIELD_BYTES = 8, 12
"""Bytes for each voxel of the working grid: the fixed and the moving image, and the field; float32."""


@dataclass(frozen=True)
class Examined:
    """The problems found in the examined pairs."""

    left_out: dict[str, str]
    """Pair id -> why it cannot be used."""
    notes: tuple[str, ...]
    """The assumptions made about images, one line for each kind."""


def examine_pairs(evaluation: Evaluation, pairs: Sequence[Pair], read: Collection[str]) -> Examined:
    """Check the scans of these pairs under all conditions; all images of the pairs in `read` are read in full.

    Raises DataError for an unusable scan, unless the track leaves such scans out; also if no pair is left.
    """
    cells = evaluation.track.cells()
    notes: list[Note] = []
    faults: dict[str, str] = {}
    left_out: dict[str, str] = {}
    looked: set[str] = set()
    for pair in pairs:
        for under in (evaluation.under(pair, cell.name) for cell in cells):
            for scan in (under.fixed, under.moving):
                if scan.name not in looked:
                    looked.add(scan.name)
                    try:
                        notes += _examine(scan, read=pair.id in read)
                    except DataError as error:
                        faults[scan.name] = _refused_or_told(error, evaluation)
                if scan.name in faults:
                    left_out.setdefault(pair.id, faults[scan.name])
    if pairs and len(left_out) == len(pairs):
        raise DataError(
            f"no pair is left: all {len(pairs)} have a scan that cannot be used, such as\n  {next(iter(faults.values()))}"
        )
    return Examined(left_out, (*_told(notes), *_left_out_words(faults, left_out, len(pairs))))


def check_grids(evaluation: Evaluation, pairs: Sequence[Pair]) -> None:
    """Raise UsageError if the images and the field of a working grid alone exceed the track's limits."""
    limits = evaluation.track.limits
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        for cell in evaluation.track.cells():
            fixed = evaluation.under(pair, cell.name).fixed
            if (fixed.name, cell.name) in seen:
                continue
            seen.add((fixed.name, cell.name))
            voxels = _voxels(fixed, cell)
            memory, output = voxels * (INPUT_BYTES + FIELD_BYTES), voxels * FIELD_BYTES
            for name, needed, limit in (
                ("memory_bytes", memory, limits.memory_bytes),
                ("output_bytes", output, limits.output_bytes),
            ):
                if needed > limit:
                    raise UsageError(_too_large(cell, fixed, voxels, (name, needed, limit)))


def _voxels(fixed: Scan, cell: Condition) -> int:
    """The number of voxels of the working grid; for a crop that of the whole image, unless that is too large to decide by."""
    whole = cell.model_copy(update={"prepare": cell.prepare.model_copy(update={"crop_mm": None})})
    return int(np.prod([float(n) for n in grids_of(fixed, [whole], read=False)[cell.name].shape]))


def _too_large(cell: Condition, fixed: Scan, voxels: int, limit: tuple[str, int, int]) -> str:
    name, needed, most = limit
    prepare = cell.prepare
    asked = f"shape {prepare.shape}" if prepare.shape else f"spacing_mm {prepare.spacing_mm or 'of the image'}"
    what = "the two images and the field" if name == "memory_bytes" else "the field"
    return (
        f"condition {cell.name}: prepare.{asked} makes {voxels:.3g} voxels of {fixed.image.name}; {what} alone take "
        f"{_bytes(needed)}, more than limits.{name} ({_bytes(most)}). Spacing is in millimetres, limits are in bytes: ask "
        "for a coarser or smaller grid, or raise the limit"
    )


def _bytes(n: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.3g} {unit}"
        n /= 1000
    raise AssertionError("unreachable")


def _examine(scan: Scan, *, read: bool) -> tuple[Note, ...]:
    check_scan(scan)
    if scan.landmarks:
        read_landmarks(scan.landmarks)
    return examine_scan(scan) if read else ()


def _refused_or_told(error: DataError, evaluation: Evaluation) -> str:
    if evaluation.track.on_bad_scan == "refuse":
        raise DataError(
            f"{error}\n(with 'on_bad_scan: leave_out' in the track, such a scan is left out with its pairs)"
        ) from error
    return str(error)


def _told(notes: Sequence[Note]) -> list[str]:
    lines = []
    for kind in dict.fromkeys(note.kind for note in notes):
        names = list(dict.fromkeys(note.path.name for note in notes if note.kind == kind))
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        lines.append(f"{', '.join(names[:NAMED])}{more}: {kind}")
    return lines


def _left_out_words(faults: dict[str, str], left_out: dict[str, str], pairs: int) -> list[str]:
    if not faults:
        return []
    return [
        f"left out: {len(left_out)} of {pairs} pairs, for {len(faults)} scans that cannot be used",
        *(f"  {fault}" for fault in faults.values()),
    ]
