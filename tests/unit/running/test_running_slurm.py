"""What Slurm is told, word by word, and how its answers are read."""

import stat
from pathlib import Path

import pytest

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.model import Limits
from lumirage.core.submission_files import SubmissionFiles
from lumirage.running.executors import slurm
from lumirage.running.executors.cluster_tasks import Array, Needs, Task, read_task, run_needs
from lumirage.running.executors.slurm import (
    QueueFullError,
    driver,
    job_name,
    script,
    submit_array,
)
from lumirage.running.executors.slurm_queue import QueuedTask, array_size, numbers_of, queue
from lumirage.running.executors.slurm_reasons import reason_words, waiting_lines
from lumirage.running.executors.slurm_site import Site, submitting_environment
from lumirage.running.executors.task_environment import cpus_of_task, index_of_task, number_of_task, processes_of_task

NEEDS = Needs(cpus=4, memory_bytes=18 * 2**30, gpus=1, minutes=72)
FILES = SubmissionFiles(Path("/data/o u't; $x/jobs/one"))
SCRIPT = r"""#!/bin/bash

# Parameters
#SBATCH --account=brain
#SBATCH --array=0-39%5
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-node=1
#SBATCH --job-name=lumirage-run-0-NAME
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
# variables of the site that would take the place of what the scripts say
unset SBATCH_ERROR SBATCH_OUTPUT SBATCH_TIME SBATCH_TIMELIMIT SBATCH_WAIT
prepare_0=$(cat FOLDER/prepare-0.id 2>/dev/null || sbatch --parsable FOLDER/prepare-0.sh)
echo "$prepare_0" >FOLDER/prepare-0.id
echo "prepare-0: ${prepare_0%%;*}"
run_0=$(cat FOLDER/run-0.id 2>/dev/null || squeue -h --name=lumirage-run-0-x -o %F 2>/dev/null | sed -n 1p | grep . || \
sbatch --parsable --dependency=afterany:${prepare_0%%;*} --clusters="${prepare_0##*;}" FOLDER/run-0.sh)
echo "$run_0" >FOLDER/run-0.id
echo "run-0: ${run_0%%;*}"
"""


def test_a_whole_script():
    site = Site.of_words(["partition=gpu", "--account=brain", "setup=module load apptainer"], 5)
    command = ["python", "-m", "lumirage.cli", "run-job", "/data/o u't; $x", "one", "run-0"]
    array = Array(name="run-0", kind="run", count=40, needs=NEEDS, after=("prepare-0",))
    name = job_name(array, FILES, site)
    assert script(array, site, FILES, command) == SCRIPT.replace("lumirage-run-0-NAME", name)
    assert name.startswith("lumirage-run-0-")


def test_a_whole_driver(tmp_path: Path):
    needs, files = Needs(memory_bytes=1, minutes=1), SubmissionFiles(tmp_path)
    arrays = [
        Array(name="prepare-0", kind="prepare", count=1, needs=needs),
        Array(
            name="run-0",
            kind="run",
            count=1,
            needs=needs,
            after=("prepare-0",),
            job_name="lumirage-run-0-x",
            clusters="a,b",
        ),
    ]
    for array in arrays:
        files.script(array.name).write_text("#!/bin/bash\n#SBATCH --time=3\n#SBATCH --output=x\n")
    assert driver(arrays, files) == DRIVER.replace("FOLDER", str(tmp_path)).replace("\\\n", "")


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
    commands("squeue", "printf '12|0|RUNNING|None\\n12|1|PENDING|Priority\\n99|0|RUNNING|None\\n7|N/A|RUNNING|None\\n'")
    assert queue(["12", "13"]) == {("12", 0): QueuedTask("RUNNING"), ("12", 1): QueuedTask("PENDING", "Priority")}
    assert queue([]) == {}


