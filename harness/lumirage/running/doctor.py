"""Tests the isolation of a runtime on this machine: small calls try to do what must not be possible.

The image needs Python, which all our method images have. `lumirage-harness doctor` prints the findings.
"""

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lumirage.core.errors import LumirageError
from lumirage.core.model import Limits
from lumirage.running.container_user import NOBODY
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Feature, Mount, Runtime, StopReason

PIDS = 64
MEMORY_BYTES = 256 * 2**20
MARK = "finding:"
SCRIPT = r"""
import json, os, socket, sys
found = {}
def can(name, act):
    try:
        act()
    except Exception as error:
        found[name] = [False, f"{type(error).__name__}: {error}"]
    else:
        found[name] = [True, ""]
def connect():
    socket.create_connection(("192.0.2.1", 80), timeout=2)
def resolve_interfaces():
    names = [n for _, n in socket.if_nameindex() if n != "lo"]
    if not names: raise OSError("no interface but the loopback")
def fork():
    made = []
    try:
        for _ in range(PIDS + 10):
            child = os.fork()
            if child == 0:
                import time; time.sleep(5); os._exit(0)
            made.append(child)
    finally:
        for child in made: os.kill(child, 9)
        for child in made: os.waitpid(child, 0)
def capabilities():
    bits = [l.split()[1] for l in open("/proc/self/status") if l.startswith(("CapEff", "CapPrm", "CapBnd"))]
    if not any(int(b, 16) for b in bits): raise PermissionError("none")
def new_privileges():
    flag = [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")]
    if flag == ["1"]: raise PermissionError("no_new_privs is set")
def root():
    if os.getuid() != 0: raise PermissionError(f"uid {os.getuid()}")
can("network", resolve_interfaces)
def write_root():
    open("/lumirage-doctor", "w").close()
    os.unlink("/lumirage-doctor")
can("root_filesystem", write_root)
table = "/proc/self/mountinfo"
mounts = sorted((m.split()[4], m.split()[3]) for m in open(table)) if os.path.exists(table) else []
volumes = [place for place, source in mounts if "/volumes/" in source and source.endswith("/_data")]
def write_volumes():
    if all(os.statvfs(v).f_flag & os.ST_RDONLY for v in volumes): raise OSError("read-only: " + ", ".join(volumes))
if volumes: can("image_volumes", write_volumes)
can("inputs", lambda: open(IN + "/written", "w"))
can("capabilities", capabilities)
can("privileges", new_privileges)
can("user", root)
can("processes", fork)
can("output", lambda: open(OUT + "/answer", "w"))
can("scratch", lambda: open(os.environ.get("TMPDIR", "/tmp") + "/x", "w"))
found["cpus"] = [len(os.sched_getaffinity(0)) != 1, f"{len(os.sched_getaffinity(0))} CPUs seen"]
print("MARK" + json.dumps(found), flush=True)
"""
HOG = "import time\nx = [bytearray(b'1' * 2**24) for _ in range(20)]\ntime.sleep(2)"
"""A quarter above the limit, and no more: where swap is not limited with the memory, it lives."""
FLOOD = "f = open(OUT + '/big', 'wb')\nwhile True: f.write(b'1' * 2**20); f.flush()"
SLEEP = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
WANTED = ("output", "scratch")
"""These must be possible; everything else must not be."""


@dataclass(frozen=True)
class Finding:
    """One property of isolation or measurement, as tested."""

    name: str
    held: bool
    how: str


def examine(runtime: Runtime, image: str) -> list[Finding]:
    """Test every property with a small image. Raises UnavailableError when the image is not there, EngineError."""
    start = runtime.resolve(image).start
    runtime.prepare(start)
    with tempfile.TemporaryDirectory(prefix="lumirage-doctor-") as folder:
        trial = _Trial(runtime, start, Path(folder))
        found = [
            *_attempts(trial),
            _limit(trial, "memory", HOG, lambda ended: ended.usage.out_of_memory),
            _limit(trial, "output_quota", FLOOD, lambda ended: ended.usage.over_quota),
            _limit(trial, "wall_time", SLEEP, lambda ended: ended.usage.timed_out),
            _measured(trial),
            Finding("nothing_left", runtime.remove_stale(trial.owner) == 0, "calls are removed when they end"),
        ]
    return explained(found, runtime.features())


