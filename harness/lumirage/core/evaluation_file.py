"""Reads and writes evaluation.json, in such a way that OUT and the dataset can be moved.

In the file, the path of the dataset is relative to OUT. A file of the dataset is the BIDS URI `bids:dataset:PATH`; a file of
a derivative outside the dataset is `bids:NAME:PATH`; any other path is relative to OUT. In memory all paths are absolute.
Older output trees contain absolute paths, which are used unchanged.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lumirage.core.dataset_files import every_pair, files_of
from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.layout import Layout, write_text
from lumirage.core.model import Pair, Scan
from lumirage.core.records import explain, with_checksum, without_checksum
from lumirage.core.set_aside import exists
from lumirage.core.track import IN_DATASET, Evaluation

DATASET = "dataset"
"""The name of the evaluated dataset in BIDS URIs of an output tree. Derivatives have names of their own."""
PLACE_VARIABLE = "LUMIRAGE_BIDS_DIR"
"""Names the dataset's folder if it is no longer where evaluation.json says."""
Json = dict[str, Any]  # as json reads it
ROLES = ("fixed", "moving")
"""The scans of a pair."""


def write_evaluation(layout: Layout, evaluation: Evaluation) -> None:
    """Write evaluation.json completely or not at all."""
    here, content = _real(layout), evaluation.model_dump(mode="json")
    roots = {DATASET: evaluation.dataset, **evaluation.derivatives}

    def place(text: str) -> str:
        return _uri(text, roots, here) if text.startswith("/") else text

    _change(content, place)
    content["derivatives"] = {name: _uri(path, {DATASET: roots[DATASET]}, here) for name, path in _folders(content)}
    content["dataset"] = _relative(evaluation.dataset, here)
    write_text(layout.evaluation, with_checksum(json.dumps(content, indent=1) + "\n"))


def no_evaluation(layout: Layout) -> str:
    """What is told where a folder was taken for the output of an evaluation."""
    if layout.description.is_file() and any(layout.root.glob("sub-*")):
        return (
            f"{layout.root}: a BIDS dataset, not the output of an evaluation; give OUT, the folder that 'lumirage-harness "
            "evaluate' wrote"
        )
    return f"{layout.root}: no evaluation there; make one with 'lumirage-harness evaluate'"


def read_evaluation(layout: Layout) -> Evaluation:
    """The evaluation, with absolute paths as of now.

    Raises DataError if there is none or it has another version, DamagedFileError if the file is damaged.
    """
    if not exists(layout.evaluation):
        raise DataError(no_evaluation(layout))
    whole: bool | None = None
    try:
        whole, raw = without_checksum(layout.evaluation.read_bytes())
        if whole is False:
            raise DamagedFileError(layout.evaluation, "damaged: its content does not match its checksum")
        content = json.loads(raw)
        by_path: dict[str, str] = {}
        if isinstance(content, dict) and isinstance(content.get("dataset"), str):
            by_path = _find_places(content, _real(layout))
        return _with_contents_by_path(_validated(content), by_path)
    except ValidationError as error:
        if whole:
            raise DataError(explain(layout.evaluation, error, Evaluation)) from error
        raise DamagedFileError(layout.evaluation, "damaged, or cut off") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFileError(layout.evaluation, f"cannot be read: damaged, or cut off ({error})") from error


def _validated(content: Json) -> Evaluation:
    """The record. A scan that is in many pairs is one object: time and memory are those of the scans, not of the pairs."""
    known: dict[int, Scan] = {}

    def scan(of: Any) -> Any:
        if id(of) not in known:
            known[id(of)] = Scan.model_validate(of)
        return known[id(of)]

    def pair(of: Any) -> Pair:
        return Pair.model_validate(of | {role: scan(of[role]) for role in ROLES})

    try:
        pairs = tuple(map(pair, content["pairs"]))
        exchanged = {
            condition: {name: pair(of) for name, of in pairs_of.items()}
            for condition, pairs_of in content.get("exchanged", {}).items()
        }
    except (KeyError, TypeError, AttributeError, ValidationError):  # what is wrong where is said about the whole
        return Evaluation.model_validate_json(json.dumps(content))
    rest = Evaluation.model_validate_json(json.dumps(content | {"pairs": [], "exchanged": {}}))
    return rest.model_copy(update={"pairs": pairs, "exchanged": exchanged})


