"""Images that mean harm, or are merely broken. Each ends with the right outcome, the next job runs, nothing is left."""

import base64
import contextlib
import hashlib
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from running_world import World, outcomes, scan, with_limits
from time_limits import scaled

from lumirage.core.model import Outcome, Pair, Run
from lumirage.running.method_contract import PairInput
from lumirage.running.runtimes.runtime_interface import OWNER_LABEL, Runtime
from lumirage.running.scratch import scratch_folder

OK = Outcome.OK
INVALID = Outcome.INVALID_ANSWER

EXPECTED = {
    "silent": (Outcome.NO_ANSWER, "there is no displacement.nii"),
    "child_oom": (Outcome.OUT_OF_MEMORY, "memory"),
    "child_oom_answers": (OK, ""),
    "allocate": (Outcome.OUT_OF_MEMORY, "memory"),
    "kills_itself": (Outcome.CRASHED, "signal 9"),  # not taken for a container that somebody else killed
    "sleeps": (Outcome.TIMEOUT, "time limit"),
    "forks": (Outcome.FAILED, "exit code 1"),
    "floods": (OK, ""),
    "floods_lines": (OK, ""),
    "symlink": (INVALID, "symbolic link"),
    "folder_symlink": (INVALID, "no folder"),
    "fifo": (INVALID, "pipe"),
    "sparse": (INVALID, "1000000000000 bytes"),
    "setuid": (OK, ""),
    "hard_to_remove": (OK, ""),
    "ten_gigabytes": (Outcome.FAILED, "wrote more than"),
    "many_files": (Outcome.FAILED, "too many files"),
    "nan": (INVALID, "NaN"),
    "wrong_shape": (INVALID, "shape"),
    "wrong_affine": (INVALID, "matrix"),
    "int16": (INVALID, "whole numbers"),
    "truncated_gzip": (INVALID, "cannot be read"),
    "gzip_bomb": (INVALID, "shape"),
    "lying_header": (INVALID, "cannot be read"),
    "garbage": (INVALID, "cannot be read"),
    "as_root": (OK, ""),
    "network": (Outcome.FAILED, "exit code 1"),
    "daemon": (OK, ""),
    "closes_output": (OK, ""),
}


@pytest.fixture
def guarded(world: World, docker_runtime: Runtime, docker_image: str):
    """The world, whose surroundings must be as before afterwards; then a good job must run and no container be left."""
    canary = world.root / "canary"
    canary.mkdir()
    (canary / "private.txt").write_text("not yours")
    pair = world.add_pair("a", "b")
    before = fingerprint(world)
    yield world
    assert fingerprint(world) == before
    world.files(pair).record.unlink(missing_ok=True)
    assert outcomes(world.execute(world.job(docker_image, pairs=[pair]), docker_runtime)) == [OK]
    assert not list(world.context.scratch.iterdir())
    client = docker.from_env()
    assert not client.containers.list(all=True, filters={"label": f"{OWNER_LABEL}={world.owner}"})
    client.close()


def fingerprint(world: World) -> dict[str, str]:
    """All that lies in the world but the runs: prepared inputs, and what stands beside OUT."""
    found = [world.layout.work / "prepared", world.root / "canary"]
    files = [file for place in found for file in place.rglob("*") if file.is_file()]
    inside = {p.name for p in world.root.iterdir()}
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() + oct(f.stat().st_mode) for f in files} | {
        "beside": str(sorted(inside - {world.layout.root.name}))
    }


@pytest.mark.parametrize("mode", sorted(EXPECTED))
def test_hostile_image(guarded: World, docker_runtime: Runtime, docker_image: str, mode: str):
    timeout = 4 if mode == "sleeps" else 60
    job = guarded.job(docker_image, mode=mode, limits=with_limits(pair_timeout_s=timeout))
    (run,) = guarded.execute(job, docker_runtime)
    outcome, words = EXPECTED[mode]
    assert run.outcome is outcome, run
    assert words in run.message
    log = guarded.files(run.pair).log
    assert log.stat().st_size <= 1.1 * job.limits.log_bytes
    assert "SUCCEEDED" not in log.read_text()
    assert guarded.files(run.pair).field.exists() == (outcome is OK)
    check_more(mode, run, guarded)


def check_more(mode: str, run: Run, world: World) -> None:
    match mode:
        case "child_oom_answers":
            assert any("killed for memory" in warning for warning in run.warnings)
        case "setuid":
            assert not world.files(run.pair).field.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)
        case "as_root":
            log = world.files(run.pair).log.read_text()
            assert log.count("refused") == 3
            assert "uid 0" not in log
        case "floods":
            assert "bytes left out" in world.files(run.pair).log.read_text()
        case "ten_gigabytes":
            assert run.usage.over_quota


