"""BIDS dataset -> Scans, with the referee's labels, masks and landmarks from named derivatives."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Select
from lumirage.planning.bids_index import BidsFile, bids_files

IMAGE = (".nii", ".nii.gz")
_SAME_SCAN = ("subject", "session", "acquisition", "run")


def dataset_name(root: Path) -> str:
    """`Name` of dataset_description.json. Raises DataError when root is no BIDS dataset."""
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


def find_derivatives(root: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """Name -> folder: those given by the user, and every dataset directly under derivatives/."""
    found = {
        path.parent.name: path.parent for path in sorted((root / "derivatives").glob("*/dataset_description.json"))
    }
    for name, path in given.items():
        if not (path / "dataset_description.json").is_file():
            raise DataError(f"derivatives {name}: {path} has no dataset_description.json")
    return found | dict(given)


def find_scans(root: Path, select: Select, derivatives: Mapping[str, Path]) -> list[Scan]:
    """The selected scans, sorted by name. Raises DataError when none is left, naming what the dataset has."""
    images = [file for file in bids_files(root, derivative=False) if file.path.name.endswith(IMAGE)]
    _check_subjects(images, select)
    chosen = [file for file in images if _selected(file, select)]
    if not chosen:
        suffixes = sorted({file.entities.get("suffix", "?") for file in images})
        raise DataError(
            f"{root}: no scan is left by the track's select ({select.model_dump(exclude_defaults=True) or 'T1w'}); "
            f"the dataset has {len(images)} images with the suffixes {', '.join(suffixes) or 'none'}"
        )
    side = {name: bids_files(path, derivative=True) for name, path in derivatives.items()}
    by_subject = {
        name: {subject: list(_of_subject(files, subject)) for subject in {f.entities["subject"] for f in files}}
        for name, files in side.items()
    }
    return sorted((_scan(file, by_subject) for file in chosen), key=lambda scan: scan.name)


def _of_subject(files: Iterable[BidsFile], subject: str) -> Iterable[BidsFile]:
    return (file for file in files if file.entities["subject"] == subject)


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


def _scan(image: BidsFile, derivatives: Mapping[str, Mapping[str, Sequence[BidsFile]]]) -> Scan:
    labels: dict[str, Path] = {}
    mask = landmarks = landmark_map = None
    for name, subjects in derivatives.items():
        side = [file for file in subjects.get(image.entities["subject"], ()) if _belongs(file, image)]
        every = [f for f in side if f.entities.get("suffix") == "dseg" and f.path.name.endswith(IMAGE)]
        maps = [f for f in every if f.entities.get("desc") != "landmarks"]
        for file in maps:
            source = name if len(maps) == 1 else f"{name}-{file.entities.get('segmentation', file.stem)}"
            labels[source] = file.path
        mask = mask or next((f.path for f in side if _is_brain_mask(f)), None)
        landmarks = landmarks or next((f.path for f in side if f.stem.endswith("_landmarks")), None)
        landmark_map = landmark_map or next((f.path for f in every if f not in maps), None)
    return Scan(
        name=image.stem,
        subject=image.entities["subject"],
        session=image.entities.get("session"),
        suffix=image.entities.get("suffix", ""),
        image=image.path,
        labels=labels,
        mask=mask,
        landmarks=landmarks,
        landmark_map=landmark_map,
    )


def _belongs(file: BidsFile, image: BidsFile) -> bool:
    """Whether a side file belongs to a scan: no entity that it names says otherwise, and it is not in a template's space."""
    mine = all(file.entities.get(key, image.entities.get(key)) == image.entities.get(key) for key in _SAME_SCAN)
    return mine and file.entities.get("space", image.entities.get("suffix")) in ("orig", image.entities.get("suffix"))


def _is_brain_mask(file: BidsFile) -> bool:
    brain = "brain" in (file.entities.get("desc"), file.entities.get("label"))
    return file.entities.get("suffix") == "mask" and brain and file.path.name.endswith(IMAGE)


def with_truth(pairs: Sequence[Pair], derivatives: Mapping[str, Path]) -> tuple[Pair, ...]:
    """The pairs, with the true displacement field where a derivative holds `from-<moving>_to-<fixed>..._xfm`."""
    fields: dict[tuple[str, str], Path] = {}
    for path in derivatives.values():
        for file in bids_files(path, derivative=True):
            ends = re.search(r"_from-([0-9A-Za-z]+)_to-([0-9A-Za-z]+)_mode-image_xfm$", file.stem)
            if ends and file.path.name.endswith(IMAGE):
                fields[ends[1], ends[2]] = file.path
    return tuple(
        pair.model_copy(update={"truth": next((fields[k] for k in _ends(pair) if k in fields), None)}) for pair in pairs
    )


def _ends(pair: Pair) -> tuple[tuple[str, str], ...]:
    """A true field is named after the scans, or after the people or sessions where all their scans share one grid."""
    return (pair.moving.label, pair.fixed.label), (_visit(pair.moving), _visit(pair.fixed))


def _visit(scan: Scan) -> str:
    return f"sub{scan.subject}" + (f"ses{scan.session}" if scan.session else "")


def label_names(derivatives: Mapping[str, Path], sources: Iterable[str]) -> dict[str, dict[int, str]]:
    """Label source -> label -> name, from the derivative's dseg.tsv where there is one. Raises DataError."""
    names: dict[str, dict[int, str]] = {}
    for source in sources:
        folder = next((p for n, p in derivatives.items() if source == n or source.startswith(f"{n}-")), None)
        table = folder / "dseg.tsv" if folder else None
        if table is not None and table.is_file():
            names[source] = _read_label_table(table)
    return names


def _read_label_table(table: Path) -> dict[int, str]:
    try:
        with table.open(newline="", encoding="utf-8") as handle:
            return {int(row["index"]): row["name"] for row in csv.DictReader(handle, delimiter="\t")}
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{table}: the columns 'index' (whole number) and 'name' are wanted ({error})") from error
