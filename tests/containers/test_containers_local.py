"""The virtual environments of the runtime `local`."""

import pytest

from lumirage.core.errors import UnavailableError
from lumirage.running.runtimes.local import LocalRuntime


def test_requirements_that_cannot_be_installed_are_explained(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "run.py").write_text("")
    (folder / "requirements.txt").write_text("no-such-package-anywhere @ file:///nowhere/x.whl\n")
    with pytest.raises(UnavailableError, match="cannot install"):
        LocalRuntime(cache=tmp_path / "cache").prepare(str(folder))


def test_an_environment_is_made_once_and_shared_by_equal_requirements(tmp_path):
    local = LocalRuntime(cache=tmp_path / "cache")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.py").write_text("")
        local.prepare(str(tmp_path / name))
    (venv,) = [path for path in (tmp_path / "cache" / "venvs").iterdir() if path.is_dir()]
    made = (venv / "complete").stat().st_mtime_ns
    local.prepare(str(tmp_path / "a"))
    assert (venv / "complete").stat().st_mtime_ns == made


def test_an_environment_that_was_half_made_is_made_again(tmp_path):
    local = LocalRuntime(cache=tmp_path / "cache")
    (tmp_path / "run.py").write_text("")
    local.prepare(str(tmp_path))
    (venv,) = [path for path in (tmp_path / "cache" / "venvs").iterdir() if path.is_dir()]
    (venv / "complete").unlink()
    (venv / "bin" / "python").unlink()
    local.prepare(str(tmp_path))
    assert (venv / "bin" / "python").exists()
