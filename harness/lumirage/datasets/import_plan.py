"""Plans what an import brings in (pure), then writes it as BIDS by links or copies in one step."""

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lumirage.core.errors import DataError
from lumirage.core.space import points, read_grid, read_labels
from lumirage.datasets import bids_tree as bids

ENDINGS = (".nii.gz", ".nii", ".mgz", ".mgh")
Landmark = tuple[int, str, tuple[float, float, float]]
"""Index, name and position, RAS+ mm. The same index in two scans means the same landmark."""


@dataclass(frozen=True)
class IncomingScan:
    """One image to be imported, with its side files if any."""

    subject: str
    suffix: str
    image: Path
    session: str | None = None
    acquisition: str | None = None
    run: str | None = None
    labels: Mapping[str, Path] = field(default_factory=dict)
    mask: Path | None = None
    landmarks: Path | None = None
    landmark_offset: int = 0

    @property
    def entities(self) -> str:
        """The scan's name, such as `sub-01_ses-1_acq-x_run-2`."""
        parts = (("sub", self.subject), ("ses", self.session), ("acq", self.acquisition), ("run", self.run))
        return "_".join(f"{key}-{value}" for key, value in parts if value)

    @property
    def side_files(self) -> tuple[Path | None, ...]:
        """Label maps by source, mask and landmarks."""
        return (*(self.labels[source] for source in sorted(self.labels)), self.mask, self.landmarks)

    @property
    def name(self) -> str:
        """The BIDS stem."""
        return f"{self.entities}_{self.suffix}"


@dataclass(frozen=True)
class Incoming:
    """A whole dataset to be imported.

    label_names: label source -> label -> name. pairs: list name -> (fixed, moving) scan names.
    notes: messages for the user, such as files that were named but do not exist.
    named_by_table: label sources whose names are in one of the field's common tables; they need no dseg.tsv.
    """

    name: str
    scans: tuple[IncomingScan, ...]
    label_names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    named_by_table: tuple[str, ...] = ()


def bids_label(text: str) -> str:
    """`text` with letters and digits only, as BIDS requires for the value of an entity. Raises DataError if nothing is left."""
    label = re.sub(r"[^0-9A-Za-z]", "", text)
    if not label:
        raise DataError(f"{text!r} has no letter or digit to make a BIDS label of")
    return label


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, sorted."""
    return sorted(p for p in folder.glob("*") if p.name.endswith(ENDINGS)) if folder.is_dir() else []


def stem(path: Path) -> str:
    """The file's name without .nii, .nii.gz, .mgz, .mgh or .csv."""
    return re.sub(r"\.(nii\.gz|nii|mgz|mgh|csv)$", "", path.name)


def ending(path: Path) -> str:
    """`.nii`, `.nii.gz`, `.mgz` or `.mgh`. Raises DataError for another format."""
    for known in ENDINGS:
        if path.name.endswith(known):
            return known
    raise DataError(f"{path}: not a NIfTI file; convert it to .nii or .nii.gz first")


def write_incoming(incoming: Incoming, out: Path, *, copy: bool) -> None:
    """Write the BIDS dataset `out`, its images as absolute symbolic links or as copies.

    Written in a temporary folder and renamed. Raises DataError if nothing was found, a file is missing or two scans would
    share a name; UsageError if `out` is not empty.
    """
    _check(incoming)
    with bids.made_aside(out) as root:
        readme = "\n".join(("Imported by lumirage-harness dataset import.", *incoming.notes, ""))
        bids.write_raw_description(root, incoming.name, readme)
        bids.write_participants(root, sorted({scan.subject for scan in incoming.scans}))
        for scan in incoming.scans:
            _place(scan.image, bids.anat_file(root, scan.entities, scan.suffix + ending(scan.image)), copy=copy)
        for scan, prefix in _owners(incoming):
            _write_side_files(root, scan, prefix, copy=copy)
        _write_derivatives(root, incoming)
        for name, pairs in incoming.pairs.items():
            bids.write_table(bids.pair_list(root, name), ("fixed", "moving"), pairs)


