"""Starts methods as processes of the user, each in a virtual environment made from its requirements. Not isolated."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import psutil

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.layout import cache_root, digest, shipped
from lumirage.running.child_process import Child
from lumirage.running.marked_processes import CALL_VARIABLE, OWNER_VARIABLE, kill_marked
from lumirage.running.measurement import End, Meter
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Feature, Image, Mount, Watch
from lumirage.running.supervision import pump, supervise
from lumirage.running.usage_sources import ProcessTree

REQUIREMENTS = "requirements.txt"
KIT = "_kit"
LOG_DRAINED_WITHIN_S = 5.0


class LocalRuntime:
    """Runs `run.py` of a method's folder. `cache` holds the virtual environments."""

    name = "local"
    isolated = False
    mounts_ours_only = False

    def __init__(self, *, cache: Path | None = None):
        self._cache = (cache or cache_root()) / "venvs"

    def check(self) -> None:
        """Works wherever this Python has the module venv. Raises UnavailableError."""
        try:
            import ensurepip  # noqa: F401 -- Debian splits it off, and venv fails without it
        except ImportError as error:
            raise UnavailableError("this Python has no venv; install it (Debian: python3-venv)") from error

    def resolve(self, reference: str) -> Image:
        """A folder that holds run.py, or the name of a method that ships with the harness.

        The digest covers every file of the folder and of the kit, and the version of Python.
        """
        folder = _folder(reference)
        files = sorted(file for place in _sources(folder) for file in place.rglob("*") if _counts(file))
        parts: list[str | bytes] = [f"{sys.version_info[:2]}"]
        for file in files:
            parts += [str(file.relative_to(folder.parent)), file.read_bytes()]
        return Image(str(folder), f"local:{digest(*parts)}")

    def gpu_refusal(self) -> str:
        """See Runtime. What the host has can be used."""
        return ""

    def card(self, image: str) -> bytes:
        """See Runtime."""
        path = _folder(image) / "method.yaml"
        try:
            return path.read_bytes()
        except OSError as error:
            raise UnavailableError(f"{path}: no card there") from error

    def prepare(self, image: str) -> None:
        """See Runtime. Follows the user's own pip configuration (index, wheels, proxy)."""
        self._python(_folder(image))

    def is_prepared(self, image: str) -> bool:
        """Whether `prepare` has nothing to do."""
        return (self._environment_of(_requirements(_folder(image))) / "complete").is_file()

    def _environment_of(self, wanted: bytes) -> Path:
        return self._cache / digest(wanted, sys.version, sys.executable)

    def _python(self, folder: Path) -> Path:
        """The interpreter of the method's virtual environment, made if it is not there."""
        requirements, wanted = folder / REQUIREMENTS, _requirements(folder)
        venv = self._environment_of(wanted)
        python, complete = venv / "bin" / "python", venv / "complete"
        self._cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(venv.with_suffix(".lock")):
            if not complete.is_file():
                shutil.rmtree(venv, ignore_errors=True)
                _command([sys.executable, "-m", "venv", str(venv)], "make a virtual environment")
                if wanted:
                    _command([str(python), "-m", "pip", "install", "-r", str(requirements)], f"install {requirements}")
                complete.touch()
        return python

    def sees(self, mount: Mount) -> str:
        """The host's own path: nothing is mounted."""
        return str(mount.source)

    def features(self) -> tuple[Feature, ...]:
        """See Runtime. There is no engine to ask."""
        return ()

    def isolation(self) -> dict[str, str]:
        """See Runtime."""
        no = "not held: a process of the user"
        names = ("network", "root_filesystem", "inputs", "capabilities", "privileges", "processes", "user")
        return {
            **dict.fromkeys(names, no),
            "memory": "held: sampled at 20 Hz and killed",
            "cpus": "asked for: affinity, which a method can undo" if hasattr(os, "sched_setaffinity") else no,
            "output_quota": "held: sampled 4 times a second",
            "log_size": "held",
        }

    def run(self, call: Call, watch: Watch) -> CallResult:
        """See Runtime."""
        folder = _folder(call.image)
        python = self._python(folder)
        entry = call.entrypoint or (str(python), str(folder / "run.py"))
        process = _RunningProcess([*entry, *call.arguments], _environment(call, python, folder), call)
        try:
            reader = pump(process.child.chunks(), watch)
            watched = supervise(process, call, watch, process.began_s, memory_limit=True)
            process.kill()  # what it left behind
            reader.join(LOG_DRAINED_WITHIN_S)
            usage = process.meter.usage(watched, process.end())
            return CallResult(usage, watched.timeline, watched.stopped == "interrupted")
        finally:
            process.kill()
            process.close()

    def remove_stale(self, owner: str) -> int:
        """See Runtime. Found by a variable of their environment."""
        return kill_marked(OWNER_VARIABLE, owner)


