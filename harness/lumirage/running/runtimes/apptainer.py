"""Starts methods as containers of Apptainer or Singularity, from SIF files: no daemon, no root."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import psutil

from lumirage.core.checksums import file_digest
from lumirage.core.errors import EngineError, UnavailableError
from lumirage.core.model import Limits
from lumirage.core.sif_store import find_sif, record_of
from lumirage.running.call_control_group import OwnGroup, kill_all, remove_groups
from lumirage.running.control_groups import Hierarchy
from lumirage.running.folder_removal import remove_tree
from lumirage.running.marked_processes import OWNER_VARIABLE, kill_marked
from lumirage.running.runtimes.apptainer_argv import (
    OPTIONAL,
    Place,
    Site,
    apptainer_argv,
    apptainer_environment,
    isolation,
    options,
    without_options,
)
from lumirage.running.runtimes.apptainer_process import Container, Starting
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Feature, Image, Mount, StopReason, Watch
from lumirage.running.scratch import temporary
from lumirage.running.supervision import Watched, over_quota, pump, supervise

PROGRAMS = ("apptainer", "singularity")
CARD = "/method/method.yaml"
CARD_BYTES = 2**20
KEPT_BYTES = 2 * CARD_BYTES
PROBE_S = 120.0
LOG_DRAINED_WITHIN_S = 20.0
QUOTA_EVERY_S = 0.25


class ApptainerRuntime:
    """Apptainer, or Singularity where there is no other."""

    name = "apptainer"
    isolated = True
    mounts_ours_only = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._site: Site | None = None

    @property
    def _program(self) -> str:
        found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
        if found is None:
            raise UnavailableError(
                "neither apptainer nor singularity is on the PATH; load the module of your site "
                "(such as `module load apptainer`), or choose another --runtime"
            )
        return found

    def check(self) -> None:
        """See Runtime."""
        done = _command([self._program, "--version"])
        if done.returncode:
            raise UnavailableError(f"{self._program} does not work: {_last(done)}")

    def resolve(self, reference: str) -> Image:
        """A SIF file, or the name of an image of which the SIF cache has one. A file without a record of ours is its
        own identity; else the OCI image is."""
        path = Path(reference) if reference.endswith(".sif") else find_sif(reference)
        if path is None or not path.is_file():
            raise UnavailableError(
                f"no SIF of {reference} is here; make it with `lumirage-harness methods build NAME --sif` where an "
                "engine is, or get it with `lumirage-harness methods pull NAME --sif`"
            )
        record = record_of(path)
        return Image(str(path.resolve()), record.digest if record else f"sha256:{file_digest(path)}")

    def prepare(self, image: str) -> None:
        """Find out, once, what this site permits. Raises UnavailableError where it permits nothing."""
        self._permitted(image)

    def gpu_refusal(self) -> str:
        """See Runtime. What the host has can be used."""
        return ""

    def card(self, image: str) -> bytes:
        """See Runtime."""
        site = self._permitted(image)
        words = [site.program, "--quiet", "exec", *options(site), image, "head", "-c", str(CARD_BYTES), CARD]
        done = _command(words)
        if done.returncode:
            raise UnavailableError(f"{image}: has no card {CARD} ({_last(done)})")
        return done.stdout

    def _permitted(self, image: str) -> Site:
        with self._lock:
            if self._site is None:
                self._site = _try_out(Site(self._program, root=os.geteuid() == 0), image)
            return self._site

    def sees(self, mount: Mount) -> str:
        """See Runtime."""
        return mount.target

    @cached_property
    def _hierarchy(self) -> Hierarchy:
        return Hierarchy.found()

    @cached_property
    def _own_groups(self) -> bool:
        """Whether control groups with limits can be made here."""
        if not self._hierarchy.can_own():
            return False
        try:
            OwnGroup(self._hierarchy, f"probe-{os.getpid()}-{id(self)}", Limits()).close()
        except OSError:
            return False
        return True

    def features(self) -> tuple[Feature, ...]:
        """See Runtime. There is no engine to ask."""
        return ()

    def isolation(self) -> dict[str, str]:
        """See Runtime. Known when the first image was prepared."""
        return isolation(self._site or Site(), self._own_groups)

    def run(self, call: Call, watch: Watch) -> CallResult:
        """See Runtime."""
        site = self._permitted(call.image)
        record = record_of(Path(call.image))
        with _workdir(call) as workdir, self._group(call) as group:
            place = Place(workdir, record.workdir if record else "/", group.procs if group else ())
            argv = apptainer_argv(call, site, place)
            container = Container(argv, apptainer_environment(call, site, os.environ), call, group)
            try:
                reader = pump(container.chunks(), watch)
                guarded = _WithTmpQuota(watch, workdir, call.limits.memory_bytes)
                watched = _supervised(container, call, guarded, workdir / "tmp", memory_limit=group is None)
                container.kill()  # what it left behind
                reader.join(LOG_DRAINED_WITHIN_S)
                return CallResult(container.usage(watched), watched.timeline, watched.stopped == "interrupted")
            finally:
                container.close()

    @contextlib.contextmanager
    def _group(self, call: Call) -> Iterator[OwnGroup | None]:
        if not self._own_groups:
            yield None
            return
        group = OwnGroup(self._hierarchy, f"{call.owner}-{call.name}", call.limits)
        try:
            yield group
        finally:
            group.kill()
            group.close()

    def remove_stale(self, owner: str) -> int:
        """See Runtime. Found by their control groups, and by a variable of their environment."""
        killed = remove_groups(self._hierarchy, f"{owner}-") if self._hierarchy.can_own() else 0
        killed += kill_marked(OWNER_VARIABLE, owner)
        for folder in temporary(os.environ).glob(f"lumirage-{owner}-*"):
            remove_tree(folder)
        return killed


def _supervised(container: Container, call: Call, watch: Watch, tmp: Path, *, memory_limit: bool) -> Watched:
    """Watch it start and run. Gives what was seen since the entry point began, or of a start that was ended.

    Raises EngineError if it does not start in time: a slow file system is not a failure of the method.
    """
    start = supervise(Starting(container, tmp), call, watch, container.ordered_s, memory_limit=memory_limit)
    if start.stopped == "timeout":
        raise EngineError("a container did not start within the time limit of its pairs")
    if start.stopped:
        return start
    return supervise(container, call, watch, container.begun(tmp), memory_limit=memory_limit)


class _WithTmpQuota:
    """The watch of a call, which also ends it when its /tmp, which lies on this disk, grows beyond the memory limit:
    in other runtimes /tmp is memory."""

    def __init__(self, watch: Watch, folder: Path, limit_bytes: int):
        self._watch, self._folder, self._limit_bytes, self._next_s = watch, folder, limit_bytes, 0.0
        self.output, self.started = watch.output, watch.started

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        """See Watch."""
        reason = self._watch.reason_to_stop(now_s)
        if reason is None and now_s >= self._next_s:
            self._next_s = now_s + QUOTA_EVERY_S
            if over_quota(self._folder, self._limit_bytes):
                return "quota"
        return reason


@contextlib.contextmanager
def _workdir(call: Call) -> Iterator[Path]:
    """The call's own /tmp and home, on disk: where TMPDIR says, else in /var/tmp."""
    place = temporary(os.environ)
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"lumirage-{call.owner}-", dir=place))
    try:
        home = folder / "tmp" / "home"
        home.mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        home.chmod(0o1777)
        yield folder
    finally:
        remove_tree(folder)


