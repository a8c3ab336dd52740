"""Checks a BIDS dataset (`dataset check`) before hours of registration are spent on it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform

from lumirage.core.errors import DataError
from lumirage.core.label_files import elsewhere, read_label_files
from lumirage.core.model import Grid, Record, Shape, Triple
from lumirage.core.native_images import read_image
from lumirage.core.space import Volume, axis_codes, read_grid, same_grid, spacing_of
from lumirage.datasets.raw_headers import Matrix, RawHeader, read_header

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SPACING_MM = (0.05, 12.0)
"""Voxel sizes outside this range are rarely intended: 0.001 is a header in metres, 1000 one in micrometres."""
FORMS_APART_MM = 0.01


class Finding(Record):
    """One error or oddity, and the file it is in."""

    severity: Severity
    kind: str
    path: str
    message: str


class ScanFacts(Record):
    """Properties of one image. `labels`: label source -> labels present. `thumbnail`: a PNG as data URI, or empty."""

    name: str
    path: str
    shape: Shape | None = None
    spacing_mm: Triple | None = None
    orientation: str = ""
    unit: str = ""
    lowest: float | None = None
    highest: float | None = None
    labels: dict[str, tuple[int, ...]] = {}
    thumbnail: str = ""


class DatasetCheck(Record):
    """All scans and findings of one dataset, the most severe first."""

    schema_version: Literal[1] = 1
    root: str
    scans: tuple[ScanFacts, ...]
    label_sources: dict[str, int] = {}
    """Label source -> number of scans that have it."""
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """The number of findings of this severity."""
        return sum(finding.severity == severity for finding in self.findings)


@dataclass(frozen=True)
class LabelSource:
    """The label maps of a source and the names of its labels.

    A map is one file, or one for each of the structures `numbers`.
    """

    maps: Mapping[Path, tuple[Path, ...]]
    """Image -> files."""
    numbers: Mapping[Path, tuple[int, ...]]
    names: Mapping[int, str]
    own_names: bool
    """Whether the names come from the source itself rather than from one of the field's common tables."""


def check_dataset(
    root: Path, images: Sequence[Path], sources: Mapping[str, LabelSource], *, pictures: bool = True
) -> DatasetCheck:
    """Check these images of the dataset `root` with their label maps; `pictures`: also check the folders and draw thumbnails.

    Every error becomes a finding, not an exception. Raises DataError only if there is no image.
    """
    if not images:
        raise DataError(f"{root}: no NIfTI image in sub-*/anat or sub-*/ses-*/anat")
    findings = list(_check_layout(root, images if pictures else ()))
    hashes: dict[str, list[Path]] = defaultdict(list)
    scans = [_check_scan(path, sources, findings, hashes, pictures=pictures) for path in images]
    findings += _check_duplicates(hashes)
    findings += _check_label_sets(sources, scans)
    # Contrasts that share a label map give the same findings: once is enough.
    relative = [_relative_to(finding, root) for finding in dict.fromkeys(findings)]
    relative.sort(key=lambda f: (SEVERITIES.index(f.severity), f.kind, f.path))
    shown = tuple(s.model_copy(update={"path": _shown(s.path, root)}) for s in scans)
    counts = {name: sum(path in source.maps for path in images) for name, source in sources.items()}
    return DatasetCheck(root=str(root), scans=shown, label_sources=counts, findings=tuple(relative))


def _entities(path: Path) -> dict[str, str]:
    *pairs, suffix = path.name.split(".")[0].split("_")
    return {"suffix": suffix} | dict(pair.split("-", 1) for pair in pairs if "-" in pair)


