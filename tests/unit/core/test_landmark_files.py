"""Landmarks in the formats of the field: the same points, by name, whatever file says it."""

import json
from pathlib import Path

import pytest

from lumirage.core.errors import DataError
from lumirage.core.landmark_files import read_landmarks

POINTS = {"AC": (0.5, 4.0, -5.75), "PC, lower": (0.25, -23.5, -3.5)}


def tsv() -> str:
    rows = [f"{i}\t{name}\t{x}\t{y}\t{z}" for i, (name, (x, y, z)) in enumerate(POINTS.items(), start=1)]
    return "\n".join(["index\tname\tx\ty\tz", *rows]) + "\n"


def fcsv(system: str, *, by_number: bool = False) -> str:
    sign = -1 if system in {"LPS", "1"} else 1
    lines = ["# Markups fiducial file version = 4.11", f"# CoordinateSystem = {system}"]
    lines.append("# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID")
    for i, (name, (x, y, z)) in enumerate(POINTS.items(), start=1):
        label, desc = (str(i), f'"{name}"') if by_number else (f'"{name}"', "")
        lines.append(f"vtkMRMLMarkupsFiducialNode_{i},{sign * x},{sign * y},{z},0,0,0,1,1,1,0,{label},{desc},")
    return "\n".join(lines) + "\n"


def markups(system: str) -> str:
    sign = -1 if system == "LPS" else 1
    points = [
        {"id": str(i), "label": name, "position": [sign * x, sign * y, z], "positionStatus": "defined"}
        for i, (name, (x, y, z)) in enumerate(POINTS.items(), start=1)
    ]
    points.append({"id": "9", "label": "AC", "position": [0, 0, 0], "positionStatus": "undefined"})
    content = {"type": "Fiducial", "coordinateSystem": system, "coordinateUnits": "mm", "controlPoints": points}
    return json.dumps({"@schema": "markups-schema-v1.0.3.json#", "markups": [content]})


def ants() -> str:
    rows = [f'{-x},{-y},{z},0,{i},"{name}"' for i, (name, (x, y, z)) in enumerate(POINTS.items(), start=1)]
    return "\n".join(["x,y,z,t,label,name", *rows]) + "\n"


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("_landmarks.tsv", tsv()),
        *((".fcsv", fcsv(system)) for system in ("RAS", "LPS", "0", "1")),
        (".fcsv", fcsv("LPS", by_number=True)),
        *((".mrk.json", markups(system)) for system in ("RAS", "LPS")),
        ("_landmarks.csv", ants()),
    ],
)
def test_every_format_gives_the_same_points(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"sub-1{ending}"
    path.write_text(text)
    assert read_landmarks(path) == POINTS


@pytest.mark.parametrize(
    ("ending", "text", "told"),
    [
        ("_landmarks.tsv", "name\tx\ty\tz\nPC\t1\t2\t3\nPC\t1\t2\t3\n", "line 3: landmark 'PC' occurs twice"),
        ("_landmarks.tsv", "name\tx\ty\nPC\t1\t2\n", "line 2: the columns name, x, y, z"),
        ("_landmarks.tsv", "name\tx\ty\tz\nPC\t1\tnan\t3\n", "line 2: landmark 'PC' is not a finite point"),
        (".fcsv", fcsv("IJK"), "the coordinate system must be RAS or LPS, not IJK"),
        (".fcsv", "id,1,2,3\n", "the coordinate system must be RAS or LPS, not None"),
        (".mrk.json", markups("voxels"), "the coordinate system must be RAS or LPS, not voxels"),
        (".mrk.json", "[]", "not a Slicer markups file"),
        ("_landmarks.csv", "a,b\n1,2\n", "line 2: the columns x, y, z"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, ending: str, text: str, told: str) -> None:
    path = tmp_path / f"sub-1{ending}"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_landmarks(path)
