"""What the harness costs beside the methods: start-up, seconds a pair, and what a second container at a time gains.

    python benchmarks/evaluation.py [--runtime docker] [--out benchmarks/evaluation.md]

Phantom at 2 mm, 12 pairs, method zero-displacement, prepared beforehand. Overhead is the wall time of the stage `run` less
the wall times of the containers themselves; all figures come from one run, side by side.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.core.model import Run
from lumirage.core.records import read_json
from lumirage.flow.method_setup.install import method_installer
from lumirage.flow.plan import plan_evaluation
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.run import run
from lumirage.planning.output_description import write_output_description

TRACK = "name: overhead\npairing: {scheme: all}\nprepare: {affine: none, intensity: none}\nlimits: {memory_bytes: 2000000000}\n"
SPIN = """
import time, numpy as np, lumirage_kit
for pair in lumirage_kit.read_job():
    until = time.process_time() + 2.0
    while time.process_time() < until:
        pass
    pair.write(np.zeros((*pair.shape, 3), np.float32))
"""


class Silent:
    """Nobody watches."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Show nothing."""


def run_stage(order: EvaluationRequest) -> tuple[float, list[Run]]:
    """Wall seconds of the stage `run` on prepared images, and its records."""
    installer = method_installer(order.runtime, Silent())
    plan = plan_evaluation(order, installer, Silent())
    write_output_description(plan.layout, plan.evaluation)
    run(plan, installer, order.jobs, order.gpus, Silent())  # prepares, and fills caches
    for use in plan.evaluation.methods:
        shutil.rmtree(plan.layout.method(use))
    start = time.perf_counter()
    run(plan, installer, order.jobs, order.gpus, Silent())
    wall = time.perf_counter() - start
    return wall, [read_json(path, Run) for path in sorted(Layout(plan.layout.root).root.rglob("*_run.json"))]


def spinning_method(folder: Path) -> Path:
    """zero-displacement that burns two CPU seconds a pair, on one thread."""
    from lumirage.core.layout import shipped

    method = folder / "spinning"
    shutil.copytree(shipped("method_containers") / "zero-displacement", method)
    (method / "run.py").write_text(SPIN)
    card = (method / "method.yaml").read_text().replace("name: zero-displacement", "name: spinning")
    (method / "method.yaml").write_text(card)
    return method


def seconds_of_help() -> float:
    """Median wall seconds of `lumirage-harness --help`, of nine."""
    words = [str(Path(sys.executable).with_name("lumirage-harness")), "--help"]
    times = []
    for _ in range(9):
        start = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", default="docker")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    from lumirage.datasets.phantom import PhantomSpec, make_phantom

    rows = [("`lumirage-harness --help`, median of 9", f"{seconds_of_help():.2f} s")]
    with tempfile.TemporaryDirectory(prefix="lumirage-benchmark-") as scratch:
        folder = Path(scratch)
        make_phantom(folder / "bids", PhantomSpec(subjects=4, spacing_mm=2.0, contrasts=("T1w",)))
        (folder / "track.yaml").write_text(TRACK)

        def order(method: str, name: str, **more: int) -> EvaluationRequest:
            return EvaluationRequest(
                methods=(method,), bids=folder / "bids", out=folder / name, track=str(folder / "track.yaml"),
                runtime=arguments.runtime, **more,
            )  # fmt: skip

        for batch in (1, 12):
            wall, runs = run_stage(order("zero-displacement", f"batch{batch}", batch=batch))
            containers = sum(run.usage.wall_s / run.pairs_in_job for run in runs)
            beside = (wall - containers) / len(runs)
            rows.append((f"harness beside the container, {batch} pair(s) a container", f"{beside:.2f} s a pair"))
            if batch > 1:
                warm = [run.wall_s for run in runs if run.wall_s is not None and not run.cold]
                rows.append(("stage `run`, warm batch, all included", f"{wall / len(runs):.2f} s a pair"))
                rows.append(("of which the method itself", f"{statistics.median(warm):.2f} s a pair"))
        spinning = str(spinning_method(folder))
        alone, _ = run_stage(order(spinning, "one", jobs=1))
        two, _ = run_stage(order(spinning, "two", jobs=2))
        rows.append(("pairs per minute, `-j 2` against `-j 1`, method of 2 CPU s", f"{alone / two:.2f} times"))
    load = os.getloadavg()[0]
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    arguments.out.write_text(
        f"# What the harness costs beside the methods\n\n`python benchmarks/evaluation.py --runtime {arguments.runtime}`, "
        f"{os.cpu_count()} cores, load average at the end {load:.1f}\n\n| what | measured |\n|---|---|\n{table}\n"
    )
    print(arguments.out.read_text())


if __name__ == "__main__":
    main()