def _check_layout(root: Path, images: Iterable[Path]) -> Iterator[Finding]:
    """Checks that the dataset's own files exist and agree with the folders; without images, folders are not compared."""
    description = root / "dataset_description.json"
    try:
        if not json.loads(description.read_text(encoding="utf-8")).get("Name"):
            yield _finding("error", "not BIDS", description, "has no 'Name'")
    except (OSError, ValueError, AttributeError) as error:
        yield _finding("error", "not BIDS", description, f"missing or not readable ({error})")
    table = root / "participants.tsv"
    if images and table.is_file():
        listed = {line.split("\t")[0] for line in table.read_text(encoding="utf-8").splitlines()[1:] if line.strip()}
        for subject in sorted(listed - {f"sub-{_entities(image)['sub']}" for image in images}):
            yield _finding("error", "missing file", table, f"{subject} is listed but has no image")


def _check_scan(
    path: Path,
    sources: Mapping[str, LabelSource],
    findings: list[Finding],
    hashes: dict[str, list[Path]],
    *,
    pictures: bool,
) -> ScanFacts:
    """Properties of one image with its label maps; adds errors to `findings`, and content hashes to `hashes`."""
    try:
        header, stored, volume = read_header(path), read_grid(path), read_image(path)
    except DataError as error:
        findings.append(_finding("error", _kind_of(path), path, _without(path, error)))
        return ScanFacts(name=path.name.split(".")[0], path=str(path))
    hashes[_content_hash(volume)].append(path)
    findings += check_header(path, header, stored)
    maps = dict(_label_maps(path, sources, findings, hashes))
    low, high = float(volume.data.min()), float(volume.data.max())
    if low == high:
        findings.append(_finding("error", "empty image", path, f"every voxel is {low:g}"))
    x, y, z = (float(v) for v in spacing_of(np.array(stored.affine)))
    return ScanFacts(
        name=path.name.split(".")[0],
        path=str(path),
        shape=stored.shape,
        spacing_mm=(x, y, z),
        orientation=axis_codes(np.array(stored.affine)),
        unit=header.unit,
        lowest=low,
        highest=high,
        labels={name: tuple(int(v) for v in np.unique(found.data) if v != 0) for name, found in maps.items()},
        thumbnail=_thumbnail(volume, next(iter(maps.values()), None)) if pictures else "",
    )


def _thumbnail(image: Volume, labels: Volume | None) -> str:
    from lumirage.datasets.thumbnails import thumbnail  # imported late: matplotlib writes its font list into the cache

    return thumbnail(image, labels if labels is None else _on_lattice(labels, image))


def _on_lattice(labels: Volume, image: Volume) -> Volume:
    """The labels at the image's voxels, nearest neighbour."""
    if same_grid(labels.grid, image.grid):
        return labels
    to_labels = np.linalg.inv(labels.affine) @ image.affine
    found = affine_transform(labels.data, to_labels[:3, :3], to_labels[:3, 3], image.data.shape, order=0)
    return Volume(found, image.affine)


def _label_maps(
    image: Path, sources: Mapping[str, LabelSource], findings: list[Finding], hashes: dict[str, list[Path]]
) -> Iterator[tuple[str, Volume]]:
    for name, source in sources.items():
        files = source.maps.get(image)
        if files is None:
            findings.append(_finding("warning", "missing file", image, f"has no label map in {name}"))
            continue
        path = files[0]
        try:
            found = read_label_files(files, source.numbers.get(image, ()))
        except DataError as error:
            findings.append(_finding("error", _kind_of(path), path, _without(path, error)))
            continue
        hashes[_content_hash(found)].append(path)
        if why := elsewhere(read_grid(image), found.grid):
            findings.append(_finding("error", "other grid", path, f"is elsewhere than {image.name}: {why}"))
        elif not found.data.any():
            findings.append(_finding("error", "empty labels", path, "no voxel has a label"))
        else:
            yield name, found


