"""Makes a new method's folder from a template that builds and passes the check unchanged."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import shipped, write_text
from lumirage.core.model import Method
from lumirage.core.records import read_yaml
from lumirage.methods.image_build import KIT

TEMPLATES = "_templates"
PLACEHOLDER = "NAME"
CARD = "method.yaml"


def templates() -> list[str]:
    """Names of the templates."""
    return sorted(folder.name for folder in (shipped("method_containers") / TEMPLATES).iterdir() if folder.is_dir())


def new_method(name: str, template: str, parent: Path, taken: Collection[str] = ()) -> Path:
    """Make the folder of a new method in `parent`, with its own kit, so that plain `docker build` works on it.

    Raises UsageError for an invalid name or unknown template, a name in `taken`, or a folder that exists already.
    """
    if name.lower() in {other.lower() for other in taken}:
        raise UsageError(
            f"'{name}' is a method that ships with the harness, and tables would mix the two: choose another name"
        )
    if template not in templates():
        raise UsageError(f"unknown template '{template}'{nearest(template, templates())}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name):
        raise UsageError(
            f"'{name}' is not a valid method name: use letters, digits, dots and dashes, with a letter or digit first"
        )
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another name, or remove it")
    containers = shipped("method_containers")
    left_out = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(containers / TEMPLATES / template, folder, ignore=left_out)
    shutil.copytree(containers / KIT, folder, ignore=left_out, dirs_exist_ok=True)
    card = (folder / CARD).read_text(encoding="utf-8")
    write_text(folder / CARD, card.replace(f"name: {PLACEHOLDER}\n", f"name: {name}\n", 1))
    read_yaml(folder / CARD, Method)
    return folder