def test_the_queue_is_asked_for_the_arrays_not_for_a_user_nor_as_a_user_likes_to_see_it(
    commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SQUEUE_STATES", "COMPLETED")
    commands("squeue", f'echo "$* $SQUEUE_STATES" >{tmp_path}/asked')
    queue(["13", "12"])
    assert (tmp_path / "asked").read_text() == "--noheader --all --array --jobs=12,13 --format %F|%K|%T|%r \n"


def test_each_cluster_is_asked_for_its_own_arrays(commands):
    """sbatch --parsable prints `12;far` where there are several clusters; another cluster has another 12."""
    commands(
        "squeue",
        'case "$*" in *--clusters=far*) echo "CLUSTER: far"; echo "12|0|RUNNING|None";; *) echo "7|1|PENDING|None";; esac',
    )
    assert queue(["12;far", "7", "12"]) == {("12;far", 0): QueuedTask("RUNNING"), ("7", 1): QueuedTask("PENDING")}


def test_what_waits_for_an_array_goes_to_its_cluster(commands, tmp_path: Path):
    files = SubmissionFiles(tmp_path)
    files.script("run-0").write_text("#!/bin/bash\n#SBATCH --clusters=near,far\n")
    commands("sbatch", f'echo "$*" >{tmp_path}/asked; echo "13;far"')
    array = Array(name="run-0", kind="run", count=1, needs=NEEDS)
    assert submit_array(array, files, ["12;far"]) == "13;far"
    assert (tmp_path / "asked").read_text().startswith("--parsable --dependency=afterany:12 --clusters=far ")


def test_variables_of_the_site_do_not_take_the_place_of_what_the_script_says(commands, tmp_path: Path, monkeypatch):
    site = {"SBATCH_TIMELIMIT": "5", "SBATCH_MEM_PER_CPU": "1G", "SBATCH_ARRAY_INX": "0", "SBATCH_WAIT": "1",
            "SBATCH_JOB_NAME": "x", "SBATCH_PARTITION": "theirs", "SBATCH_ACCOUNT": "lab", "SBATCH_GPUS": "8"}  # fmt: skip
    for name, value in site.items():
        monkeypatch.setenv(name, value)
    files = SubmissionFiles(tmp_path)
    array = Array(name="run-0", kind="run", count=1, needs=NEEDS)
    files.script("run-0").write_text(script(array, Site(options={"partition": "ours"}), files, ["true"]))
    commands("sbatch", f"while read -r line; do :; done </dev/null; export -p >{tmp_path}/seen; echo 1")
    submit_array(array, files, [])
    seen = (tmp_path / "seen").read_text()
    assert [name for name in site if f" {name}=" in seen] == ["SBATCH_ACCOUNT"], "what the script does not speak of"


def test_a_task_that_submits_does_not_hand_on_what_slurm_told_it():
    inside = {
        "SLURM_JOB_ID": "1",
        "SLURM_CPUS_PER_TASK": "4",
        "SLURM_CONF": "/c",
        "CUDA_VISIBLE_DEVICES": "1",
        "HOME": "/h",
    }
    assert submitting_environment(inside, "") == {"SLURM_CONF": "/c", "HOME": "/h"}


LOST = "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1"


def test_an_array_that_was_taken_although_sbatch_failed_has_its_number(commands, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(slurm, "LOOK_AGAIN_S", (0.0, 0.0))
    files = SubmissionFiles(tmp_path)
    files.script("run-0").write_text("#!/bin/bash\n")
    array = Array(name="run-0", kind="run", count=1, needs=NEEDS, job_name="lumirage-run-0-x")
    commands("sbatch", LOST)
    commands("squeue", f"if [ -e {tmp_path}/seen ]; then echo '77|lumirage-run-0-x'; fi; : >{tmp_path}/seen")
    assert submit_array(array, files, []) == "77", "found at the second look"
    commands("squeue", "echo '78|lumirage-run-0-another'")
    with pytest.raises(UnavailableError, match="timed out"):
        submit_array(array, files, [])


@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy",
        "sbatch: error: QOSMaxSubmitJobPerUserLimit",
        "Batch job submission failed: Resource temporarily unavailable",
    ],
)
def test_a_queue_without_room_is_known_by_slurms_words(commands, tmp_path: Path, said: str):
    files = SubmissionFiles(tmp_path)
    files.script("run-0").write_text("#!/bin/bash\n")
    commands("sbatch", f"printf '{said}' >&2; exit 1")
    with pytest.raises(QueueFullError):
        submit_array(Array(name="run-0", kind="run", count=1, needs=NEEDS), files, [])


