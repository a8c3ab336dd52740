"""How exact the numbers of the harness are on this host: others count the same runs.

`python tests/hosts/exact_numbers.py [RUNS]` prints each run on stderr as it ends, and then a table: for each kind of run the
smallest and largest ratio of what the harness recorded to what somebody else counted. CPU time and watermark: systemd, which
writes them to its journal when a group ends (control groups v2 with the driver systemd, for a user who may read it), else the
container itself, in its group, as the last thing that it did. Peak memory: what the container had in memory, by its kernel.
"""

# ruff: noqa: T201 -- a program that prints
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import EngineError
from lumirage.core.model import Limits, Usage
from lumirage.running.runtimes.docker_siblings import docker_runtime
from lumirage.running.runtimes.runtime_interface import Call, StopReason

BASE = os.environ.get("LUMIRAGE_BASE_IMAGE", "lumirage/base:bookworm")
RESOURCES = "MESSAGE_ID=ae8f7b866b0347b9af31fe1c80b127c0"
"""What systemd says of a unit that ended: `man systemd.journal-fields`, SD_MESSAGE_UNIT_RESOURCES."""
SCRIPT = """
import json, os, time
from pathlib import Path
root = Path("/sys/fs/cgroup")
def counted():
    if (root / "cpu.stat").exists():
        usec = int((root / "cpu.stat").read_text().split()[1])
        return usec / 1e6, int((root / "memory.peak").read_text())
    nsec = int((root / "cpuacct/cpuacct.usage").read_text())
    return nsec / 1e9, int((root / "memory/memory.max_usage_in_bytes").read_text())
held = bytearray(b"1") * (MB * 2**20)
began = time.process_time()
while time.process_time() - began < BURN: pass
time.sleep(HOLD)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
taken = sum(int(status[key].split()[0]) for key in ("RssAnon", "RssShmem")) * 1024
del held  # giving it back costs CPU time too
print(json.dumps([*counted(), taken]), flush=True)
os._exit(0)
"""
KINDS = {"0.3 s": {"BURN": 0.15, "MB": 200, "HOLD": 0.1}, "5 s": {"BURN": 5.0, "MB": 400, "HOLD": 0.3}}


@dataclass(frozen=True)
class Counted:
    """One run: what the harness recorded, and CPU seconds, watermark and memory in bytes as others counted them."""

    usage: Usage
    cpu_s: float
    watermark_bytes: int
    taken_bytes: int
    by: str = "container"


class Keeper:
    """A watch that keeps what is printed."""

    def __init__(self) -> None:
        self.text = b""

    def started(self, at_s: float) -> None:
        """Nothing to do."""

    def output(self, chunk: bytes, at_s: float) -> None:
        """Keep it."""
        self.text += chunk

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        """Never."""
        return None


def one(kind: dict[str, float]) -> Counted:
    """A run of this kind."""
    head = "".join(f"{name} = {value}\n" for name, value in kind.items())
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        call = Call(
            name=f"lumirage-{uuid.uuid4().hex}",
            owner="exact-numbers",
            image=BASE,
            entrypoint=("python3", "-c", head + SCRIPT),
            output=Path(folder),
            limits=Limits(memory_bytes=2**30),
            user=(65534, 65534) if os.getuid() == 0 else (os.getuid(), os.getgid()),
        )
        heard = Keeper()
        usage = docker_runtime().run(call, heard).usage
    cpu_s, watermark, taken = json.loads(heard.text)
    known = systemd_counted(began)
    return Counted(usage, *known, taken, "systemd") if known else Counted(usage, cpu_s, watermark, taken)


def systemd_counted(since: float) -> tuple[float, int] | None:
    """CPU seconds and watermark of the container that ended since then; None where the journal does not tell of just one."""
    words = ["journalctl", "--quiet", "--output=json", f"--since=@{since:.3f}", RESOURCES]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    ended = [entry for entry in entries if entry.get("UNIT", "").startswith("docker-")]
    if len(ended) != 1 or "MEMORY_PEAK" not in ended[0]:
        return None
    return int(ended[0]["CPU_USAGE_NSEC"]) / 1e9, int(ended[0]["MEMORY_PEAK"])


def span(values: list[float | None], digits: int = 4) -> str:
    """Smallest to largest, and how many are unknown."""
    known = [value for value in values if value is not None]
    missing = f" ({len(values) - len(known)} unknown)" if len(known) < len(values) else ""
    return f"{min(known):.{digits}f} to {max(known):.{digits}f}{missing}" if known else "unknown"


def ratio(value: float | None, true: float) -> float | None:
    """None for what the harness does not know."""
    return None if value is None else value / true


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print("| run | n | wall s | CPU s | CPU time | watermark | peak memory | counted by | how |\n" + "|---" * 9 + "|")
    for name, kind in KINDS.items():
        rows = []
        while len(rows) < runs:
            try:
                rows.append(one(kind))
            except EngineError as error:  # a slow machine's engine may not answer in time
                print(f"{name}: {error}; again", file=sys.stderr, flush=True)
            else:
                print(name, rows[-1], file=sys.stderr, flush=True)
        hows = Counter(f"{row.usage.cpu_how}; {row.usage.memory_how}" for row in rows)
        cells = [
            name,
            str(runs),
            span([row.usage.wall_s for row in rows], 2),
            span([row.usage.cpu_s for row in rows], 2),
            span([ratio(row.usage.cpu_s, row.cpu_s) for row in rows]),
            span([ratio(row.usage.memory_watermark_bytes, row.watermark_bytes) for row in rows]),
            span([ratio(row.usage.peak_memory_bytes, row.taken_bytes) for row in rows]),
            ", ".join(f"{word} {count}" for word, count in Counter(row.by for row in rows).items()),
            "; ".join(f"{count} x {words}" for words, count in hows.items()),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
