"""What is submitted, and what a task does on its node, with a Slurm that only pretends."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e.conftest import HARNESS, Command
from tests.e2e.slurm_world import CARD, FAKES, TRACK, fake_slurm, make_crowd, make_method, wait_until
from tests.gpu.rig import build

from lumirage.core.errors import UnavailableError
from lumirage.core.layout import Layout
from lumirage.core.manifest import list_files
from lumirage.core.records import read_json, with_checksum, without_checksum
from lumirage.core.screen import Silent
from lumirage.core.track import Evaluation
from lumirage.flow.cluster import cluster_submit as cluster
from lumirage.flow.cluster import cluster_task
from lumirage.flow.request import EvaluationRequest
from lumirage.running.executors import slurm as slurm_module
from lumirage.running.runtimes.runtime_interface import Stopped
from lumirage.running.tree_lock import lock_tree

STAGES = ("run",)


def small(folder: Path, card: str = CARD, **more: object) -> EvaluationRequest:
    """Two people, one method, in an OUT whose name sbatch could take for a pattern."""
    track = folder / "two.yaml"
    track.write_text(TRACK)
    method = make_method(folder / "tiny", card)
    return EvaluationRequest(
        methods=(str(method),),
        bids=make_crowd(folder / "people", 2),
        out=folder / "100%j",
        track=str(track),
        runtime="local",
        executor="slurm",
        **more,  # type: ignore[arg-type]
    )


def another(order: EvaluationRequest, folder: Path) -> EvaluationRequest:
    """The same with another method."""
    return replace(order, methods=(str(make_method(folder / "other", CARD.replace("tiny", "other"))),))


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the pretended Slurm, with nothing in its queue."""
    for name, value in fake_slurm(tmp_path / "fakes").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "fakes"


def words_of(out: Path, index: int) -> list[str]:
    """The command of one task of the only array of runs."""
    (record,) = out.glob("work/jobs/*/submission.json")
    return [*HARNESS, "run-job", str(out), record.parent.name, "run-0", str(index)]


