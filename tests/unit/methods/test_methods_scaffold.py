from pathlib import Path

import pytest

from lumirage.core.errors import UsageError
from lumirage.core.model import Method
from lumirage.core.records import read_yaml
from lumirage.methods.image_build import build_context
from lumirage.methods.new_method import new_method, templates


@pytest.mark.parametrize("template", ["cli", "itk", "torch"])
def test_a_new_folder_is_whole(tmp_path: Path, template: str) -> None:
    folder = new_method("My-Method.2", template, tmp_path)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {"Dockerfile", "method.yaml", "requirements.txt", "run.py", "lumirage_kit.py"}
    assert read_yaml(folder / "method.yaml", Method).name == "My-Method.2"
    compile((folder / "run.py").read_text(), "run.py", "exec")
    assert build_context(folder)


def test_all_templates_are_tested() -> None:
    assert templates() == ["cli", "itk", "torch"]


@pytest.mark.parametrize(("name", "template", "says"), [("a b", "itk", "name"), ("x", "itq", "did you mean 'itk'")])
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, template: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        new_method(name, template, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new_method("mine", "itk", tmp_path)
    with pytest.raises(UsageError, match="exists already"):
        new_method("mine", "cli", tmp_path)