class _RunningProcess:
    """A method as a process, for `supervise`."""

    def __init__(self, argv: list[str], environment: dict[str, str], call: Call):
        self._name = call.name
        ordered = time.monotonic()
        self.child = Child(argv, environment, call.output)
        self.began_s = time.monotonic()
        self._start_s = self.began_s - ordered
        _limit(self.child.pid, call)
        self._leader = psutil.Process(self.child.pid)
        self.meter = Meter(ProcessTree(lambda: [self._leader, *self.child.below()]), call.gpus)

    def ended(self, within_s: float) -> bool:
        """See Process."""
        return self.child.ended(within_s)

    def kill(self) -> None:
        """All processes of the session, and those that moved to a session of their own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
        kill_marked(CALL_VARIABLE, self._name)

    def sample(self) -> int | None:
        """See Process."""
        return self.meter.sample()

    def end(self) -> End:
        """How it ended."""
        status = self.child.status or 0
        code, number = (status, None) if status >= 0 else (128 - status, -status)
        return End(code, number, start_s=self._start_s, cpu_s=self.child.cpu_s)

    def close(self) -> None:
        """Give back what is open."""
        self.child.close()
        self.meter.close()


def _limit(pid: int, call: Call) -> None:
    """Pin it and forbid core dumps; the moment before it takes effect is the interpreter's own start."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(resource, "prlimit"):
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        if call.cpus and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(pid, call.cpus)


def _environment(call: Call, python: Path, folder: Path) -> dict[str, str]:
    """The method's variables and nothing of the user's, but where programs and the GPU are."""
    kit = folder.parent / KIT
    Path(call.environment.get("TMPDIR", ".")).mkdir(parents=True, exist_ok=True)
    return {
        **call.environment,
        "PATH": os.pathsep.join([str(python.parent), os.defpath]),
        "PYTHONPATH": os.pathsep.join([str(folder), *([str(kit)] if kit.is_dir() else [])]),
        "VIRTUAL_ENV": str(python.parents[1]),
        "CUDA_VISIBLE_DEVICES": ",".join(call.gpus),
        CALL_VARIABLE: call.name,
        OWNER_VARIABLE: call.owner,
    }


def _folder(reference: str) -> Path:
    """The folder of a method: a path, or the folder's name among those that ship."""
    places = [Path(reference), shipped("method_containers") / reference.removeprefix("lumirage/").partition(":")[0]]
    for place in places:
        if (place / "run.py").is_file():
            return place.resolve()
    if "/" in reference and not reference.startswith(("lumirage/", ".", "/")):
        raise UsageError(f"the runtime local starts folders with a run.py, not images such as {reference}")
    raise UnavailableError(f"{reference}: no folder with a run.py, which the runtime local needs")


def _requirements(folder: Path) -> bytes:
    path = folder / REQUIREMENTS
    return path.read_bytes() if path.is_file() else b""


def _sources(folder: Path) -> list[Path]:
    kit = folder.parent / KIT
    return [folder, *([kit] if kit.is_dir() else [])]


def _counts(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _command(argv: list[str], doing: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise UnavailableError(f"cannot {doing}:\n{last}")
