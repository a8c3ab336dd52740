"""Outputs are BIDS derivatives: the official validator finds no error in the whole, nor in a method's dataset."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import Command

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.fixture(scope="module")
def tree(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("valid") / "out"
    words = ["evaluate", "-m", "zero-displacement", "--runtime", "local", "--track", "phantom", str(phantom), str(out)]
    subprocess.run([sys.executable, "-m", "lumirage.cli", *words], check=True, timeout=600, stdout=subprocess.DEVNULL)
    return out


@pytest.mark.parametrize("part", [".", "zero-displacement"])
def test_the_validator_finds_no_error(tree: Path, part: str) -> None:
    done = subprocess.run([str(VALIDATOR), "--json", str(tree / part)], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_the_image_is_named_by_its_digest(tree: Path, harness: Command) -> None:
    harness_first, method = json.loads((tree / "zero-displacement" / "dataset_description.json").read_text())[
        "GeneratedBy"
    ]
    assert harness_first["Name"] == "lumirage-harness"
    run = json.loads(next(tree.rglob("*_run.json")).read_text())
    assert method["Container"]["URI"] == run["image"]