def test_of_two_commands_at_once_both_methods_stay(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = small(tmp_path)
    second = another(order, tmp_path)
    waiting = cluster.lock_participants

    @contextmanager
    def overtaken(whole: Path, parts: list[Path]) -> Iterator[None]:
        """The other command submits while this one, which has planned, waits for the tree."""
        monkeypatch.setattr(cluster, "lock_participants", waiting)
        cluster.submit(second, STAGES, Silent())
        with waiting(whole, parts):
            yield

    monkeypatch.setattr(cluster, "lock_participants", overtaken)
    cluster.submit(order, STAGES, Silent())
    assert order.out is not None
    assert set(read_json(Layout(order.out).evaluation, Evaluation).methods) == {"tiny", "other"}
    assert (slurm / "n").read_text().strip() == "4", "prepare and run, of each"


def test_a_task_that_ends_while_the_queue_is_asked_is_not_submitted_again(slurm: Path, tmp_path: Path) -> None:
    order = small(tmp_path)
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    subprocess.run(words_of(order.out, 0), check=True, timeout=120)
    (record,) = order.out.rglob("*_run.json")
    aside = record.rename(tmp_path / "aside")
    (slurm / "squeue").write_text(f"#!/bin/bash\nmv '{aside}' '{record}'\n")
    screen = Listening()
    cluster.submit(order, STAGES, screen)
    assert "1 runs are complete, 0 are in the queue, 1 are missing" in screen.said


class Listening(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_scripts_are_written_for_what_is_not_in_the_queue(slurm: Path, tmp_path: Path, harness: Command) -> None:
    order = small(tmp_path, write_sbatch=tmp_path / "go.sh")
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    subprocess.run([tmp_path / "go.sh"], check=True)
    numbers = {path.stem: path.read_text().strip() for path in order.out.glob("work/jobs/*/*.id")}
    (slurm / "squeue").write_text(f"#!/bin/bash\necho '{numbers['run-0']}|0|PENDING|Priority'\n")
    cluster.submit(order, STAGES, Silent())
    tasks = [path.read_text().splitlines() for path in order.out.glob("work/jobs/*/run-0.jsonl")]
    assert sorted(map(len, tasks)) == [1, 2], "first both; then all but the one that waits"


def test_status_and_clean_where_no_queue_can_be_seen(
    slurm: Path, tmp_path: Path, harness: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = small(tmp_path)
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    subprocess.run(words_of(order.out, 0), check=True, timeout=120)
    (slurm / "squeue").write_text("#!/bin/bash\necho 'cannot contact controller' >&2; exit 1\n")
    status = harness("status", order.out)
    assert status.returncode == 0
    assert status.stdout.splitlines()[1].split() == ["tiny", "1", "0", "0", "0", "1"]
    assert "queue unknown" in status.stderr
    assert "cannot contact controller" in status.stderr
    assert "again" not in status.stdout
    assert harness("clean", order.out).returncode == 69, "tasks may wait: the queue is there, but does not answer"
    assert order.out.joinpath("work").is_dir()
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no squeue here" in harness("status", order.out).stderr
    assert harness("clean", order.out).returncode == 0
    assert not order.out.joinpath("work").exists()


def test_a_job_that_wants_a_gpu_and_was_given_none_is_no_result(slurm: Path, tmp_path: Path, harness: Command) -> None:
    order = small(tmp_path, CARD + "device: gpu\n")
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    words = words_of(order.out, 0)[len(HARNESS) :]
    refused = harness(*words, CUDA_VISIBLE_DEVICES="")
    assert refused.returncode == 69
    assert "asks for 1 GPUs and Slurm gave this task 0" in refused.stderr
    assert not list(order.out.rglob("*_run.json"))
    rig = build(tmp_path / "driver")
    refused = harness(*words, CUDA_VISIBLE_DEVICES="7", **rig.environment)
    assert refused.returncode == 69, "an index that the driver does not show is no GPU"
    assert "the driver shows GPU-aaaa, GPU-bbbb" in refused.stderr
    assert harness(*words, CUDA_VISIBLE_DEVICES="0", **rig.environment).returncode == 0
    assert len(list(order.out.rglob("*_run.json"))) == 1


def test_two_tasks_of_one_job_leave_each_other_alone(slurm: Path, tmp_path: Path) -> None:
    order = small(tmp_path, CARD + "parameters: {mode: sleeps}\n")
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    both: list[subprocess.Popen[bytes]] = []
    try:
        for number in (1, 2):
            given = {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": "0"}
            both.append(subprocess.Popen(words_of(order.out, 0), env={**os.environ, **given}))
            wait_until(lambda number=number: methods_at_work(order) == number, "each has its method at work")  # type: ignore[misc]
    finally:
        for process in both:
            process.terminate()
    assert [process.wait(60) for process in both] == [75, 75]
    assert not list(order.out.rglob("*_run.json")), "being stopped is no result"


def methods_at_work(order: EvaluationRequest) -> int:
    import psutil

    started = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return sum("register" in words and any(word.startswith(str(order.out)) for word in words) for words in started)


def test_a_requeued_task_removes_what_its_earlier_life_left(slurm: Path, tmp_path: Path) -> None:
    order = small(tmp_path, CARD + "parameters: {mode: lingers}\n")
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    scratch = Layout(order.out).scratch("")
    kill_a_task(order)
    assert list(scratch.iterdir())
    given = {"SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "0"}
    subprocess.run(words_of(order.out, 0), env={**os.environ, **given}, check=True, timeout=120)
    assert list(scratch.iterdir()) == []


def kill_a_task(order: EvaluationRequest) -> None:
    """SIGKILL while its method sleeps; in the task's next life the method answers at once."""
    assert order.out is not None
    (evaluation,) = order.out.glob("work/jobs/*/evaluation.json")  # what tasks read
    text = evaluation.read_text()
    assert "lingers" in text
    _, content = without_checksum(text.encode())
    evaluation.write_text(with_checksum(content.decode().replace("lingers", "sleeps")))
    given = {"SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "0"}
    process = subprocess.Popen(words_of(order.out, 0), env={**os.environ, **given})
    wait_until(lambda: methods_at_work(order) == 1, "the method is at work")
    process.kill()
    process.wait()
    evaluation.write_text(text)


def test_a_task_waits_while_somebody_holds_the_whole_tree(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = small(tmp_path)
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    monkeypatch.setattr(cluster_task, "LOOK_S", 0.05)
    submission = words_of(order.out, 0)[-3]
    layout, told = Layout(order.out), threading.Event()

    def report() -> None:
        with lock_tree(layout):
            told.set()
            time.sleep(0.5)

    thread = threading.Thread(target=report)
    thread.start()
    told.wait()
    cluster_task.run_task(layout, submission, "run-0", 0, Silent())
    thread.join()
    assert len(list(order.out.rglob("*_run.json"))) == 1
    with lock_tree(layout):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(Stopped):
            cluster_task.run_task(layout, submission, "run-0", 1, Silent())


def submissions(out: Path) -> dict[str, str]:
    """Array -> number, of all submissions; arrays without a number are left out."""
    return {path.stem: path.read_text().strip() for path in sorted(out.glob("work/jobs/*/*.id"))}


ROOM = """left=$(cat "$FAKE/room"); [ "$left" -gt 0 ] || {{ echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1; }}
echo $((left - 1)) >"$FAKE/room"
{count}"""


def test_arrays_follow_as_the_queue_has_room(slurm: Path, tmp_path: Path, harness: Command) -> None:
    """A site may allow fewer tasks in the queue than there are: the rest is held back, told, and never submitted twice."""
    (slurm / "sbatch").write_text("#!/bin/bash\n" + ROOM.format(count=FAKES["sbatch"]) + "\n")
    (slurm / "room").write_text("1\n")
    order, screen = small(tmp_path), Listening()
    assert order.out is not None
    cluster.submit(order, ("run", "score", "compare", "report"), screen)
    assert any("takes no more of your tasks now" in line for line in screen.said)
    assert list(submissions(order.out)) == ["prepare-0"]
    told = harness("status", order.out).stdout
    assert told.splitlines()[1].split() == ["tiny", "0", "0", "0", "2", "0"], "what is held back is not missing"
    assert "(HeldBack)" in told
    (slurm / "room").write_text("1\n")
    subprocess.run([*HARNESS, "run-job", order.out, *place_of(order.out, "prepare-0"), "0"], check=True, timeout=120)
    assert list(submissions(order.out)) == ["prepare-0", "run-0"], "a task that ends looks whether there is room"
    (slurm / "room").write_text("9\n")
    waiting = "\n".join(f"echo '{task}|PENDING|Dependency'" for task in ("2|0", "2|1", "3|0", "4|0"))
    (slurm / "squeue").write_text(f"#!/bin/bash\n{waiting}\n")
    cluster.submit(order, ("run", "score", "compare", "report"), screen)
    assert list(submissions(order.out)) == ["finish-0", "prepare-0", "run-0", "score-0"]
    assert (slurm / "n").read_text().strip() == "4", "nothing twice"
    assert not [*order.out.glob("work/jobs/*/held")]


def place_of(out: Path, array: str) -> tuple[str, str]:
    """The submission of an array, and the array."""
    (script,) = out.glob(f"work/jobs/*/{array}.sh")
    return script.parent.name, array


def test_a_site_that_allows_fewer_tasks_than_an_array_has_gets_smaller_arrays(slurm: Path, tmp_path: Path) -> None:
    most = """for last; do :; done; grep -q "array=0-0%" "$last" || { echo AssocMaxSubmitJobLimit >&2; exit 1; }\n"""
    (slurm / "sbatch").write_text("#!/bin/bash\n" + most + FAKES["sbatch"] + "\n")
    order = small(tmp_path)
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    assert list(submissions(order.out)) == ["prepare-0"], "there might be room when it has ended"
    cluster.submit(order, STAGES, Silent())  # it has ended, and there is not
    assert [len(path.read_text().splitlines()) for path in order.out.glob("work/jobs/*/run-*.jsonl")].count(1) == 2
    assert list(submissions(order.out)) == ["prepare-0", "run-0", "run-1"]


def test_an_array_that_was_taken_without_an_answer_is_not_submitted_twice(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_module, "LOOK_AGAIN_S", (0.0,))
    lost = "echo 'Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1"
    (slurm / "sbatch").write_text(f"#!/bin/bash\n{FAKES['sbatch']}\n{lost}\n")
    order, screen = small(tmp_path), Listening()
    assert order.out is not None
    with pytest.raises(UnavailableError, match="timed out"):  # it cannot be seen in the queue yet
        cluster.submit(order, STAGES, screen)
    (script,) = order.out.glob("work/jobs/*/prepare-0.sh")
    name = next(line.partition("=")[2] for line in script.read_text().splitlines() if "--job-name" in line)
    seen = f"case $* in *--name=*) echo '1|{name}';; *) echo '1|0|PENDING|Priority';; esac"
    (slurm / "squeue").write_text(f"#!/bin/bash\n{seen}\n")
    (slurm / "sbatch").write_text(f"#!/bin/bash\n{FAKES['sbatch']}\n")
    cluster.submit(order, STAGES, screen)
    assert script.with_name("prepare-0.id").read_text() == "1\n", "found by its name"


def test_tables_whose_task_died_are_submitted_again_and_tasks_read_nothing_of_others(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand tasks that each read all pairs, or all scores made so far, would never end."""
    order, stages = small(tmp_path), ("run", "score", "compare", "report")
    assert order.out is not None
    cluster.submit(order, stages, Silent())
    layout = Layout(order.out)
    whole = layout.evaluation.read_bytes()
    layout.evaluation.write_text("nobody reads this")
    monkeypatch.setattr("lumirage.flow.score.score_parts", None)  # lists all parts of the tree
    for array, index in (("run-0", 0), ("run-0", 1), ("score-0", 0)):
        cluster_task.run_task(layout, *place_of(order.out, array), index, Silent())
    parts = {path: path.stat().st_mtime_ns for path in order.out.rglob("xxh3-*.parquet")}
    assert {path.parent.name for path in parts} == {"tiny", "identity", "affine"}
    cluster_task.run_task(layout, *place_of(order.out, "score-0"), 0, Silent())
    assert {path: path.stat().st_mtime_ns for path in order.out.rglob("xxh3-*.parquet")} == parts, (
        "requeued, it does nothing"
    )
    monkeypatch.undo()
    for name, value in fake_slurm(tmp_path / "more").items():
        monkeypatch.setenv(name, value)
    layout.evaluation.write_bytes(whole)
    before = set(order.out.glob("work/jobs/*"))
    assert cluster.submit(order, stages, Silent()) is None
    (again,) = set(order.out.glob("work/jobs/*")) - before
    assert [path.name for path in again.glob("*.id")] == ["finish-0.id"]
    list_files(layout, "report", [])  # as the end of a report writes it
    assert cluster.submit(order, stages, Silent()) == layout, "a report that is younger than all runs is not made again"


def test_scratch_of_a_killed_task_is_removed_by_the_next_on_its_node(slurm: Path, tmp_path: Path) -> None:
    order = small(tmp_path, CARD + "parameters: {mode: lingers}\n")
    assert order.out is not None
    cluster.submit(order, STAGES, Silent())
    scratch = Layout(order.out).scratch("")
    kill_a_task(order)
    assert [*scratch.glob("*lumirage-*")]
    given = {"SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "1"}  # the killed one, 1_0, continues on another node
    subprocess.run(words_of(order.out, 1), env={**os.environ, **given}, check=True, timeout=120)
    assert list(scratch.iterdir()) == []
    assert methods_at_work(order) == 0
