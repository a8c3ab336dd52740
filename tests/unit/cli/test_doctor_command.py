"""`doctor` where nothing can be tried: what the engine lacks is often the reason."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lumirage.cli import app
from lumirage.core.errors import UnavailableError
from lumirage.flow.method_setup import install
from lumirage.running.runtimes.runtime_interface import Feature

LACKS = "containers have 1 user ids; give them more"


def test_what_the_engine_lacks_is_said_before_why_nothing_can_be_tried(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise UnavailableError("the image cannot be unpacked")

    features = (Feature("engine", True, "podman 5"), Feature("user_ids", False, LACKS))
    runtime = SimpleNamespace(features=lambda: features)
    installer = SimpleNamespace(runtime=runtime, find=Path, use=refuse)
    monkeypatch.setattr(install, "method_installer", lambda *_: installer)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.stdout.splitlines() == [f"holds  {'engine':22} podman 5", f"FAILS  {'user_ids':22} {LACKS}"]
    assert isinstance(done.exception, UnavailableError)
