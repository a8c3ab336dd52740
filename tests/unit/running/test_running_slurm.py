"""What Slurm is told, word by word, and how its answers are read."""

import stat
from pathlib import Path

import pytest

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.layout import SubmissionFiles
from lumirage.core.model import Limits
from lumirage.running.executors.slurm import (
    Array,
    Needs,
    Site,
    Task,
    cpus_of_task,
    driver,
    max_array_size,
    number_of_task,
    processes_of_task,
    queue,
    read_task,
    run_needs,
    script,
)

NEEDS = Needs(cpus=4, memory_bytes=18 * 2**30, gpus=1, minutes=72)
FILES = SubmissionFiles(Path("/data/o u't; $x/jobs/one"))
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
#SBATCH --output='/data/o u'"'"'t; $x/jobs/one/logs/%A_%a_0_log.out'
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


@pytest.mark.parametrize("word", ["=gpu", "--=x", "a b=1", "setup", ""])
def test_words_that_are_no_option_are_refused(word: str):
    with pytest.raises(UsageError, match="KEY=VALUE"):
        Site.of_words([word], 1)


def sbatch_lines(*words: str, files: SubmissionFiles = FILES) -> list[str]:
    array = Array(name="run-0", kind="run", count=40, needs=NEEDS)
    lines = script(array, Site.of_words(words, 5), files, ["true"]).splitlines()
    return [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")]


def test_an_option_takes_the_place_of_ours_however_it_is_spelled():
    for word in ("cpus-per-task=7", "cpus_per_task=7", "--cpus-per-task=7"):
        assert [line for line in sbatch_lines(word) if line.startswith("cpus")] == ["cpus-per-task=7"]


def test_an_option_without_a_value():
    assert "exclusive" in sbatch_lines("exclusive")


def test_memory_by_cpu_or_gpu_takes_the_place_of_memory_by_node():
    assert [line for line in sbatch_lines("mem-per-cpu=4G") if "mem" in line] == ["mem-per-cpu=4G"]
    assert [line for line in sbatch_lines("mem_per_gpu=9G") if "mem" in line] == ["mem-per-gpu=9G"]


def test_logs_lie_in_their_folder_whatever_its_name():
    odd = SubmissionFiles(Path("/data/100%j of %A"))
    assert "output='/data/100%%j of %%A/logs/%A_%a_0_log.out'" in sbatch_lines(files=odd)


def test_a_task_scores_with_the_cpus_it_was_given_not_those_of_its_node():
    assert processes_of_task({"SLURM_CPUS_PER_TASK": "3", "SLURM_CPUS_ON_NODE": "64"}) == 3
    assert processes_of_task({"SLURM_CPUS_ON_NODE": "64"}) == 1


def test_a_task_has_one_number_in_all_its_lives_and_another_in_each_array():
    task = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": "15"}
    again = task | {"SLURM_RESTART_COUNT": "1"}
    assert number_of_task(task) == number_of_task(again) == "12_3"
    assert number_of_task(task | {"SLURM_ARRAY_JOB_ID": "16"}) != number_of_task(task)
    assert number_of_task({"SLURM_JOB_ID": "15"}) == "15"
    assert number_of_task({}) == ""


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


def test_the_queue_is_asked_for_the_arrays_not_for_a_user_nor_as_a_user_likes_to_see_it(
    commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SQUEUE_STATES", "COMPLETED")
    commands("squeue", f'echo "$* $SQUEUE_STATES" >{tmp_path}/asked')
    queue(["13", "12"])
    assert (tmp_path / "asked").read_text() == "--noheader --all --array --jobs=12,13 --format %F|%K|%T \n"


def test_an_array_that_slurm_has_forgotten_has_ended(commands):
    commands("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert queue(["12"]) == {}


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
