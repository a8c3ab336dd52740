"""Reads landmarks, by name, in world millimetres, RAS+: BIDS tables, files of 3D Slicer and of ANTs."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lumirage.core.errors import DataError
from lumirage.core.model import Triple

RAS, LPS = (1.0, 1.0, 1.0), (-1.0, -1.0, 1.0)
_SYSTEMS = {"RAS": RAS, "LPS": LPS, "0": RAS, "1": LPS}
"""The names of coordinate systems in Slicer's files, and the numbers in older ones."""
_FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
Named = tuple[str, str, Triple]
"""Line or entry of the file, name, and point in mm, RAS+."""


def read_landmarks(path: Path) -> dict[str, Triple]:
    """Name -> point, mm, RAS+. Raises DataError, with file and line, for a repeated name and for a point that is not finite."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable ({error})") from error
    read = next(read for ending, read in _FORMATS.items() if path.name.endswith(ending))
    found: dict[str, Triple] = {}
    for where, name, point in read(path, text):
        if name in found:
            raise DataError(f"{path}, {where}: landmark '{name}' occurs twice; names must be unique in a file")
        if not all(map(math.isfinite, point)):
            raise DataError(f"{path}, {where}: landmark '{name}' is not a finite point")
        found[name] = point
    return found


def _bids(path: Path, text: str) -> Iterator[Named]:
    """Columns name (or index), x, y, z; RAS+."""
    for line, row in enumerate(csv.DictReader(text.splitlines(), delimiter="\t"), start=2):
        try:
            yield f"line {line}", (row.get("name") or row["index"]).strip(), _point(row["x"], row["y"], row["z"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{path}, line {line}: the columns name, x, y, z (mm, RAS+) are needed ({error})"
            ) from error


def _ants(path: Path, text: str) -> Iterator[Named]:
    """The format of antsApplyTransformsToPoints: x, y, z, t, label ..., LPS. Without a name or label, rows count from 1."""
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        plain = {str(key).strip().lower(): value for key, value in row.items()}
        try:
            point = _point(plain["x"], plain["y"], plain["z"], LPS)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}, line {line}: the columns x, y, z (mm, LPS) are needed ({error})") from error
        yield f"line {line}", (plain.get("name") or plain.get("label") or str(line - 1)).strip(), point


def _fcsv(path: Path, text: str) -> Iterator[Named]:
    """Slicer's table; comment lines name the coordinate system and the columns."""
    lines = text.splitlines()
    said = dict(line[1:].split("=", 1) for line in lines if line.startswith("#") and "=" in line)
    words = {key.strip().lower(): value.strip() for key, value in said.items()}
    signs = _signs(path, words.get("coordinatesystem"))
    columns = words.get("columns", _FCSV_COLUMNS).split(",")
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            row = dict(zip(columns, next(csv.reader([line])), strict=False))
            try:
                point = _point(row["x"], row["y"], row["z"], signs)
            except (KeyError, ValueError) as error:
                raise DataError(f"{path}, line {number}: the columns x, y, z are needed ({error})") from error
            label, meaning = row.get("label", "").strip(), row.get("desc", "").strip()
            # AFIDs' protocol numbers its points and has their names as descriptions
            name = meaning if meaning and (label.isdigit() or not label) else label
            yield f"line {number}", name or row.get("id", "").strip(), point


def _markups(path: Path, text: str) -> Iterator[Named]:
    """Slicer's JSON: lists of control points, each list with its coordinate system; points not placed are left out."""
    try:
        lists = json.loads(text)["markups"]
        for markup in lists:
            signs = _signs(path, markup.get("coordinateSystem"))
            for number, point in enumerate(markup["controlPoints"], start=1):
                if point.get("positionStatus", "defined") == "defined":
                    name = str(point.get("label") or point.get("id") or number).strip()
                    x, y, z = point["position"]
                    yield f"point {number}", name, _point(x, y, z, signs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a Slicer markups file ({type(error).__name__}: {error})") from error


def _signs(path: Path, system: Any) -> Triple:  # JSON gives anything
    word = str(system).strip().upper()
    if word not in _SYSTEMS:
        raise DataError(f"{path}: the coordinate system must be RAS or LPS, not {system}; save it again from Slicer")
    return _SYSTEMS[word]


def _point(x: Any, y: Any, z: Any, signs: Triple = RAS) -> Triple:
    return float(x) * signs[0], float(y) * signs[1], float(z) * signs[2]


_FORMATS: Mapping[str, Callable[[Path, str], Iterable[Named]]] = {
    ".tsv": _bids,
    ".fcsv": _fcsv,
    ".mrk.json": _markups,
    ".csv": _ants,
}
