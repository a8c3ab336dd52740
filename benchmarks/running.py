"""What running costs: overhead of a hardened container, of sampling, and of many starts. (evaluation.py: of a second slot.)

    python benchmarks/running.py --starts 500 --image IMAGE

IMAGE needs Python and nothing else. Prints the lines of running.md.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from lumirage.core.model import Limits
from lumirage.running.control_groups import Hierarchy
from lumirage.running.runtimes.docker import DockerRuntime
from lumirage.running.runtimes.runtime_interface import Call, CallResult, StopReason


class Patient:
    """A watch that never stops anything."""

    def started(self, at_s: float) -> None:
        """Nothing to note."""

    def output(self, chunk: bytes, at_s: float) -> None:
        """Nothing to keep."""

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        """None, ever."""


def call(image: str, script: str, out: Path, cpus: tuple[int, ...] = ()) -> Call:
    """A call of Python with the harness' own isolation."""
    return Call(
        name=f"lumirage-{uuid.uuid4().hex}",
        owner="benchmark",
        image=image,
        entrypoint=("python3", "-c", script),
        output=out,
        limits=Limits(memory_bytes=2**29),
        cpus=cpus,
        user=(65534, 65534),
    )


def overhead(runtime: DockerRuntime, image: str, out: Path, repeats: int) -> tuple[float, float]:
    """Median seconds of a container that sleeps 1 s, less that second: hardened and measured, and a plain docker run."""
    script = "import time; time.sleep(1)"
    ours = [timed(lambda: runtime.run(call(image, script, out), Patient())) - 1 for _ in range(repeats)]
    command = ["docker", "run", "--rm", "--network", "none", image, "python3", "-c", script]
    plain = [timed(lambda: subprocess.run(command, check=True)) - 1 for _ in range(repeats)]
    return statistics.median(ours), statistics.median(plain)


def timed(act: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def sampling(runtime: DockerRuntime, image: str, out: Path) -> float:
    """CPU seconds of this process for each second of a running container."""
    before, began = time.process_time(), time.perf_counter()
    runtime.run(call(image, "import time; time.sleep(10)", out), Patient())
    long = time.process_time() - before, time.perf_counter() - began
    before, began = time.process_time(), time.perf_counter()
    runtime.run(call(image, "pass", out), Patient())
    short = time.process_time() - before, time.perf_counter() - began
    return (long[0] - short[0]) / (long[1] - short[1])


def leaks(runtime: DockerRuntime, image: str, out: Path, starts: int) -> list[str]:
    """What there is after ten starts, in the middle and after the last; the containers and control groups left."""
    seen, names = [], []
    for i in range(1, starts + 1):
        one = call(image, "pass", out)
        ended: CallResult = runtime.run(one, Patient())
        assert ended.usage.exit_code == 0
        names.append(one.name)
        if i in {10, starts // 2, starts}:
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            threads = threading.active_count()
            seen.append(f"after {i}: {descriptors} descriptors, {threads} threads, {resident:.1f} MiB resident")
    roots = set(Hierarchy.found().mounts.values())
    groups = [name for name in names if any((root / "lumirage" / name).exists() for root in roots)]
    return [*seen, f"containers left: {runtime.remove_stale('benchmark')}, groups left: {len(groups)}"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default="lumirage/base:bookworm")
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    runtime = DockerRuntime()
    image = runtime.resolve(given.image).start
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        ours, plain = overhead(runtime, image, out, given.repeats)
        print(f"overhead of a hardened, measured container: {ours:.2f} s (a plain docker run: {plain:.2f} s)")
        print(f"sampling and waiting: {100 * sampling(runtime, image, out):.2f} % of a core")
        for line in leaks(runtime, image, out, given.starts):
            print(line)
    print(f"load average: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