def dataset_links(layout: Layout, evaluation: Evaluation) -> dict[str, str]:
    """Name in the BIDS URIs of the tree -> folder, relative to OUT; for DatasetLinks of dataset_description.json."""
    roots = {DATASET: evaluation.dataset, **evaluation.derivatives}
    return {name: _relative(root, _real(layout)) for name, root in roots.items()}


def _find_places(content: Json, here: Path) -> dict[str, str]:
    """Make all paths absolute, in place. Gives path -> SHA-256 of an older tree, which is not part of the record now."""
    dataset = _absolute(content["dataset"], here)
    named = os.environ.get(PLACE_VARIABLE)
    if not dataset.is_dir() and named and Path(named).is_dir():
        dataset = Path(named).resolve()
    roots = {DATASET: dataset}
    roots |= {name: _found(path, roots, here) for name, path in _folders(content)}
    content["dataset"] = str(dataset)
    content["derivatives"] = {name: str(root) for name, root in roots.items() if name != DATASET}

    def find(text: str) -> str:
        known = text.startswith(("bids:", ".")) and not text.startswith(IN_DATASET)
        return str(_found(text, roots, here)) if known else text

    _change(content, find)
    return {find(path): digest for path, digest in (content.pop("files", None) or {}).items()}


def _with_contents_by_path(evaluation: Evaluation, by_path: Mapping[str, str]) -> Evaluation:
    if not by_path:
        return evaluation
    files = files_of(every_pair(evaluation))
    known = {name: by_path[str(path)] for name, path in files.items() if str(path) in by_path}
    return evaluation.model_copy(update={"contents": evaluation.contents | known})


def _folders(content: Json) -> list[tuple[str, str]]:
    return sorted((content.get("derivatives") or {}).items())


def _change(content: Json, change: Callable[[str], str]) -> None:
    """Apply `change` to all texts that may be paths, in place."""
    scans: dict[str, Any] = {}
    for part in ("pairs", "exchanged"):
        if part in content:
            content[part] = _changed(content[part], change, scans)
    track = content.get("track") or {}
    for part, name in (("pairing", "file"), ("labels", "mapping")):
        if (track.get(part) or {}).get(name):
            track[part][name] = change(track[part][name])


def _changed(value: Any, change: Callable[[str], str], scans: dict[str, Any]) -> Any:
    """The same with changed texts. Equal scans become one object; `scans` has those that were met."""
    if isinstance(value, dict):
        return {
            key: _scan(inner, change, scans) if key in ROLES else _changed(inner, change, scans)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_changed(inner, change, scans) for inner in value]
    return change(value) if isinstance(value, str) else value


def _scan(value: Any, change: Callable[[str], str], scans: dict[str, Any]) -> Any:
    key = repr(value)
    if key not in scans:
        scans[key] = _changed(value, change, scans)
    return scans[key]


def _uri(path: str, roots: Mapping[str, Path], here: Path) -> str:
    for name, root in roots.items():
        if Path(path).is_relative_to(root):
            return f"bids:{name}:{Path(path).relative_to(root).as_posix()}"
    return _relative(Path(path), here)


def _found(text: str, roots: Mapping[str, Path], here: Path) -> Path:
    """The absolute path for a path as written in the file. A URI without a path is the folder itself."""
    if not text.startswith("bids:"):
        return _absolute(text, here)
    _, name, path = text.split(":", 2)
    return roots[name] / path if name in roots else Path(text)


def _relative(path: Path, here: Path) -> str:
    """The path relative to `here`. It always begins with a dot, which marks it as a path."""
    text = Path(os.path.relpath(path, here)).as_posix()
    return text if text.startswith(".") else f"./{text}"


def _absolute(text: str, here: Path) -> Path:
    return Path(os.path.normpath(here / text))


def _real(layout: Layout) -> Path:
    return layout.root.resolve()
