"""`methods list` and `methods show`: what a person reads."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lumirage.cli import app
from lumirage.cli.method_text import WIDTH, list_lines, method_facts, show_lines
from lumirage.core.errors import UsageError
from lumirage.methods.image_build import image_name
from lumirage.methods.method_list import table
from lumirage.planning.method_cards import all_methods, find_method


def test_the_list_has_a_header_and_a_line_a_method_within_80_columns() -> None:
    sources = all_methods().values()
    lines = list(list_lines(table([(s.folder, s.card) for s in sources if s.folder], frozenset())))
    assert lines[0].split() == ["method", "kind", "device", "needs", "what"]
    assert max(map(len, lines)) <= WIDTH
    for source in sources:
        (line,) = (line for line in lines if line.split()[:1] == [source.card.name])
        assert line.startswith("  ") is bool(source.variant_of), "variants are indented"
    greedy = lines.index(next(line for line in lines if line.startswith("greedy")))
    assert lines[greedy + 1].split()[0] == "greedy-fine"
    assert "iterations=100x100x50" in lines[greedy + 1] or "iterations=100x" in lines[greedy + 1]


def test_what_has_to_be_got_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sources = all_methods().values()
    rows = {row.name: row for row in table([(s.folder, s.card) for s in sources if s.folder], frozenset())}
    assert rows["greedy"].needs == "to build"
    assert rows["voxelmorph"].needs == "to build + 1.3 MB"
    assert rows["uniGradICON-untrained"].needs == "to build"
    assert rows["synthmorph"].needs == "to pull"
    assert rows["sitreg"].needs == "from authors"
    built = frozenset({image_name(find_method("greedy").folder, find_method("greedy").card)})
    rows = {row.name: row for row in table([(s.folder, s.card) for s in sources if s.folder], built)}
    assert (rows["greedy"].needs, rows["greedy-fine"].needs, rows["elastix"].needs) == ("", "", "to build")


def test_show_tells_all_of_one_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = find_method("UNIGRADICON")
    lines = list(show_lines(source.card, method_facts(source, frozenset())))
    text = " ".join(" ".join(lines).split())
    for wanted in (
        "uniGradICON 1.0.6 (deep, device either)", "not built", "steps: 0", "uniGradICON-io50: steps: 50", "283 MB",
        "Apache-2.0", "not here yet", "no SHA-256 is published", "COPDGene", "verified", "MICCAI 2024",
        "evaluate --method uniGradICON:steps=0",
    ):  # fmt: skip
        assert wanted in text
    assert max(len(line) for line in lines if "://" not in line) <= WIDTH
    facts = method_facts(find_method("voxelmorph-vm1"), frozenset())
    assert facts.variant_of == "voxelmorph"
    assert [item.needed for item in facts.weights] == [True, False, False]


@pytest.mark.parametrize("word", ["clapirn:reg=0.3", "greedy", "./mine", "./mine:iterations=3"])
def test_what_show_says_to_use_is_found(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["methods", "new", "mine"]).exit_code == 0
    done = CliRunner().invoke(app, ["methods", "show", word])
    said = [line.partition("--method ")[2] for line in done.output.splitlines() if "--method" in line]
    assert said[0] == word
    assert [find_method(each).card.parameters for each in said] == [find_method(word).card.parameters] * len(said)


def test_a_new_method_does_not_take_a_shipped_name(tmp_path: Path) -> None:
    for name in ("greedy", "Voxelmorph-VM1"):
        done = CliRunner().invoke(app, ["methods", "new", name, "--in", str(tmp_path)])
        assert isinstance(done.exception, UsageError)
        assert "ships with the harness" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
    done = CliRunner().invoke(app, ["methods", "new", "mine", "--in", str(tmp_path)])
    assert f"methods build {tmp_path}/mine" in done.output


def test_show_tells_where_a_network_gets_its_images() -> None:
    source = find_method("clapirn")
    lines = list(show_lines(source.card, method_facts(source, frozenset())))
    assert "frame       LIA, 160x192x224, 1 mm" in lines
    plain = find_method("greedy")
    assert not any(line.startswith("frame") for line in show_lines(plain.card, method_facts(plain, frozenset())))
