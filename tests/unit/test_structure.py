"""The house stays small enough to find one's way: few rooms, short modules and functions, one name for one module."""

import ast
from collections import Counter
from pathlib import Path

import lumirage

TOP = Path(lumirage.__file__).parent
MODULES = sorted(TOP.rglob("*.py"))


PUBLIC = "results.py"
"""No room: users import this module by its name, `lumirage.results` (docs/decisions/0019.md)."""


def test_there_are_at_most_ten_names_at_the_top() -> None:
    names = {path.name for path in TOP.iterdir() if not path.name.startswith(("__", "."))} - {"py.typed"}
    assert {"core", "flow", "cli", PUBLIC} <= names
    names -= {PUBLIC}
    assert len(names) <= 10, f"put it into a room instead of beside the rooms: {sorted(names)}"


def test_no_module_is_longer_than_300_lines() -> None:
    long = {str(path.relative_to(TOP)): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: lines for path, lines in long.items() if lines > 300} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    long[f"{path.relative_to(TOP)}: {node.name}"] = lines
    assert long == {}


def test_no_two_modules_have_one_name() -> None:
    counts = Counter(path.stem for path in MODULES if not path.stem.startswith("__"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_room_says_what_comes_in_and_what_goes_out() -> None:
    for room in (path for path in TOP.iterdir() if (path / "__init__.py").is_file() and path.name != "cli"):
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        assert [line.split(":")[0] for line in text.splitlines() if ":" in line][-4:] == [
            "In",
            "Out",
            "Never",
            "Read first",
        ], f"{room.name}/__init__.py"