def test_arrays_are_looked_for_by_name_on_their_cluster(commands):
    commands("squeue", 'case "$*" in *--clusters=far*--name=a,b*) echo "5|a";; *--name=c*) echo "6|c";; esac')
    assert numbers_of({"a": "far", "b": "far", "c": ""}) == {"a": "5;far", "c": "6"}


def test_why_tasks_wait_is_said_in_words():
    assert waiting_lines({"Priority": 1, "PartitionTimeLimit": 3})[0].startswith("3 tasks wait: for ever: longer than")
    assert waiting_lines({"Priority": 1}) == ["1 task waits: others come first (Priority)"]
    assert reason_words("QOSMaxJobsPerUserLimit") == "a limit of your account or QOS (QOSMaxJobsPerUserLimit)"
    assert reason_words("ReqNodeNotAvail, UnavailableNodes:n1").startswith("for nodes that are down")
    assert reason_words("SomethingNew") == "SomethingNew"


def of_part(site: Site, kind: str, method: str = "") -> list[str]:
    array = Array(name="x", kind=kind, count=40, needs=NEEDS, method=method)  # type: ignore[arg-type]
    return [line.removeprefix("#SBATCH --") for line in script(array, site, FILES, ["true"]).splitlines()]


def test_options_may_be_for_a_stage_or_a_method():
    words = ["partition=all", "run.gres=gpu:a100:1", "score.mem=16G", "a.b.partition=big", "run.setup=module load cuda"]
    site = Site.of_words(words, 5)
    run, score, big = of_part(site, "run"), of_part(site, "score"), of_part(site, "run", "a.b")
    assert {"gres=gpu:a100:1", "partition=all", "mem=18432M"} <= set(run)
    assert not [line for line in run if line.startswith("gpus")], "GPUs are asked for once"
    assert "module load cuda" in run
    assert "module load cuda" not in score
    assert {"mem=16G", "partition=all", "gpus-per-node=1"} <= set(score)
    assert {"partition=big", "gres=gpu:a100:1"} <= set(big)
    site.check_parts(["a.b"])
    with pytest.raises(UsageError, match=r"'a\.b' is neither a stage nor a method"):
        site.check_parts(["other"])


def test_memory_of_a_stage_takes_the_place_of_memory_by_cpu_for_all():
    lines = of_part(Site.of_words(["mem-per-cpu=4G", "score.mem=16G"], 5), "score")
    assert [line for line in lines if line.startswith("mem")] == ["mem=16G"]


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
    assert array_size() == 1001
    commands("scontrol", "printf 'MailProg = x\\nMaxArraySize            = 501\\nMaxJobCount = 10000\\n'")
    assert array_size() == 501
    commands("sacctmgr", 'case "$*" in *association*) printf "\\n1200\\n";; *qos*) printf "5000\\n\\n";; esac')
    assert array_size() == 300, "a quarter of what one user may have in the queue"
    commands("scontrol", "printf 'MaxArraySize = 1001\\nMaxJobCount = 800\\n'")
    assert array_size() == 200


@pytest.mark.parametrize(
    ("said", "index", "number"),
    [
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "9"}, 3, "9_3"),
        ({"PBS_ARRAY_INDEX": "3", "PBS_JOBID": "9[3].host"}, 3, "9[3].host_3"),
        ({"PBS_ARRAYID": "0", "PBS_JOBID": "9[0]"}, 0, "9[0]_0"),
        ({"LSB_JOBINDEX": "4", "LSB_JOBID": "9"}, 3, "9_4"),
        ({"SGE_TASK_ID": "4", "JOB_ID": "9"}, 3, "9_4"),
    ],
)
def test_each_scheduler_numbers_its_tasks(said: dict[str, str], index: int, number: str):
    assert index_of_task(said) == index
    assert number_of_task(said) == number


@pytest.mark.parametrize("said", [{}, {"SGE_TASK_ID": "undefined"}, {"LSB_JOBINDEX": "0"}])
def test_a_task_without_a_number_is_refused(said: dict[str, str]):
    with pytest.raises(UsageError, match="SLURM_ARRAY_TASK_ID"):
        index_of_task(said)