def test_a_hunter_finds_nothing_of_the_subjects(
    guarded: World, docker_runtime: Runtime, docker_image: str, tmp_path_factory: pytest.TempPathFactory
):
    """Nor of the output tree, whose path may name a dataset or a contrast."""
    (pair,) = guarded.inputs
    given = guarded.inputs[pair]
    fixed = scan("zzsubjectzz").model_copy(update={"image": guarded.root / "canary" / "private.txt"})
    guarded.inputs[pair] = PairInput(Pair(fixed=fixed, moving=scan("yyotheryy", "T2w")), given.prepared)
    words = ["zzsubjectzz", "yyotheryy", "not yours", "canary", "T1w", "T2w", pair, guarded.root.name]
    place = scratch_folder(guarded.layout, docker_runtime, {"TMPDIR": str(tmp_path_factory.mktemp("neutral"))})
    guarded.context = replace(guarded.context, scratch=place)
    encoded = [base64.b64encode(word.encode()).decode() for word in words]
    (run,) = guarded.execute(guarded.job(docker_image, mode="hunts", words=encoded), docker_runtime)
    log = guarded.files(pair).log.read_text()
    assert run.outcome is OK
    assert "FOUND" not in log
    assert "seen" not in log
    assert run.isolation["host_paths"].startswith("held")
    assert not list(place.iterdir())


def test_an_answer_under_another_name_is_none(world: World, docker_runtime: Runtime, docker_image: str):
    world.add_pairs(2)
    runs = world.execute(world.job(docker_image, mode="other_id"), docker_runtime)
    assert runs[0].outcome is Outcome.NO_ANSWER


def test_false_events_buy_nothing(guarded: World, docker_runtime: Runtime, docker_image: str):
    (run,) = guarded.execute(guarded.job(docker_image, mode="false_events"), docker_runtime)
    assert run.outcome is OK
    assert run.timed_by == "answers"
    assert run.wall_s is not None
    assert run.wall_s >= 1.4
    assert any("after the method reported its end" in warning for warning in run.warnings)


def test_work_between_pairs_is_counted(world: World, docker_runtime: Runtime, docker_image: str):
    world.add_pairs(2)
    first, second = world.execute(world.job(docker_image, mode="works_between_pairs"), docker_runtime)
    assert outcomes([first, second]) == [OK, OK]
    assert first.wall_s is not None
    assert second.wall_s is not None
    assert second.wall_s >= 1.4 > first.wall_s
    assert any("after the pair before had ended" in warning for warning in second.warnings)
    assert not first.warnings


def test_time_is_not_borrowed_from_another_pair(world: World, docker_runtime: Runtime, docker_image: str):
    world.add_pairs(2)
    job = world.job(docker_image, mode="borrows_time", seconds=scaled(2), limits=with_limits(pair_timeout_s=3))
    first, second = world.execute(job, docker_runtime)
    assert outcomes([first, second]) == [Outcome.TIMEOUT, OK]
    assert first.wall_s is not None
    assert first.wall_s >= scaled(3.9)
    assert not world.files(first.pair).field.exists()


def test_identities_are_drawn_anew_for_each_container(guarded: World, docker_runtime: Runtime, docker_image: str):
    pair = next(iter(guarded.inputs))
    seen = set()
    for _ in range(2):
        guarded.execute(guarded.job(docker_image), docker_runtime)
        seen.add(guarded.files(pair).log.read_text().split('"pair": "')[1].split('"')[0])
        guarded.files(pair).record.unlink()
    assert len(seen) == 2


def test_nothing_is_mounted_but_the_job(guarded: World, docker_runtime: Runtime, docker_image: str):
    """Seen from outside, while the container runs."""
    seen: list[str] = []

    def look() -> None:
        with contextlib.closing(docker.from_env()) as client:
            until = time.monotonic() + scaled(10)
            while not seen and time.monotonic() < until:
                for container in client.containers.list(filters={"label": f"{OWNER_LABEL}={guarded.owner}"}):
                    mounts = container.attrs["Mounts"]
                    seen.extend(f"{m['Destination']} {m['RW']} {Path(m['Source']).name}" for m in mounts)

    looking = threading.Thread(target=look)
    looking.start()
    guarded.execute(guarded.job(docker_image, mode="closes_output"), docker_runtime)
    looking.join()
    assert sorted(seen) == ["/in False in", "/out True out"]
