"""What Slurm is told, word by word, and how its answers are read."""

import stat
from pathlib import Path

import pytest

from lumirage.errors import UnavailableError, UsageError
from lumirage.layout import SubmissionFiles
from lumirage.model import Limits
from lumirage.running.executors.slurm import (
    Array,
    Needs,
    Site,
    Task,
    cpus_of_task,
    driver,
    gpus_of_task,
    max_array_size,
    queue,
    read_task,
    run_needs,
    script,
)

NEEDS = Needs(cpus=4, memory_bytes=18 * 2**30, gpus=1, minutes=72)
FILES = SubmissionFiles(Path("/data/o u't; $x/work/jobs/one"))
SCRIPT = r"""#!/bin/bash

# Parameters
#SBATCH --account=brain
#SBATCH --array=0-39%5
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-node=1
#SBATCH --job-name=lumirage-run-0
#SBATCH --mem=18432M
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output='/data/o u'"'"'t; $x/work/jobs/one/logs/%A_%a_0_log.out'
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=B:USR2@90
#SBATCH --time=72

# setup
module load apptainer

# command
export SUBMITIT_EXECUTOR=slurm
exec python -m lumirage.cli run-job '/data/o u'"'"'t; $x' one run-0
"""
DRIVER = """#!/bin/sh
# Submits what lumirage-harness planned; each script below may be edited first.
set -eu
prepare_0=$(cat /out/one/prepare-0.id 2>/dev/null || sbatch --parsable /out/one/prepare-0.sh)
prepare_0=${prepare_0%%;*}
echo "$prepare_0" >/out/one/prepare-0.id
echo "prepare-0: $prepare_0"
run_0=$(cat /out/one/run-0.id 2>/dev/null || sbatch --parsable --dependency=afterany:$prepare_0 /out/one/run-0.sh)
run_0=${run_0%%;*}
echo "$run_0" >/out/one/run-0.id
echo "run-0: $run_0"
"""


def test_a_whole_script():
    site = Site.of_words(["partition=gpu", "--account=brain", "setup=module load apptainer"], 5)
    command = ["python", "-m", "lumirage.cli", "run-job", "/data/o u't; $x", "one", "run-0"]
    array = Array(name="run-0", kind="run", count=40, needs=NEEDS, after=("prepare-0",))
    assert script(array, site, FILES, command) == SCRIPT


def test_a_whole_driver():
    needs = Needs(memory_bytes=1, minutes=1)
    arrays = [
        Array(name="prepare-0", kind="prepare", count=1, needs=needs),
        Array(name="run-0", kind="run", count=1, needs=needs, after=("prepare-0",)),
    ]
    assert driver(arrays, SubmissionFiles(Path("/out/one"))) == DRIVER


def test_needs_come_from_the_limits():
    limits = Limits(pair_timeout_s=600, memory_bytes=2**30, cpus=3, gpus=2)
    assert run_needs(limits, 5) == Needs(cpus=3, memory_bytes=3 * 2**30, gpus=2, minutes=62)


def test_words_that_are_no_option_are_refused():
    with pytest.raises(UsageError, match="KEY=VALUE"):
        Site.of_words(["gpu"], 1)


@pytest.mark.parametrize(
    ("given", "visible", "expected"),
    [
        ("0", [], ("0",)),
        ("1,0", ["GPU-a", "GPU-b"], ("GPU-b", "GPU-a")),
        ("GPU-c", ["GPU-a"], ("GPU-c",)),
        ("", ["GPU-a"], ()),
    ],
)
def test_gpus_are_those_of_the_task(given: str, visible: list[str], expected: tuple[str, ...]):
    assert gpus_of_task({"CUDA_VISIBLE_DEVICES": given}, visible) == expected


def test_cpus_are_pinned_only_where_slurm_confined_the_task():
    assert cpus_of_task({"SLURM_CPUS_PER_TASK": "2"}, [5, 4]) == (4, 5)
    assert cpus_of_task({"SLURM_CPUS_PER_TASK": "1"}, [5, 4]) == ()


def test_one_line_is_read(tmp_path: Path):
    path = tmp_path / "run-0.jsonl"
    path.write_text('{"id":"a","kind":"run"}\n{"id":"b","kind":"run","pairs":["x"]}\n')
    assert read_task(path, 1) == Task(id="b", kind="run", pairs=("x",))
    with pytest.raises(UsageError, match="no task 2"):
        read_task(path, 2)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A PATH with nothing but these scripts."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return make


def test_the_queue_is_one_call(commands):
    commands("squeue", "printf '12|0|RUNNING\\n12|1|PENDING\\n99|0|RUNNING\\n7|N/A|RUNNING\\n'")
    assert queue(["12", "13"]) == {("12", 0): "RUNNING", ("12", 1): "PENDING"}
    assert queue([]) == {}


def test_a_slurm_that_does_not_answer_is_an_error_not_an_empty_queue(commands):
    with pytest.raises(UnavailableError, match="no squeue here"):
        queue(["12"])
    commands("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UnavailableError, match="Unable to contact"):
        queue(["12"])


def test_the_size_of_arrays_is_the_clusters(commands):
    assert max_array_size() == 1001
    commands("scontrol", "printf 'MailProg = x\\nMaxArraySize            = 501\\n'")
    assert max_array_size() == 501
