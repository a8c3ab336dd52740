import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lumirage.core.errors import BusyError, UsageError
from lumirage.core.layout import Layout, written_aside
from lumirage.running.tree_lock import holder, lock_exclusively, lock_tree, remove_asides


def test_one_at_a_time_and_the_holder_is_named(tmp_path: Path):
    path = tmp_path / "out" / ".lock"
    with lock_exclusively(path):
        assert f"process {os.getpid()}" in str(holder(path))
        with pytest.raises(BusyError, match=f"process {os.getpid()} of"), lock_exclusively(path):
            pass
    assert holder(path) is None
    with lock_exclusively(path):
        pass


def test_after_an_error_it_is_free(tmp_path: Path):
    with pytest.raises(ValueError, match="x"), lock_exclusively(tmp_path / ".lock"):
        raise ValueError("x")
    with lock_exclusively(tmp_path / ".lock"):
        pass


SPEAKS = "print('held', flush=True)"
HOLD = "import os, sys, time\nfrom pathlib import Path\nfrom lumirage.running.tree_lock import lock_exclusively\n"


@pytest.mark.parametrize("leaves_a_worker", [False, True])
def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path, leaves_a_worker: bool):
    path = tmp_path / ".lock"
    # The worker speaks, where there is one: when it does, it has let go of what it inherited.
    speaks = "if os.fork() == 0: print('held', flush=True); time.sleep(5); os._exit(0)" if leaves_a_worker else SPEAKS
    script = f"{HOLD}with lock_exclusively(Path({str(path)!r})):\n    {speaks}\n    time.sleep(60)\n"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert str(process.pid) in str(holder(path))
    process.kill()
    process.wait()
    process.stdout.close()
    before = time.monotonic()
    with lock_exclusively(path):
        assert time.monotonic() - before < 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written"), lock_exclusively(tmp_path / "file" / ".lock"):
        pass


def test_halves_of_files_go_when_somebody_is_alone(tmp_path: Path):
    layout = Layout(tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    layout.root.mkdir()
    layout.work.symlink_to(elsewhere)
    halves = [place / f".{'0a' * 16}-x_run.json" for place in (layout.root / "m" / "anat", layout.prepared("k"))]
    whole = [half.with_name(".0a-x_run.json") for half in halves]
    for path in halves + whole:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with lock_tree(layout):
        assert not any(path.exists() for path in halves)
        assert all(path.exists() for path in whole)
        with written_aside(layout.evaluation) as aside:
            aside.touch()
            remove_asides(layout)  # the name it has
            assert not aside.exists()
            aside.touch()


def test_the_lock_can_be_read_by_others_who_want_to_know_who_holds_it(tmp_path: Path):
    before = os.umask(0o022)
    try:
        with lock_exclusively(tmp_path / ".lock"):
            assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)
