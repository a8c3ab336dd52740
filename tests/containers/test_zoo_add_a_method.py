"""docs/add-a-method.md, followed literally."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.containers.conftest import remove_images

from lumirage.running.runtimes.runtime_interface import Runtime

pytestmark = pytest.mark.long

DOC = Path(__file__).parents[2] / "docs" / "add-a-method.md"
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", DOC.read_text(), re.DOTALL) for line in block.splitlines()]


def follow(command: str, folder: Path) -> None:
    words = shlex.split(command)
    assert words.pop(0) == "lumirage-harness"
    environment = {"LUMIRAGE_BASE_IMAGE": "lumirage/base:bookworm", **os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "lumirage.cli", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_steps_lead_to_a_row_in_a_report(tmp_path: Path, docker_runtime: Runtime) -> None:
    assert len(COMMANDS) == 4
    try:
        for command in COMMANDS:
            follow(command, tmp_path)
    finally:
        remove_images("lumirage/my-method")
    (out,) = (path for path in tmp_path.iterdir() if path.is_dir() and path.name != "my-method")
    assert "passed" in (tmp_path / "my-method.html").read_text()
    assert "my-method" in (out / "report" / "index.html").read_text()


@pytest.mark.parametrize("template", ["torch", "cli"])
def test_the_other_templates_build_and_pass(tmp_path: Path, docker_runtime: Runtime, template: str) -> None:
    try:
        for command in COMMANDS[:3]:
            follow(command.replace("--from itk", f"--from {template}").replace("my-method", f"my-{template}"), tmp_path)
    finally:
        remove_images(f"lumirage/my-{template}")
