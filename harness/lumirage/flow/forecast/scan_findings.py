"""What `dataset check` has to say of the scans of a plan, and the labels seen on the way."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lumirage.core import space
from lumirage.core.errors import DataError
from lumirage.core.model import Scan
from lumirage.core.track import Evaluation
from lumirage.datasets.dataset_check import Finding, check_header
from lumirage.datasets.raw_headers import read_header
from lumirage.flow.look_over import look_over

VOXELS_READ = 100e6
"""Images are read until they had so many voxels: about 4 CPU s. Of the others the headers alone are looked at."""


@dataclass(frozen=True)
class Looked:
    """Errors and warnings, how many images were read, and the labels of their maps: scan name -> source -> labels."""

    findings: tuple[Finding, ...]
    read: int
    labels: Mapping[str, Mapping[str, tuple[int, ...]]]


def look_at(evaluation: Evaluation, scans: Sequence[Scan]) -> Looked:
    """Look over these scans as `dataset check` does."""
    there = [scan for scan in scans if scan.image.is_file()]
    first = _first(there)
    findings: list[Finding] = []
    labels = {}
    read: set[str] = set()
    with suppress(DataError):  # where none of them lies in an anat folder
        found = look_over(evaluation.dataset, evaluation.derivatives, only={scan.image for scan in first})
        findings += found.findings
        labels = {facts.name: facts.labels for facts in found.scans}
        read = {facts.name for facts in found.scans}
    for scan in (scan for scan in there if scan.name not in read):
        findings += _by_header(scan, evaluation.dataset)
    grave = tuple(finding for finding in findings if finding.severity != "note")
    return Looked(grave, len(read), labels)


def _first(scans: Sequence[Scan]) -> list[Scan]:
    chosen: list[Scan] = []
    voxels = 0.0
    for scan in scans:
        voxels += float(np.prod(space.read_grid(scan.image).shape))
        if voxels > VOXELS_READ and chosen:
            break
        chosen.append(scan)
    return chosen


def _by_header(scan: Scan, root: Path) -> Iterator[Finding]:
    try:
        found = list(check_header(scan.image, read_header(scan.image), space.read_grid(scan.image)))
    except DataError as error:
        found = [Finding(severity="error", kind="unreadable", path=str(scan.image), message=str(error))]
    for finding in found:
        path = Path(finding.path)
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        yield finding.model_copy(update={"path": str(shown)})
