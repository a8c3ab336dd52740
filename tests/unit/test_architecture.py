"""docs/architecture.md draws what the imports say. LUMIRAGE_REMAKE=1 draws it again."""

import itertools
import os
import re
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
STAGES = ("plan", "run", "score", "compare", "report")
FILES = {
    "run": "evaluation.json",
    "score": "run records, fields",
    "compare": "scores.parquet",
    "report": "comparisons, rankings",
}
"""What lies on disk between a stage and the one before it."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("lumirage", cache_dir=None)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def rooms_used(graph: grimp.ImportGraph, module: str) -> list[str]:
    """Rooms that a module of flow reaches itself, or through modules of flow that are no stage."""
    seen, todo, rooms = {module}, [module], set()
    while todo:
        for imported in graph.find_modules_directly_imported_by(todo.pop()):
            room, name = room_of(imported), imported.rsplit(".", 1)[-1]
            if room == "flow" and name not in (*STAGES, "flow", "evaluate") and imported not in seen:
                seen.add(imported)
                todo.append(imported)
            elif room not in ("", "flow", "core"):
                rooms.add(room)
    return sorted(rooms)


def drawing(graph: grimp.ImportGraph) -> str:
    """A flowchart in Mermaid's words: the stages with the files between them, and the rooms that each one calls."""
    modules = {room_of(module) for module in graph.modules} - {""}
    rooms = sorted(modules - {"cli", "flow", "core"})
    lines = ["```mermaid", "flowchart TD", "  cli --> plan", "  subgraph flow", "    direction LR"]
    lines += [f"    {a} -->|{FILES[b]}| {b}" for a, b in itertools.pairwise(STAGES)]
    lines += ["  end"]
    for stage in STAGES:
        lines += [f"  {stage} --> {room}" for room in rooms_used(graph, f"lumirage.flow.{stage}")]
    called = {room for stage in STAGES for room in rooms_used(graph, f"lumirage.flow.{stage}")}
    lines += [f"  cli --> {room}" for room in rooms if room not in called]
    lines += [f"  {room} --> core" for room in rooms if uses(graph, room, "core")]
    return "\n".join([*lines, "```"])


def uses(graph: grimp.ImportGraph, room: str, other: str) -> bool:
    return any(
        room_of(imported) == other
        for module in graph.modules
        if room_of(module) == room
        for imported in graph.find_modules_directly_imported_by(module)
    )


def test_the_page_shows_the_house_as_it_is(graph: grimp.ImportGraph) -> None:
    text = PAGE.read_text()
    assert text.count("```mermaid") == 1
    wanted = re.sub(r"(?s)```mermaid.*?```", lambda _: drawing(graph), text)
    if os.environ.get("LUMIRAGE_REMAKE") == "1":
        PAGE.write_text(wanted)
        text = wanted
    assert text == wanted, "draw it again: LUMIRAGE_REMAKE=1 pytest tests/unit/test_architecture.py"


def test_every_module_that_the_page_names_exists() -> None:
    text = PAGE.read_text()
    paths = re.findall(r"`((?:harness|specs|tests|docs|benchmarks|method_containers)/[\w./-]*)`", text)
    modules = re.findall(
        r"`((?:core|datasets|planning|methods|running|scoring|analysis|reporting|flow|cli)/[\w/]+\.py)`", text
    )
    assert len(modules) > 15
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing + [m for m in modules if not (ROOT / "harness" / "lumirage" / m).is_file()] == []
