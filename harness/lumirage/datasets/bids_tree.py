"""Writes a BIDS dataset: names, descriptions and tables; the tree is written in a temporary folder, then renamed."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import lumirage
from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import write_text

BIDS_VERSION = "1.10.0"
TRUTH_SIDECAR = {
    "Units": "mm",
    "Axes": "RAS+",
    "Type": "displacement",
    "Direction": "pull: x_moving = x_fixed + u(x_fixed)",
}
"""What every true field is; its sidecar adds the images."""


def anat_folder(root: Path, subject: str, session: str | None = None) -> Path:
    """The anat folder of a subject (its label without `sub-`), and session if there is one."""
    inside = root / f"sub-{subject}"
    return (inside / f"ses-{session}" if session else inside) / "anat"


def anat_file(root: Path, entities: str, ending: str) -> Path:
    """A file beside a scan: `entities` such as `sub-01_ses-1`, `ending` such as `T1w.nii.gz`."""
    parts = dict(part.split("-", 1) for part in entities.split("_"))
    return anat_folder(root, parts["sub"], parts.get("ses")) / f"{entities}_{ending}"


def derivative(root: Path, name: str) -> Path:
    """The folder of one derivative dataset."""
    return root / "derivatives" / name


def pair_list(root: Path, name: str) -> Path:
    """A list of pairs that came with the data; a track's pairing scheme `list` takes it."""
    return root / "sourcedata" / f"pairs-{name}.tsv"


def description(root: Path) -> Path:
    """dataset_description.json of a dataset; without it a folder is none."""
    return root / "dataset_description.json"


def read_description(root: Path) -> dict[str, object]:
    """What a dataset's description says; empty if there is none. Raises DataError."""
    try:
        content = json.loads(description(root).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{description(root)}: not readable ({error})") from error
    return content if isinstance(content, dict) else {}


def write_raw_description(root: Path, name: str, readme: str, more: Mapping[str, object] | None = None) -> None:
    """README and dataset_description.json of a raw dataset; `more` is added to the latter."""
    write_text(root / "README", readme)
    kind = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw"}
    _write_json(description(root), {**kind, **(more or {})})


def write_derivative_description(root: Path, name: str, how: str, readme: str) -> None:
    """dataset_description.json and README of a derivative dataset; `how` says how it was generated."""
    kind = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative"}
    _write_json(description(root), {**kind, "GeneratedBy": generated_by(how)})
    write_text(root / "README", readme)


def generated_by(how: str) -> list[dict[str, str]]:
    """For dataset_description.json: made by this harness, and how."""
    return [{"Name": "lumirage-harness", "Version": lumirage.__version__, "Description": how}]


def write_participants(root: Path, subjects: Iterable[str]) -> None:
    """participants.tsv, one line for each subject label."""
    write_table(root / "participants.tsv", ("participant_id",), [(f"sub-{subject}",) for subject in sorted(subjects)])


def write_label_table(root: Path, names: Mapping[int, str]) -> None:
    """dseg.tsv: what each label of the derivative means."""
    write_table(root / "dseg.tsv", ("index", "name"), [(str(i), names[i]) for i in sorted(names)])


def write_landmarks(path: Path, landmarks: Iterable[tuple[int, str, Sequence[float]]]) -> None:
    """A landmark table of (index, name, place), the place in RAS+ mm of the scan's own world."""
    rows = [(str(index), name, *(f"{value:.4f}" for value in place)) for index, name, place in landmarks]
    write_table(path, ("index", "name", "x", "y", "z"), rows)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A tab-separated table."""
    write_text(path, "".join("\t".join(row) + "\n" for row in (header, *rows)))


def write_sidecar(path: Path, content: Mapping[str, object]) -> None:
    """A JSON sidecar."""
    _write_json(path, content)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


@contextmanager
def made_aside(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`; on success rename it to `out`, else remove it.

    An interruption leaves nothing that could be mistaken for a complete dataset.
    Raises UsageError if `out` exists and is not an empty folder.
    """
    _refuse_taken(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.{uuid4().hex[:8]}.partial")
    aside.mkdir()
    try:
        yield aside
        _refuse_taken(out)
        aside.replace(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already and is not an empty folder; choose another folder for the dataset")