def _try_out(site: Site, image: str) -> Site:
    """The site with those of the optional isolations that work here."""
    if _works(site, image) is None:
        return site
    bare = Site(site.program, (), site.root)
    refused = _works(bare, image)
    if refused is not None:
        raise UnavailableError(f"{site.program} cannot start {image}: {refused}")
    held = tuple(name for name in OPTIONAL if _works(Site(site.program, (name,), site.root), image) is None)
    return Site(site.program, held, site.root)


def _works(site: Site, image: str) -> str | None:
    """Why a container cannot be started so; None where it can."""
    done = _command([site.program, "--quiet", "exec", *options(site), image, "/bin/sh", "-c", ":"])
    return _last(done) if done.returncode else None


def _command(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end. Raises EngineError where it takes, or what the image prints is, too long."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=without_options(os.environ)
            )
        except OSError as error:
            raise EngineError(f"cannot run {argv[0]}: {error}") from error
        deadline = time.monotonic() + PROBE_S
        while (code := process.poll()) is None:
            printed = max(os.fstat(file.fileno()).st_size for file in (out, err))
            if printed > KEPT_BYTES or time.monotonic() > deadline:
                kill_all([child.pid for child in psutil.Process(process.pid).children(recursive=True)] + [process.pid])
                process.wait()
                raise EngineError(f"{' '.join(argv)}: killed after {printed} bytes, not done within {PROBE_S:.0f} s")
            time.sleep(0.01)
        said = [os.pread(file.fileno(), KEPT_BYTES, 0) for file in (out, err)]
        return subprocess.CompletedProcess(argv, code, *said)


def _last(done: subprocess.CompletedProcess[bytes]) -> str:
    """The program's own last words, without colours."""
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
