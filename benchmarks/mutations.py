"""Do the unit tests notice when the code is wrong? Changes one operator or number at a time and runs the room's tests.

    python benchmarks/mutations.py [--count 50] [--seed 12] [--only 3,17] > benchmarks/mutations.md

The places are drawn by chance, the same number from each room. A mutation is killed when a test of its room fails or
takes more than five minutes. numba's kernels are left out: they are compiled, and each would take minutes.
Works on a copy of the tree; one mutation at a time, each in a process of its own.
"""

import argparse
import ast
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("scoring", "analysis", "planning", "running")
DEADLINE_S = 300
PRELOADED = ("numpy", "pandas", "scipy.ndimage", "scipy.stats", "numba", "nibabel", "pydantic")

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One expression of a file, and what takes its place."""

    path: Path
    line: int
    begin: int
    end: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """The source with this mutation."""
        return source[: self.begin] + self.text.encode() + source[self.end :]


def main() -> None:
    """Draw, run, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--only", default="", help="numbers of the table, to run these alone")
    parser.add_argument("--files", type=int, default=99, help="test files tried, those first that name the module most")
    options = parser.parse_args()
    only = {int(number) for number in options.only.split(",") if number}
    for name in PRELOADED:
        __import__(name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "demo", ".hypothesis"))
        chosen = [m for m in enumerate(drawn(copy, options.count, options.seed), start=1) if not only or m[0] in only]
        for room in () if only else ROOMS:
            if run_tests(copy, tests_of(room, copy)) != 0:
                sys.exit(f"the tests of {room} fail before anything is changed")
        killed = 0
        print("| # | where | was | became | result | s |\n|---|---|---|---|---|---|", flush=True)
        for number, mutation in chosen:
            source = mutation.path.read_bytes()
            was = source[mutation.begin : mutation.end].decode()
            begun = time.monotonic()
            dead = is_killed(mutation, copy, options.files)
            killed += dead
            where = f"{mutation.path.relative_to(copy / 'harness' / 'lumirage')}:{mutation.line}"
            shown = (" ".join(text.split()).replace("|", "\\|") for text in (was, mutation.text))
            cells = (str(number), where, *(f"`{text}`" for text in shown), "killed" if dead else "**survived**")
            print(f"| {' | '.join(cells)} | {time.monotonic() - begun:.0f} |", flush=True)
        print(f"\n{killed} of {len(chosen)} killed.")


def drawn(root: Path, count: int, seed: int) -> list[Mutation]:
    """As many mutations of each room, by chance."""
    chance, found = random.Random(seed), []
    for k, room in enumerate(ROOMS):
        places = [
            mutation
            for path in sorted((root / "harness" / "lumirage" / room).rglob("*.py"))
            for mutation in mutations_of(path)
        ]
        found += chance.sample(places, count // len(ROOMS) + (k < count % len(ROOMS)))
    return found


def mutations_of(path: Path) -> Iterator[Mutation]:
    """All of a module that are known here, in the functions that Python itself runs."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef) or any("jit" in ast.unparse(d) for d in function.decorator_list):
            continue
        for statement in function.body:
            for node in ast.walk(statement):
                changed = None if isinstance(statement, ast.FunctionDef) else mutated(node)
                if changed is not None and isinstance(node, ast.expr) and node.end_lineno and node.end_col_offset:
                    begin, end = (
                        starts[node.lineno - 1] + node.col_offset,
                        starts[node.end_lineno - 1] + node.end_col_offset,
                    )
                    yield Mutation(path, node.lineno, begin, end, f"({ast.unparse(changed)})")


def mutated(node: ast.AST) -> ast.expr | None:
    """The wrong expression for a right one; None where nothing is known to do."""
    changed: ast.expr | None = None
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARED:
            changed = ast.Compare(left, [COMPARED[type(operator)]()], [right])
        case ast.BinOp(left, operator, right) if type(operator) in COMPUTED and not (is_text(left) or is_text(right)):
            changed = ast.BinOp(left, COMPUTED[type(operator)](), right)
        case ast.BoolOp(operator, values):
            changed = ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            changed = operand
        case ast.Constant(value) if isinstance(value, bool):
            changed = ast.Constant(not value)
        case ast.Constant(value) if isinstance(value, int | float):
            changed = ast.Constant(value + 1)
    return changed


def is_text(node: ast.expr) -> bool:
    """Whether an operand is a text or a list: what is put together there is no number."""
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def is_killed(mutation: Mutation, root: Path, most: int) -> bool:
    """Whether a test of the room fails, those first that name the module."""
    source, status = mutation.path.read_bytes(), mutation.path.stat()
    files = tests_of(room_of(mutation, root), root)
    files.sort(key=lambda file: -file.read_text().count(mutation.path.stem))
    mutation.path.write_bytes(mutation.applied(source))
    try:
        return run_tests(root, files[:most]) != 0
    finally:
        mutation.path.write_bytes(source)
        os.utime(mutation.path, ns=(status.st_atime_ns, status.st_mtime_ns))  # so that compiled kernels stay valid


def room_of(mutation: Mutation, root: Path) -> str:
    """The room of a mutated module."""
    return mutation.path.relative_to(root / "harness" / "lumirage").parts[0]


def tests_of(room: str, root: Path) -> list[Path]:
    """The unit tests of a room."""
    return sorted((root / "tests" / "unit" / room).glob("test_*.py"))


def run_tests(root: Path, files: list[Path]) -> int:
    """Exit code of pytest in a child process; a child that takes too long is killed, and so is the mutation."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(pytest_here(root, files))
        finally:
            os._exit(99)
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code > 2:  # 2: the module cannot even be imported; below 0: a signal, so it killed the tests
                sys.exit(f"pytest ended with {code}, which says nothing about the mutation")
            return code
        time.sleep(0.1)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return -1


def pytest_here(root: Path, files: list[Path]) -> int:
    """Exit code of pytest in this process, which prints nothing."""
    os.setpgrp()
    os.chdir(root)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(root / "harness"), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path[:0] = [str(root / "harness"), str(root)]
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *map(str, files)]))


if __name__ == "__main__":
    main()
