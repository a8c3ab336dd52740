"""A harness to be killed: executes what is left of a fixed list of jobs. kill_worker.py ROOT RUNTIME IMAGE PAIRS MOST."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "running"))

from running_world import World, replaced

from lumirage.running.execute import begin
from lumirage.running.executors.here import Here
from lumirage.running.executors.slots import resources_here
from lumirage.running.lock import held
from lumirage.running.runtimes import RUNTIMES


class Silent:
    """An observer that hears nothing."""

    def job_started(self, job):
        return

    job_retried = lambda self, job, error: print("retried", error, flush=True)  # noqa: E731, T201

    def run_recorded(self, run):
        return

    def job_left_out(self, job, error):
        raise error


def main(root: Path, runtime_name: str, image: str, count: int, most: int) -> None:
    world = World(root)
    world.context = replaced(world.context, owner=f"kill-{root.name}")
    world.add_pairs(count)
    runtime = RUNTIMES[runtime_name](root / "cache")
    jobs = [world.job(image, pairs=[pair], mode="fingerprint") for pair in world.inputs]
    left = [job for job in jobs if not world.files(job.pairs[0]).record.exists()]
    with held(world.layout.lock):
        print("ready", flush=True)  # noqa: T201
        begin(world.layout, world.context.owner, runtime)
        Here(runtime, resources_here(), most).execute(left, lambda job: world.inputs, world.context, Silent())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
