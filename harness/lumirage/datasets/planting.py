"""Makes a planted dataset: each real scan beside a warped copy of it, and the true field between the two.

Pairs are (fixed: planted, moving: original): their true field is the one at which the original was sampled (`planted_fields`).
What is drawn for a scan depends on the seed and on its own name alone: another scan, order or place changes nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from lumirage.core.checksums import file_digest
from lumirage.core.errors import DataError, UsageError
from lumirage.core.model import Record, Scan
from lumirage.core.planted_words import CAUTION, KEY
from lumirage.core.screen import Screen, Silent
from lumirage.datasets import bids_tree as bids
from lumirage.datasets.planted_fields import draw_field
from lumirage.datasets.planted_scan import OWN, TRUTH, Draws, PlantingRecord, ScanFiles, plant_scan, side_files

BEFORE_ACQUISITION = ("sub", "ses", "sample", "task", "tracksys")
"""Entities that stand before `acq` in a BIDS name."""
README = """Real scans, each beside its own copy that was warped by a random smooth field: `acq-planted`.
Made of "{source}" by lumirage-harness {how}.

{caution}

In each pair the planted image is fixed and the original is moving: the true field is then the very field at which the original
was sampled, exact at every voxel. The pairs are listed in sourcedata/pairs-planted.tsv, those of one contrast in
sourcedata/pairs-planted-CONTRAST.tsv. The fields are in derivatives/truth; what was drawn, how large it is, the range of its
Jacobian determinant and the error of its inverse stand in the sidecar (.json) of each planted image. Label maps, masks and
landmarks of the source were warped along: labels and masks to the nearest voxel, landmarks exactly.
{left_out}"""
TRUTH_README = """True displacement fields of the pairs (fixed: planted, moving: original), on the grid of the planted image.
u(x) in millimetres, world axes RAS+, pull: a point x of the planted image shows what the original has at x + u(x).
NIfTI-1, float32, (X, Y, Z, 1, 3), intent vector (1007).
"""
OWN_README = """Masks and landmarks of the originals and of the planted images.
Where the sidecar of a planted image says made_mask, the source had no mask and its background is not 0: the mask is then the
head, found by its brightness, not the brain.
"""


@dataclass(frozen=True)
class PlantSpec:
    """How to warp. None: relative to the size of each scan's head.

    amplitude_mm: root mean square displacement. smoothness_mm: its correlation length.
    """

    amplitude_mm: float | None = None
    smoothness_mm: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError("the seed must not be negative")
        if any(value is not None and not value > 0 for value in (self.amplitude_mm, self.smoothness_mm)):
            raise UsageError("amplitude and smoothness must be above 0 mm")

    @property
    def settings(self) -> dict[str, float | None]:
        """For the records."""
        return {"amplitude_mm": self.amplitude_mm, "smoothness_mm": self.smoothness_mm, "seed": self.seed}

    @property
    def how(self) -> str:
        """The command, without its folders."""
        lengths = ((o, v) for o, v in (("amplitude", self.amplitude_mm), ("smoothness", self.smoothness_mm)) if v)
        return " ".join(("dataset plant", *(f"--{o} {v:g}" for o, v in lengths), f"--seed {self.seed}"))


@dataclass(frozen=True)
class PlantSource:
    """What is planted: scans with their side files, and the names of the labels of each source."""

    root: Path
    scans: Sequence[Scan]
    label_names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Planted:
    """What came of it: records by scan, how many of them were there already, and scans that cannot be used, with the reason."""

    records: Mapping[str, PlantingRecord]
    kept: int
    left_out: Mapping[str, str]


class PlantAnswer(Record):
    """`dataset plant --json`."""

    schema_version: Literal[1] = 1
    out: str
    pairs: dict[str, PlantingRecord] = Field(description="scan -> how it was planted")
    kept: int = Field(description="of these pairs, how many were there already")
    left_out: dict[str, str] = Field(description="scan -> why it cannot be used")
    caution: str = Field(description="what the numbers of such a dataset cannot say")


def make_planted(out: Path, source: PlantSource, spec: PlantSpec, screen: Screen | None = None) -> Planted:
    """Make the dataset `out`, or go on with it. Without its dataset_description.json, written last, it is not complete.

    Raises UsageError where `out` holds something else or was planted otherwise, or where the lengths do not fit an image.
    """
    described = _described(source.root)
    _refuse_other(out, described, spec)
    bids.description(out).unlink(missing_ok=True)
    _describe_parts(out, source, spec)
    screen, records, left_out, kept = screen or Silent(), {}, {}, 0
    for done, scan in enumerate(source.scans):
        screen.progress("plant", done, len(source.scans))
        files = ScanFiles(out, scan, _entities(scan))
        try:
            made_from = _digests(scan)
            record = _complete(files, made_from, spec)
            kept += record is not None
            if record is None:
                plant_scan(files, _draws(scan, spec), made_from, spec.settings)
                record = _complete(files, made_from, spec)
        except DataError as error:
            left_out[scan.name] = str(error)
            continue
        if record:
            records[scan.name] = record
    planted = [scan for scan in source.scans if scan.name in records]
    if not planted:
        raise DataError("no scan could be planted:\n" + "\n".join(left_out.values()))
    _describe(out, planted, _Description(described, spec, left_out))
    return Planted(records, kept, left_out)


def _draws(scan: Scan, spec: PlantSpec) -> Draws:
    """Scans of one session are drawn one field, as one person lies in the scanner; noise and bias differ in each."""
    visit = f"sub-{scan.subject}" + (f"_ses-{scan.session}" if scan.session else "")
    return Draws(
        field=lambda image: draw_field(image, spec.amplitude_mm, spec.smoothness_mm, _generator(spec.seed, visit)),
        intensities=_generator(spec.seed, f"{scan.name} intensities"),
    )


def _generator(seed: int, identity: str) -> np.random.Generator:
    words = np.frombuffer(hashlib.sha256(identity.encode()).digest(), "<u4")
    return np.random.default_rng([seed, *(int(word) for word in words)])


def _entities(scan: Scan) -> tuple[str, str]:
    """The entities of a scan and of its planted copy, which is another acquisition: its labels are not the original's."""
    original = scan.name.removesuffix(f"_{scan.suffix}")
    parts = original.split("_")
    acquired = [i for i, part in enumerate(parts) if part.startswith("acq-")]
    if acquired:
        parts[acquired[0]] += "planted"
    else:
        first = sum(part.split("-")[0] in BEFORE_ACQUISITION for part in parts)
        parts.insert(first, "acq-planted")
    return original, "_".join(parts)


