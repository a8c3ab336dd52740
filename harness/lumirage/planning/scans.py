"""Finds the scans of a BIDS dataset, with the referee's labels, masks and landmarks from named derivatives."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.model import Pair, Scan
from lumirage.core.planted_words import KEY
from lumirage.core.track import Select
from lumirage.planning.bids_index import IMAGE, BidsFile, bids_files, collector_paused
from lumirage.planning.side_files import Found, side_files


def dataset_name(root: Path) -> str:
    """`Name` in dataset_description.json. Raises DataError if root is not a BIDS dataset."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    description = root / "dataset_description.json"
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
        return str(content["Name"])
    except FileNotFoundError as error:
        raise DataError(
            f"{root}: not a BIDS dataset: dataset_description.json is missing. "
            "'lumirage-harness dataset import' makes one from common layouts"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{description}: must be JSON with a 'Name' ({type(error).__name__}: {error})") from error


def caution(root: Path) -> str:
    """What a dataset says that its numbers cannot say, as planted ones do; empty if nothing. It is a dataset."""
    content = json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))
    return str(content.get(KEY, ""))


def find_derivatives(root: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """Name -> folder: those given by the user, and every dataset or folder with subjects directly under derivatives/."""
    found = {path.name: path for path in sorted((root / "derivatives").glob("*")) if _is_derivative(path)}
    for name, path in given.items():
        if not _is_derivative(path):
            raise DataError(f"derivatives {name}: {path} has no dataset_description.json and no subject folder")
    return found | dict(given)


def _is_derivative(path: Path) -> bool:
    """Whether there are subject folders: many derivatives made by hand have these but no description."""
    return (path / "dataset_description.json").is_file() or any(path.glob("sub-*/"))


def find_scans(root: Path, select: Select, derivatives: Mapping[str, Path]) -> list[Scan]:
    """The selected scans, sorted by name. Raises DataError if none is left; the message says what the dataset has."""
    return list(survey(root, derivatives).scans(select))


@dataclass(frozen=True)
class Survey:
    """All images of a dataset with their side files."""

    root: Path
    images: tuple[BidsFile, ...]
    found: Found

    def scans(self, select: Select) -> tuple[Scan, ...]:
        """The selected ones, sorted by name. Raises DataError when none is left, naming what the dataset has."""
        _check_subjects(self.images, select)
        chosen = [file for file in self.images if _selected(file, select)]
        if not chosen:
            suffixes = sorted({file.entities.get("suffix", "?") for file in self.images})
            raise DataError(
                f"{self.root}: no scan is left by the track's select "
                f"({select.model_dump(exclude_defaults=True) or 'T1w'}); "
                f"the dataset has {len(self.images)} images with the suffixes {', '.join(suffixes) or 'none'}"
            )
        with collector_paused():
            return tuple(sorted(map(self.scan, chosen), key=lambda scan: scan.name))

    def scan(self, image: BidsFile) -> Scan:
        """One of the images."""
        side = self.found.by_image[image.place]
        return Scan(
            name=image.stem,
            subject=image.entities["subject"],
            session=image.entities.get("session"),
            suffix=image.entities.get("suffix", ""),
            image=image.path,
            labels={source: file.path for source, file in side.labels.items()},
            structures={source: _paths(files) for source, files in side.structures.items()},
            mask=side.mask.path if side.mask else None,
            landmarks=side.landmarks.path if side.landmarks else None,
            landmark_map=side.landmark_map.path if side.landmark_map else None,
        )


def _paths(files: Mapping[str, BidsFile]) -> dict[str, Path]:
    return {name: file.path for name, file in files.items()}


def survey(root: Path, derivatives: Mapping[str, Path]) -> Survey:
    """Every image of a dataset with the side files that belong to it."""
    with collector_paused():
        images = tuple(file for file in bids_files(root) if file.name.endswith(IMAGE))
        return Survey(root, images, side_files(images, {name: bids_files(path) for name, path in derivatives.items()}))


def _selected(file: BidsFile, select: Select) -> bool:
    entity = file.entities.get
    return (
        (not select.suffixes or entity("suffix") in select.suffixes)
        and (not select.subjects or entity("subject") in {s.removeprefix("sub-") for s in select.subjects})
        and entity("subject") not in {s.removeprefix("sub-") for s in select.exclude_subjects}
        and (not select.sessions or entity("session") in {s.removeprefix("ses-") for s in select.sessions})
        and all(
            entity(key) in value if isinstance(value, tuple) else entity(key) == value
            for key, value in select.entities.items()
        )
        and file.stem not in select.exclude
    )


def _check_subjects(images: Sequence[BidsFile], select: Select) -> None:
    known = {file.entities["subject"] for file in images}
    for subject in select.subjects:
        if subject.removeprefix("sub-") not in known:
            raise UsageError(f"select.subjects: no subject '{subject}' in the dataset{nearest(subject, known)}")


def with_truth(pairs: Sequence[Pair], derivatives: Mapping[str, Path]) -> tuple[Pair, ...]:
    """The pairs, with the true displacement field if a derivative has `from-<moving>_to-<fixed>..._xfm`."""
    fields: dict[tuple[str, str], Path] = {}
    for path in derivatives.values():
        for file in bids_files(path):
            ends = re.search(r"_from-([0-9A-Za-z]+)_to-([0-9A-Za-z]+)_mode-image_xfm$", file.stem)
            if ends and file.name.endswith(IMAGE):
                fields[ends[1], ends[2]] = file.path
    return tuple(
        pair.model_copy(update={"truth": next((fields[k] for k in _ends(pair) if k in fields), None)}) for pair in pairs
    )


def _ends(pair: Pair) -> tuple[tuple[str, str], ...]:
    """Names of a true field: after the scans, or after the people or sessions if all their scans share one grid."""
    return (pair.moving.label, pair.fixed.label), (_visit(pair.moving), _visit(pair.fixed))


def _visit(scan: Scan) -> str:
    return f"sub{scan.subject}" + (f"ses{scan.session}" if scan.session else "")
