"""As whom methods run."""

import os
from pathlib import Path

import pytest
from running_world import METHOD, World

from lumirage.core.model import Method
from lumirage.running.container_environment import environment
from lumirage.running.container_user import hand_over, own_user

LUMIR24 = METHOD.model_copy(update={"contract": "lumir", "lumir_year": 2024})
LUMIR25 = METHOD.model_copy(update={"contract": "lumir", "lumir_year": 2025})


def folder(tmp_path: Path) -> Path:
    out = tmp_path / "scratch" / "out"
    (out / "pair").mkdir(parents=True)
    return out


@pytest.mark.parametrize("method", [METHOD, LUMIR25])
def test_nobody_runs_as_root(tmp_path: Path, method: Method, world: World):
    out = folder(tmp_path)
    user = hand_over(out, method)
    assert user is not None
    assert user[0] != 0
    assert {path.stat().st_uid for path in (out, out / "pair")} == {user[0]}
    assert not out.stat().st_mode & 0o022
    job = world.job("x").model_copy(update={"method": method})
    assert environment(job, "/tmp", None)["HOME"] == "/tmp/home"


def test_an_image_that_needs_its_own_user_is_shut_in(tmp_path: Path, world: World):
    out = folder(tmp_path)
    assert own_user(LUMIR24)
    assert hand_over(out, LUMIR24) is None
    assert [path.stat().st_mode & 0o777 for path in (out, out / "pair")] == [0o777, 0o777]
    assert out.parent.stat().st_mode & 0o077 == 0
    assert out.parent.stat().st_uid == os.getuid()
    job = world.job("x").model_copy(update={"method": LUMIR24})
    given = environment(job, "/tmp", None)
    assert not given.keys() & {"HOME", "TORCH_HOME", "HF_HOME"}
    assert given["MPLCONFIGDIR"] == "/tmp/home/matplotlib"