def check_header(path: Path, header: RawHeader, grid: Grid) -> Iterator[Finding]:
    """Findings from an image's header alone: implausible units, frames and spacing."""
    affine, spacing = np.array(grid.affine), spacing_of(np.array(grid.affine))
    if header.unit in ("m", "um"):
        yield _finding("error", "unit", path, f"the header says {header.unit}, everything here is in mm")
    elif header.unit == "unknown":
        yield _finding("warning", "unit", path, "the header names no unit of length; mm is assumed")
    if header.qform is None and header.sform is None:
        yield _finding("warning", "no frame", path, "neither qform nor sform is set: left and right are a guess")
    elif header.qform is not None and header.sform is not None:
        apart = _apart_mm(header.qform, header.sform, grid.shape)
        if apart > FORMS_APART_MM:
            yield _finding("warning", "qform and sform", path, f"differ by up to {apart:.3g} mm; the sform is used")
    if np.allclose(affine, np.eye(4)):
        yield _finding(
            "warning",
            "identity affine",
            path,
            "the voxel-to-world matrix is the identity: set by a program, not by a scanner",
        )
    low, high = float(spacing.min()), float(spacing.max())
    if low < SPACING_MM[0] or high > SPACING_MM[1]:
        yield _finding("error", "spacing", path, f"voxels of {low:g} to {high:g} mm; is the unit wrong?")
    elif high > 3 * low:
        yield _finding("note", "spacing", path, f"anisotropic voxels, {low:g} to {high:g} mm")


def _apart_mm(first: Matrix, second: Matrix, shape: Shape) -> float:
    """The largest distance between a corner of the image in one frame and in the other."""
    corners = np.array([[*(np.array(c) * (np.array(shape) - 1)), 1.0] for c in np.ndindex(2, 2, 2)])
    return float(np.linalg.norm(corners @ (first - second).T, axis=1).max())


def _check_duplicates(hashes: Mapping[str, list[Path]]) -> Iterator[Finding]:
    """Duplicates: the same image or map for two people is an error; one map under two sources of a person is not."""
    for paths in hashes.values():
        for path in sorted(set(paths) - {paths[0]}):
            own = [_entities(one) for one in (path, paths[0])]
            one_map = own[0].get("sub") == own[1].get("sub") and {"dseg"} == {entity["suffix"] for entity in own}
            yield _finding("note" if one_map else "error", "duplicate", path, f"has the same voxels as {paths[0].name}")


def _check_label_sets(sources: Mapping[str, LabelSource], scans: Iterable[ScanFacts]) -> Iterator[Finding]:
    for name, source in sources.items():
        present = {Path(scan.path): set(scan.labels[name]) for scan in scans if name in scan.labels}
        every = set().union(*present.values())
        for image, labels in present.items():
            if absent := every - labels:
                message = f"lacks {len(absent)} of {len(every)} labels that others have: {_some(absent)}"
                yield _finding("warning", "label set", source.maps[image][0], message)
        first = next(iter(source.maps.values()))[0]
        where = "dseg.tsv" if source.own_names else "the table of names"
        if not source.names:
            yield _finding("note", "label names", first, f"{name} has no dseg.tsv with names, and no known table fits")
        elif unnamed := every - set(source.names):
            yield _finding("warning", "label names", first, f"not in {where}: {_some(unnamed)}")
        if source.own_names and (unused := set(source.names) - every - {0}):
            yield _finding("note", "empty labels", first, f"in dseg.tsv but in no label map: {_some(unused)}")


def _some(labels: Iterable[int]) -> str:
    ordered = sorted(labels)
    return ", ".join(map(str, ordered[:10])) + (" ..." if len(ordered) > 10 else "")


def _content_hash(volume: Volume) -> str:
    """Hash of the voxels alone, so that the same image with another header or compression is found."""
    content = np.asfortranarray(volume.data, dtype=np.float32)  # in the order of the file, so that no voxel is moved
    state = hashlib.sha256(str(content.shape).encode())
    state.update(content.T.data)
    return state.hexdigest()


def _kind_of(path: Path) -> str:
    return "unreadable" if path.is_file() else "missing file"


def _without(path: Path, error: DataError) -> str:
    return str(error).removeprefix(f"{path}: ")


def _finding(severity: Severity, kind: str, path: Path, message: str) -> Finding:
    return Finding(severity=severity, kind=kind, path=str(path), message=message)


def _relative_to(finding: Finding, root: Path) -> Finding:
    return finding.model_copy(update={"path": _shown(finding.path, root)})


def _shown(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path
