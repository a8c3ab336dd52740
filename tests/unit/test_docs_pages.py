"""Pages that repeat what stands elsewhere: version, glossary, README's questions; and pictures that stay small."""

import re
from pathlib import Path

import yaml

import lumirage

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_version_to_cite_is_this_one() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == lumirage.__version__
    assert f"version = {{{lumirage.__version__}}}" in (DOCS / "cite.md").read_text()


def test_the_glossary_has_the_words_of_the_code() -> None:
    words = re.findall(r"^([a-z]+) {2,}\w", lumirage.__doc__ or "", re.MULTILINE)
    assert len(words) > 8
    explained = re.findall(r"^\| ([\w ]+) \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert set(words) <= set(explained)
    terms = explained[1:]  # below the head
    assert terms == sorted(terms, key=str.lower)


def test_the_readme_asks_the_questions_of_the_site() -> None:
    readme, home = (
        [line for line in path.read_text().splitlines() if "? | `lumirage-harness " in line]
        for path in (ROOT / "README.md", DOCS / "index.md")
    )
    assert len(home) == 5
    assert readme == home


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    assert {page.name for page in DOCS.glob("*.md")} - listed == set()


def test_pictures_are_small() -> None:
    pictures = list((DOCS / "pictures").glob("*.webp"))
    assert pictures
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
