"""What is Apptainer's own: identity of SIF files, conversions, isolation, and life without root."""

import os
import pickle
import pwd
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from running_world import World, outcomes, with_limits
from tests.containers.conftest import sif_name, working

from lumirage.core.errors import DataError, EngineError, UnavailableError
from lumirage.core.model import Outcome
from lumirage.core.sif_store import find_sif
from lumirage.methods.sif_conversion import from_archive, from_engine, make_sif
from lumirage.running.runtimes.apptainer import ApptainerRuntime, _command
from lumirage.running.runtimes.apptainer_argv import Site
from lumirage.running.runtimes.runtime_interface import Call, Runtime, StopReason

HARNESS = Path(__file__).parents[2] / "harness"
OTHER_USER = "www-data"


@pytest.fixture(scope="session")
def apptainer(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return working("apptainer", tmp_path_factory)


def test_a_sif_has_the_identity_of_its_image(apptainer: Runtime, sif: str, docker_image: str, docker_runtime: Runtime):
    assert apptainer.resolve(sif).digest == docker_runtime.resolve(docker_image).digest
    digest = apptainer.resolve(sif).digest
    assert find_sif(sif_name(digest), Path(sif).parent) == Path(sif)
    assert find_sif(digest, Path(sif).parent) == Path(sif)


def test_many_ask_and_one_converts(empty_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log, counting = tmp_path / "log", tmp_path / "bin" / "apptainer"
    counting.parent.mkdir()
    counting.write_text(f'#!/bin/sh\n[ "$2" = --force ] && echo "$1" >>{log}\nexec {shutil.which("apptainer")} "$@"\n')
    counting.chmod(0o755)
    monkeypatch.setenv("PATH", str(counting.parent), prepend=os.pathsep)
    source = from_engine(empty_image)
    assert source is not None
    made: list[Path] = []
    threads = [
        threading.Thread(target=lambda: made.append(make_sif(empty_image, source, folder=tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    make_sif(empty_image, source, folder=tmp_path)
    assert log.read_text() == "build\n"


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "x.tar").write_text("no")
    with pytest.raises(DataError, match="not an archive"):
        from_archive(tmp_path / "x.tar")


def test_a_sif_that_was_cut_off_is_refused(apptainer: Runtime, sif: str, tmp_path: Path):
    for file in (Path(sif), Path(sif).with_suffix(".json")):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(DataError, match="its record says"):
        apptainer.resolve(str(tmp_path / Path(sif).name))


def test_a_sif_that_cannot_be_started_is_the_engines_failure(apptainer: Runtime, sif: str, world: World):
    world.add_pairs(1)
    broken = world.root / "broken.sif"
    broken.write_bytes(Path(sif).read_bytes()[:100_000])
    with pytest.raises((EngineError, UnavailableError)):
        world.execute(world.job(str(broken)), apptainer)
    assert not list(world.layout.work.glob("scratch/*"))


@pytest.mark.parametrize("mode", ["as_root", "network", "symlink", "setuid", "floods", "hard_to_remove", "child_oom"])
def test_hostile_methods_are_held(apptainer: Runtime, sif: str, world: World, mode: str):
    world.add_pairs(1)
    (run,) = world.execute(world.job(sif, mode=mode), apptainer)
    expected = {
        "network": Outcome.FAILED,
        "symlink": Outcome.INVALID_ANSWER,
        "child_oom": Outcome.OUT_OF_MEMORY if os.geteuid() == 0 else run.outcome,
    }
    assert run.outcome is expected.get(mode, Outcome.OK), run
    assert "SUCCEEDED" not in world.files(run.pair).log.read_text()
    assert not list(world.layout.scratch("").iterdir())


def test_the_record_says_what_held(apptainer: Runtime, sif: str, world: World):
    world.add_pairs(1)
    (run,) = world.execute(world.job(sif), apptainer)
    assert run.runtime == "apptainer"
    assert run.isolated
    assert run.isolation["network"] == "held: none"
    assert run.isolation["home"].startswith("held")
    assert run.usage.start_s is not None


def test_temporary_files_are_bounded(apptainer: Runtime, sif: str, world: World):
    world.add_pairs(1)
    limits = with_limits(memory_bytes=128 * 2**20)
    (run,) = world.execute(world.job(sif, mode="takes", kind="tmpfs", limits=limits), apptainer)
    assert run.outcome is Outcome.FAILED
    assert run.usage.over_quota


def test_gpus_are_handed_on_and_nothing_else_is(apptainer: Runtime, sif: str, world: World, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setenv("APPTAINERENV_PYTHONPATH", "/tmp")
    monkeypatch.setenv("PYTHONPATH", "/tmp")
    monkeypatch.setenv("APPTAINER_BIND", f"{tmp_path}:/leak")
    world.add_pairs(1)
    world.context = type(world.context)(**{**vars(world.context), "gpus": ("1",)})
    (run,) = world.execute(world.job(sif, mode="shows_environment"), apptainer)
    log = world.files(run.pair).log.read_text()
    assert "CUDA_VISIBLE_DEVICES=1\n" in log
    assert "PYTHONPATH=\n" in log
    assert "HOME=/tmp/home\n" in log
    assert "leak absent" in log


@pytest.mark.parametrize("prefix", ["APPTAINER_", "SINGULARITY_"])
def test_the_users_own_settings_undo_no_isolation(apptainer: Runtime, sif: str, world: World, monkeypatch, prefix):
    """Each was seen to: a root that can be written, a library of the host, a variable, a capability."""
    variables, library = world.root / "variables", world.root / "libhost.so"
    variables.write_text("LEAKED=kvaroezeel\n")
    library.write_bytes(b"")
    for name, value in {
        "WRITABLE_TMPFS": "1",
        "CONTAINLIBS": str(library),
        "ENV_FILE": str(variables),
        "ADD_CAPS": "CAP_SYS_ADMIN",
    }.items():
        monkeypatch.setenv(prefix + name, value)
    world.add_pairs(1)
    (run,) = world.execute(world.job(sif, mode="tries_its_cage"), apptainer)
    assert run.outcome is Outcome.OK, run
    found = [line for line in world.files(run.pair).log.read_text().splitlines() if line.startswith("cage ")]
    assert found == [
        "cage root refused",
        "cage libraries absent",
        "cage variable absent",
        "cage capabilities 0000000000000000",
    ]


def test_an_image_that_prints_without_end_is_cut_off(apptainer: Runtime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lumirage.running.runtimes.apptainer.PROBE_S", 30.0)
    before = time.monotonic()
    with pytest.raises(EngineError, match="killed after"):
        _command(["/bin/sh", "-c", "cat /dev/zero & wait"])
    assert time.monotonic() - before < 20
    monkeypatch.setattr("lumirage.running.runtimes.apptainer.PROBE_S", 0.2)
    with pytest.raises(EngineError, match="not done within 0 s"):
        _command(["/bin/sh", "-c", "sleep 60 & wait"])


class StopsAfter:
    """A watch that gives a reason once the call is that old, if it has one."""

    def __init__(self, seconds: float, reason: StopReason | None):
        self._seconds, self._reason, self._began_s = seconds, reason, 0.0

    def started(self, at_s: float) -> None:
        self._began_s = at_s

    def output(self, chunk: bytes, at_s: float) -> None:
        return

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        return self._reason if now_s - self._began_s > self._seconds else None


@pytest.fixture
def never_starts(apptainer: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A call whose image has a shell that writes and never comes to the entry point."""
    words = ["/bin/sh", "-c", f"head -c 1000000 /dev/zero >'{tmp_path}/big'; exec sleep 120"]
    monkeypatch.setattr("lumirage.running.runtimes.apptainer.apptainer_argv", lambda *_: words)
    monkeypatch.setattr(ApptainerRuntime, "_permitted", lambda *_: Site())
    return Call(name="n", owner="o", image="none.sif", output=tmp_path, limits=with_limits())


def test_a_start_without_end_ends_with_ctrl_c(apptainer: Runtime, never_starts: Call):
    before = time.monotonic()
    ended = apptainer.run(never_starts, StopsAfter(0.3, "interrupted"))
    assert ended.interrupted
    assert ended.usage.start_s is None
    assert time.monotonic() - before < 10


def test_a_start_without_end_is_held_to_the_output_quota(apptainer: Runtime, never_starts: Call):
    call = replace(never_starts, limits=with_limits(output_bytes=500_000))
    assert apptainer.run(call, StopsAfter(20, "interrupted")).usage.over_quota


def test_a_start_beyond_the_time_limit_is_the_engines_failure(apptainer: Runtime, never_starts: Call):
    with pytest.raises(EngineError, match="did not start within the time limit"):
        apptainer.run(never_starts, StopsAfter(0.3, "timeout"))


def test_without_root(apptainer: Runtime, sif: str, tmp_path_factory: pytest.TempPathFactory):
    """The whole life of a job as an ordinary user: no control group, memory by the process tree."""
    if os.geteuid() != 0:
        pytest.skip("the other tests run without root already")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lumirage-user-"))
    try:
        shutil.copy(sif, folder / "image.sif")
        user = pwd.getpwnam(OTHER_USER)
        for path in (folder, folder / "image.sif"):
            os.chown(path, user.pw_uid, user.pw_gid)
        words = [sys.executable, str(Path(__file__).with_name("ordinary_user.py")), str(folder), str(user.pw_uid)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(HARNESS)}
        done = subprocess.run(words, env=environment, capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        runs = pickle.loads((folder / "runs.pickle").read_bytes())
    finally:
        shutil.rmtree(folder)
    good, hungry, late = runs
    assert outcomes(runs) == [Outcome.OK, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT]
    assert "proportional set size" in good.usage.memory_how
    assert good.usage.peak_memory_bytes > 2**20
    assert good.usage.cpu_s > 0
    assert good.isolation["processes"].startswith("not held")
    assert good.isolation["network"] == "held: none"
    assert hungry.usage.peak_memory_bytes > 128 * 2**20
    assert late.usage.timed_out
