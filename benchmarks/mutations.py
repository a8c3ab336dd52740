"""Do the unit tests notice when the code is wrong? Changes one operator or number at a time and runs the room's tests.

    python benchmarks/mutations.py [--count 50] [--seed 12] [--only 3,17] > table.md

The places are drawn by chance, the same number from each room. A mutation is killed when a test of its room fails; the
table names that test and its error. The tests that name the module run first, and the first failure ends the run, so
that only a survivor costs all tests of the room. Tests that take more than ten minutes are reported as "time limit",
and do not count as killed. numba's kernels are left out: they are compiled, and each would take minutes.
Works on a copy of the tree; one mutation at a time, each in a process of its own.
"""

import argparse
import ast
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("scoring", "analysis", "planning", "running")
DEADLINE_S = 600
FIRST_FILES = 3
PASSED, TIME_LIMIT = "**survived**", "**time limit**"
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
    options = parser.parse_args()
    only = {int(number) for number in options.only.split(",") if number}
    for name in PRELOADED:
        __import__(name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "demo", ".hypothesis"))
        chosen = [m for m in enumerate(drawn(copy, options.count, options.seed), start=1) if not only or m[0] in only]
        for room in sorted({room_of(mutation, copy) for _, mutation in chosen}):
            if (failure := failing_test(copy, tests_of(room, copy))) != PASSED:
                sys.exit(f"the tests of {room} fail before anything is changed: {failure}")
        killed = 0
        print("| # | where | was | became | killed by | s |\n|---|---|---|---|---|---|", flush=True)
        for number, mutation in chosen:
            source = mutation.path.read_bytes()
            was = source[mutation.begin : mutation.end].decode()
            begun = time.monotonic()
            failure = failing_test_of(mutation, copy)
            killed += failure not in (PASSED, TIME_LIMIT)
            where = f"{mutation.path.relative_to(copy / 'harness' / 'lumirage')}:{mutation.line}"
            shown = (" ".join(text.split()).replace("|", "\\|") for text in (was, mutation.text))
            cells = (str(number), where, *(f"`{text}`" for text in shown), failure)
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


def failing_test_of(mutation: Mutation, root: Path) -> str:
    """The test of the room that fails with this mutation; those that name the module are tried first."""
    source, status = mutation.path.read_bytes(), mutation.path.stat()
    files = tests_of(room_of(mutation, root), root)
    stem = mutation.path.stem
    files.sort(key=lambda file: (stem not in file.stem, -file.read_text().count(stem)))
    mutation.path.write_bytes(mutation.applied(source))
    try:
        first = failing_test(root, files[:FIRST_FILES])
        return first if first != PASSED else failing_test(root, files[FIRST_FILES:])
    finally:
        mutation.path.write_bytes(source)
        os.utime(mutation.path, ns=(status.st_atime_ns, status.st_mtime_ns))  # so that compiled kernels stay valid


def room_of(mutation: Mutation, root: Path) -> str:
    """The room of a mutated module."""
    return mutation.path.relative_to(root / "harness" / "lumirage").parts[0]


def tests_of(room: str, root: Path) -> list[Path]:
    """The unit tests of a room."""
    return sorted((root / "tests" / "unit" / room).glob("test_*.py"))


def failing_test(root: Path, files: list[Path]) -> str:
    """The first test that fails, and its error; PASSED, or TIME_LIMIT. pytest runs in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os._exit(pytest_here(root, files, writing))
        finally:
            os._exit(99)
    os.close(writing)
    until = time.monotonic() + DEADLINE_S
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < until:
        time.sleep(0.1)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.set_blocking(reading, False)  # a process that a test left behind may still hold the other end
    with os.fdopen(reading, "rb") as pipe:
        name = (pipe.read(4096) or b"").decode()
    code = os.waitstatus_to_exitcode(status) if ended else 0
    if code > 2:  # 2: the module cannot even be imported
        sys.exit(f"pytest ended with {code}, which says nothing about the mutation")
    if not ended:
        return TIME_LIMIT
    return PASSED if code == 0 else name or f"exit code {code}"


class FirstFailure:
    """Writes the name of the first failing test, and its error, into a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[object]) -> None:
        """Called by pytest for each failure."""
        if self._pipe is not None and call.excinfo is not None:
            name = node.nodeid.rpartition("/")[2][:110]
            os.write(self._pipe, f"`{name}` ({call.excinfo.typename})".replace("|", "\\|").encode())
            self._pipe = None


def pytest_here(root: Path, files: list[Path], pipe: int) -> int:
    """Exit code of pytest in this process, which prints nothing."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
    os.chdir(root)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(root / "harness"), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path[:0] = [str(root / "harness"), str(root)]
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    arguments = ["-x", "-q", "-p", "no:cacheprovider", *map(str, files)]
    return int(pytest.main(arguments, plugins=[FirstFailure(pipe)]))


if __name__ == "__main__":
    main()