def _check(incoming: Incoming) -> None:
    if not incoming.scans:
        raise DataError(f"{incoming.name}: no image found to import; see docs/datasets.md for the expected layout")
    name, times = Counter(scan.name for scan in incoming.scans).most_common(1)[0]
    if times > 1:
        both = ", ".join(str(scan.image) for scan in incoming.scans if scan.name == name)
        raise DataError(f"several images would be {name}: {both}; rename all but one")
    for scan in incoming.scans:
        for path in (scan.image, *scan.side_files):
            if path is not None and not path.is_file():
                raise DataError(f"{path}: no such file")


def _owners(incoming: Incoming) -> Iterator[tuple[IncomingScan, str]]:
    """The scans that bring side files, with the prefix of these files' names.

    Contrasts of one session often share side files, which are then written once for all. If they differ, the names say
    which contrast they belong to: `space-T1w_`.
    """
    sessions: dict[str, list[IncomingScan]] = {}
    for scan in incoming.scans:
        sessions.setdefault(scan.entities, []).append(scan)
    for scans in sessions.values():
        if all(scan.side_files == scans[0].side_files for scan in scans):
            yield scans[0], ""
        else:
            yield from ((scan, f"space-{scan.suffix}_") for scan in scans)


def _write_side_files(root: Path, scan: IncomingScan, prefix: str, *, copy: bool) -> None:
    for source, path in scan.labels.items():
        folder = bids.derivative(root, source)
        _place(path, bids.anat_file(folder, scan.entities, f"{prefix}seg-{source}_dseg{ending(path)}"), copy=copy)
    if scan.mask is not None:
        folder = bids.derivative(root, "masks")
        _place(
            scan.mask, bids.anat_file(folder, scan.entities, f"{prefix}desc-brain_mask{ending(scan.mask)}"), copy=copy
        )
    if scan.landmarks is not None:
        found = read_landmarks(scan.landmarks, scan.image, scan.landmark_offset)
        folder = bids.derivative(root, "landmarks")
        bids.write_landmarks(bids.anat_file(folder, scan.entities, f"{prefix}desc-imported_landmarks.tsv"), found)
        if scan.landmarks.name.endswith(ENDINGS):  # LUMIR's TRE warps the map itself
            name = f"{prefix}desc-landmarks_dseg{ending(scan.landmarks)}"
            _place(scan.landmarks, bids.anat_file(folder, scan.entities, name), copy=copy)


def _write_derivatives(root: Path, incoming: Incoming) -> None:
    """Descriptions and label tables of the derivatives that got a file."""
    how = "dataset import"
    for folder in sorted(root.glob("derivatives/*")):
        bids.write_derivative_description(folder, f"{incoming.name} {folder.name}", how, f"{how}: {folder.name}\n")
        maps = [scan.labels[folder.name] for scan in incoming.scans if folder.name in scan.labels]
        if maps and folder.name not in incoming.named_by_table:
            bids.write_label_table(folder, incoming.label_names.get(folder.name) or _unnamed(maps[0]))


def _unnamed(label_map: Path) -> dict[int, str]:
    """Names for the labels of one map if the source has none."""
    return {int(value): f"label {int(value)}" for value in np.unique(read_labels(label_map).data) if value != 0}


def _place(source: Path, target: Path, *, copy: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if copy:
        shutil.copy2(source, target)
    else:
        target.symlink_to(source.absolute())


def read_landmarks(path: Path, image: Path, offset: int = 0) -> list[Landmark]:
    """Landmarks in world coordinates.

    From a label volume: the centroid of every label. From a CSV without header: voxel coordinates of `image`, one point on
    each line, numbered from `offset` + 1. Raises DataError.
    """
    if path.name.endswith(ENDINGS):
        volume = read_labels(path)
        values = [int(v) for v in np.unique(volume.data) if v != 0]
        voxels = np.array([np.argwhere(volume.data == v).mean(axis=0) for v in values]).reshape(-1, 3)
        return _numbered(values, points(volume.affine, voxels))
    try:
        voxels = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: must have three numbers on each line, separated by commas ({error})") from error
    if voxels.ndim != 2 or voxels.shape[1] != 3:
        raise DataError(f"{path}: must have three numbers on each line, found {voxels.shape[-1]}")
    first = offset + 1
    return _numbered(range(first, first + len(voxels)), points(read_grid(image).affine, voxels))


def _numbered(indices: Iterable[int], places: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[Landmark]:
    return [(i, str(i), (float(p[0]), float(p[1]), float(p[2]))) for i, p in zip(indices, places, strict=True)]