def explained(found: Sequence[Finding], features: Sequence[Feature]) -> list[Finding]:
    """What the engine says of itself, then what was found, each failure with what to change where the engine tells.

    What the engine lacks and nobody tried has a line of its own; so has, told from the trial alone, what holds although
    the engine says that it does not.
    """
    lacks = {feature.name: feature.how for feature in features if not feature.has}
    tried = {finding.name for finding in found}
    said = [Finding(one.name, one.has, one.how) for one in features if one.has or one.name not in tried]
    return said + [
        replace(one, how=f"{one.how}; {lacks[one.name]}") if not one.held and one.name in lacks else one
        for one in found
    ]


@dataclass(frozen=True)
class _Trial:
    runtime: Runtime
    image: str
    folder: Path
    owner: str = f"doctor-{uuid.uuid4().hex}"

    def run(self, script: str, timeout_s: float = 20.0, memory_bytes: int = MEMORY_BYTES) -> tuple[CallResult, str]:
        name = f"lumirage-{uuid.uuid4().hex}"
        mounts = (Mount(self.folder / name / "in", "/in"), Mount(self.folder / name / "out", "/out", readonly=False))
        for mount in mounts:
            mount.source.mkdir(parents=True)
        root = os.getuid() == 0
        user = (NOBODY, NOBODY) if root else (os.getuid(), os.getgid())
        if root:
            os.chown(mounts[1].source, *user)
        head = f"IN, OUT, PIDS = {self.runtime.sees(mounts[0])!r}, {self.runtime.sees(mounts[1])!r}, {PIDS}\n"
        call = Call(
            name=name,
            owner=self.owner,
            image=self.image,
            entrypoint=("python3", "-c", head + script.replace('"MARK"', repr(MARK))),
            mounts=mounts,
            output=mounts[1].source,
            limits=Limits(memory_bytes=memory_bytes, pids=PIDS, output_bytes=32 * 2**20),
            cpus=(min(os.sched_getaffinity(0)),) if hasattr(os, "sched_getaffinity") else (),
            user=user,
        )
        heard = _OutputKeeper(timeout_s)
        return self.runtime.run(call, heard), heard.text.decode("utf-8", "replace")


class _OutputKeeper:
    """A watch that keeps the output and a time limit."""

    def __init__(self, timeout_s: float):
        self.text, self._timeout_s, self._began_s = b"", timeout_s, 0.0

    def started(self, at_s: float) -> None:
        self._began_s = at_s

    def output(self, chunk: bytes, at_s: float) -> None:  # noqa: ARG002 -- the seam gives it
        self.text = (self.text + chunk)[-100_000:]

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        return "timeout" if now_s - self._began_s > self._timeout_s else None


def _attempts(trial: _Trial) -> list[Finding]:
    _, text = trial.run(SCRIPT, memory_bytes=2**30)
    line = next((line for line in text.splitlines() if line.startswith(MARK)), None)
    if line is None:
        return [Finding("attempts", False, f"the trial printed nothing; its last words: {text[-300:]}")]
    found: dict[str, tuple[bool, str]] = json.loads(line.removeprefix(MARK))
    return [
        Finding(name, possible == (name in WANTED), why or ("possible" if possible else "refused"))
        for name, (possible, why) in found.items()
    ]


def _limit(trial: _Trial, name: str, script: str, holds: Callable[[CallResult], bool]) -> Finding:
    try:
        ended, _ = trial.run(script, timeout_s=3.0 if name == "wall_time" else 20.0)
    except LumirageError as error:
        return Finding(name, False, str(error))
    return Finding(name, holds(ended), f"exit code {ended.usage.exit_code} after {ended.usage.wall_s:.1f} s")


def _measured(trial: _Trial) -> Finding:
    """128 MiB for half a second must be seen to within 10 %, less what the interpreter takes."""
    ended, _ = trial.run("import time\nx = bytearray(b'1') * (128 * 2**20)\ntime.sleep(0.5)")
    peak = ended.usage.peak_memory_bytes
    if peak is None:
        return Finding("memory_measured", False, ended.usage.memory_how)
    close = abs(peak / 2**20 - 133) < 0.1 * 128
    return Finding("memory_measured", close, f"{peak / 2**20:.0f} MiB for 128; {ended.usage.memory_how}")
