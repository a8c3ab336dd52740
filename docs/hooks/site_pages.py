"""Hooks of MkDocs: pages from outside docs/ and generated references join the site, and links to them are turned there."""

import re
from pathlib import Path
from typing import Any

import references
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
BROUGHT = {
    "specs/metrics.md": "specs/metrics.md",
    "specs/method-contract.md": "specs/method-contract.md",
    "specs/labels/README.md": "specs/labels.md",
    **{f"benchmarks/{page.name}": f"benchmarks/{page.name}" for page in sorted((ROOT / "benchmarks").glob("*.md"))},
    "benchmarks/index.md": "benchmarks/files.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""File of the project -> its address in the site."""

LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:  # Any: MkDocs gives untyped settings
    """Add what does not lie in docs/."""
    for place, address in BROUGHT.items():
        files.append(File.generated(config, address, content=(ROOT / place).read_text()))
    for schema in sorted((ROOT / "specs" / "schemas").rglob("*.json")):
        place = schema.relative_to(ROOT).as_posix()
        files.append(File.generated(config, place, content=schema.read_text()))
    for address, text in {**references.pages(), "decisions.md": _decisions()}.items():
        files.append(File.generated(config, address, content=text))
    return files


def _decisions() -> str:
    """A list of docs/decisions by their first lines."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [(page.name, page.read_text().splitlines()[0].removeprefix("# ")) for page in pages]
    lines = [f"- [{title}](decisions/{name})" for name, title in titles]
    return "# Decisions\n\nWhy things are as they are, a page each.\n\n" + "\n".join(lines) + "\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between files of the project into links between pages."""
    address = page.file.src_uri
    source = next((place for place, to in BROUGHT.items() if to == address), f"docs/{address}")
    return LINK.sub(lambda found: _turned(found[1], source, address), markdown)


def _turned(link: str, source: str, address: str) -> str:
    target = (ROOT / source).parent.joinpath(link).resolve()
    if not target.is_relative_to(ROOT):
        return link
    place = target.relative_to(ROOT).as_posix()
    if place == "specs/schemas":
        to = "reference/json.md"
    elif place in BROUGHT:
        to = BROUGHT[place]
    elif place.startswith("specs/schemas/"):
        to = place
    elif place.startswith("docs/") and source not in (f"docs/{address}",):
        to = place.removeprefix("docs/")
    else:
        return link
    return "/".join([".."] * address.count("/") + [to])


FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe|link[^>]+stylesheet)[^>]*?(?:src|href)=["']?(?:https?:)?//[^>]*>"""
)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that a reader without internet would not see as it is."""
    if found := FROM_ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_uri}: asks another host for something: {found[0]}")
    return output