def _digests(scan: Scan) -> dict[str, str]:
    """What a scan is planted from -> SHA-256 of the file; no path, as data may lie elsewhere next time. Raises DataError."""
    paths = {"image": scan.image, "landmarks": scan.landmarks}
    paths |= {f"{derivative} {ending}": path for path, derivative, ending in side_files(scan)}
    try:
        return {what: file_digest(path) for what, path in paths.items() if path}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); fetch it first") from error


def _complete(files: ScanFiles, made_from: Mapping[str, str], spec: PlantSpec) -> PlantingRecord | None:
    """The record of a scan that is planted already. Raises UsageError where that was done otherwise."""
    try:
        found = PlantingRecord.model_validate_json(files.record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UsageError(f"{files.record}: not a record of a planting; remove it to plant the scan again") from error
    if found.settings != spec.settings or found.sources != made_from:
        what = "with other parameters" if found.settings != spec.settings else "from files that have changed since"
        raise UsageError(f"{files.record}: planted {what}; give another OUT, or remove this one")
    there = (files.original, files.planted, files.truth)
    return found if all(path.is_file() for path in there) else None


def _described(root: Path) -> dict[str, object]:
    """What the source says of itself. Raises UsageError where it is planted itself."""
    described = bids.read_description(root)
    if described.get(KEY) == CAUTION:
        raise UsageError(f"{root}: is a planted dataset itself; plant the one that it was made of")
    return described


def _refuse_other(out: Path, described: Mapping[str, object], spec: PlantSpec) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give a folder for the dataset")
    if not out.is_dir() or not any(out.iterdir()):
        return
    made = bids.read_description(bids.derivative(out, OWN)).get("GeneratedBy")
    how = _how(described, spec)
    if made is None:
        raise UsageError(f"{out} exists already and is not an empty folder; choose another folder for the dataset")
    if made != bids.generated_by(how):
        raise UsageError(f"{out} was planted otherwise: {made}; now it would be {how}; give another OUT, or remove it")


def _how(described: Mapping[str, object], spec: PlantSpec) -> str:
    return f'{spec.how}, of "{described.get("Name", "")}"'


def _describe_parts(out: Path, source: PlantSource, spec: PlantSpec) -> None:
    """The derivatives: what they are, and the names of labels."""
    how = _how(bids.read_description(source.root), spec)
    bids.write_derivative_description(bids.derivative(out, OWN), OWN, how, OWN_README)
    bids.write_derivative_description(bids.derivative(out, TRUTH), TRUTH, how, TRUTH_README)
    for name in sorted({name for scan in source.scans for name in (*scan.labels, *scan.structures)}):
        if name in {OWN, TRUTH}:
            raise UsageError(
                f"a label source is called '{name}', as a folder of the planted dataset; rename its folder"
            )
        folder = bids.derivative(out, name)
        readme = f"Labels '{name}' of the originals, and the same on the planted images.\n"
        bids.write_derivative_description(folder, name, how, readme)
        if names := source.label_names.get(name):
            bids.write_label_table(folder, names)


@dataclass(frozen=True)
class _Description:
    """What the dataset says of itself."""

    source: Mapping[str, object]
    spec: PlantSpec
    left_out: Mapping[str, str]


def _describe(out: Path, planted: Sequence[Scan], words: _Description) -> None:
    """The lists of pairs, and last the description that makes the folder a dataset."""
    rows = [(f"{second}_{scan.suffix}", scan.name, scan.suffix) for scan in planted for _, second in (_entities(scan),)]
    bids.write_table(bids.pair_list(out, OWN), ("fixed", "moving"), [row[:2] for row in rows])
    for suffix in sorted({suffix for *_, suffix in rows}):
        mine = [row[:2] for row in rows if row[2] == suffix]
        bids.write_table(bids.pair_list(out, f"{OWN}-{suffix}"), ("fixed", "moving"), mine)
    bids.write_participants(out, {scan.subject for scan in planted})
    names = ", ".join(sorted(words.left_out))
    readme = README.format(
        source=words.source.get("Name", ""),
        how=words.spec.how,
        caution=CAUTION,
        left_out=f"Left out, as they cannot be used: {names}.\n" if names else "",
    )
    kept = {key: words.source[key] for key in ("License", "Authors", "EthicsApprovals") if key in words.source}
    more = {
        **kept,
        "GeneratedBy": bids.generated_by(_how(words.source, words.spec)),
        "SourceDatasets": [{"DOI": str(words.source["DatasetDOI"])}] if "DatasetDOI" in words.source else [],
        KEY: CAUTION,
    }
    bids.write_raw_description(out, f"{words.source.get('Name', '')}, planted", readme, more)
