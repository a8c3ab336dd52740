"""Harnesses to be killed: kill_worker.py RUNTIME IMAGE CACHE PAIRS SECONDS. For each ROOT on stdin one is forked, which
executes what is left there; so imports are paid once. Prints "ready PID" when it holds the lock, "ended STATUS" when it is
gone.
"""

import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "running"))

from running_world import World, replaced

from lumirage.running.executors.resource_slots import resources_here
from lumirage.running.executors.this_machine import ThisMachine
from lumirage.running.job_execution import remove_leftovers
from lumirage.running.runtimes import RUNTIMES
from lumirage.running.tree_lock import lock_tree

PAIRS_IN_JOB, AT_ONCE = 4, 2


class Loud:
    """An observer whose words are read by no program."""

    def job_started(self, job):
        return

    def job_retried(self, job, error):
        print("retried", error, file=sys.stderr, flush=True)  # noqa: T201

    def run_recorded(self, run):
        return

    def job_left_out(self, job, error):
        raise error


def execute(root: Path, runtime_name: str, image: str, cache: Path, count: int, seconds: float) -> None:
    world = World(root)
    world.context = replaced(world.context, owner=f"kill-{root.name}")
    runtime = RUNTIMES[runtime_name](cache)
    with lock_tree(world.layout):
        print("ready", os.getpid(), flush=True)  # noqa: T201
        world.add_pairs(count)
        left = [pair for pair in world.inputs if not world.files(pair).record.exists()]
        groups = [left[i : i + PAIRS_IN_JOB] for i in range(0, len(left), PAIRS_IN_JOB)]
        jobs = [world.job(image, pairs=group, mode="fingerprint", seconds=seconds) for group in groups]
        remove_leftovers(world.context, runtime)
        ThisMachine(runtime, resources_here(), AT_ONCE).execute(jobs, lambda job: world.inputs, world.context, Loud())


def main(runtime_name: str, image: str, cache: str, count: str, seconds: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                execute(Path(line.rstrip("\n")), runtime_name, image, Path(cache), int(count), float(seconds))
                status = 0
            except BaseException:  # noqa: BLE001 -- a fork has no other way to say it
                traceback.print_exc()
            os._exit(status)  # the loop is the parent's
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
