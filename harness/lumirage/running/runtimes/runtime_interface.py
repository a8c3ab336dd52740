"""The seam between the harness and what starts methods: a `Call` goes in, an `CallResult` comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from lumirage.core.model import Limits, Usage

OWNER_LABEL = "lumirage.owner"
CALL_LABEL = "lumirage.call"

PATHS_SHOWN = "not held: /proc/self/mountinfo shows where on the host the job's folders are, the path of OUT with it"
"""A method can read the source path of each of its mounts, so names in that path are not secret."""

StopReason = Literal["timeout", "memory", "quota", "interrupted"]
"""Why the harness, not the method, ended a call. Quota: it wrote more than `Limits.output_bytes`. Memory: it was seen
above the limit by a runtime that has no cgroup of its own."""


class Stopped(Exception):  # noqa: N818 -- not an error: the user pressed Ctrl-C
    """The harness was interrupted. The current pair was killed and has no record; it must be executed again."""


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host that the method sees at `target`."""

    source: Path
    target: str
    readonly: bool = True


@dataclass(frozen=True)
class Image:
    """What a reference stands for. `start` is what `Call.image` takes, `digest` is its identity for the records."""

    start: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One start of one image. Paths are absolute; `output` is the folder whose size is limited."""

    name: str = field(metadata={"note": "unique, lumirage-<uuid>"})
    owner: str = field(metadata={"note": "digest of the output tree, so that what a dead harness left can be found"})
    image: str
    arguments: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    mounts: tuple[Mount, ...] = ()
    output: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits
    cpus: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    user: tuple[int, int] | None = None


@dataclass(frozen=True)
class Feature:
    """Something that an engine has, or lacks here: then `how` says what to change. Named as what `doctor` finds, if it
    tries it."""

    name: str
    has: bool
    how: str


class Watch(Protocol):
    """What the harness does during a call. Times are those of `time.monotonic`.

    `output` is called from a separate thread, the others from the thread that called `run`.
    """

    def output(self, chunk: bytes, at_s: float) -> None:
        """The next bytes of stdout and stderr, as they arrived; any bytes."""

    def started(self, at_s: float) -> None:
        """The entry point runs from now on."""

    def reason_to_stop(self, now_s: float) -> StopReason | None:
        """Why the call has to be killed now, if it has to; asked about 20 times a second."""


@dataclass(frozen=True)
class CallResult:
    """How a call ended, seen from outside. `timeline` holds (seconds since the start, bytes).

    `interrupted`: it was killed because the harness was interrupted, which says nothing about the method.
    """

    usage: Usage
    timeline: tuple[tuple[float, int], ...] = ()
    interrupted: bool = False


class Runtime(Protocol):
    """Starts methods. Knows nothing of imaging.

    A failing method is a value: `run` returns `CallResult`. A failing engine is an exception: EngineError if trying again
    may help, else UnavailableError. All methods may be called from several threads.
    """

    name: str
    isolated: bool
    mounts_ours_only: bool
    """Whether only folders can be mounted that our own container mounts."""

    def check(self) -> None:
        """Return if calls can be started. Raises UnavailableError that says what to do."""

    def resolve(self, reference: str) -> Image:
        """The image that a reference means now; accepts `Image.start` too. Raises UnavailableError if there is none."""

    def prepare(self, image: str) -> None:
        """Make what `run` needs and the reference does not hold (local: the virtual environment; minutes the first
        time). Raises UnavailableError."""

    def gpu_refusal(self) -> str:
        """Why no call would be given a GPU of this machine, with what to do; empty where calls can have one."""

    def card(self, image: str) -> bytes:
        """The method.yaml that the image holds. Raises UnavailableError when there is none."""

    def sees(self, mount: Mount) -> str:
        """The path under which a method sees a mount."""

    def features(self) -> tuple[Feature, ...]:
        """What the engine is, and what it lacks; asked once. Raises EngineError."""

    def isolation(self) -> dict[str, str]:
        """Property -> "held", or why it is not; for the run record."""

    def run(self, call: Call, watch: Watch) -> CallResult:
        """Start, watch, measure, and remove whatever happens.

        Raises EngineError if the engine failed, UnavailableError if the image no longer exists.
        """

    def remove_stale(self, owner: str) -> int:
        """Remove all that calls of this owner left; gives their number. Only for who holds the lock on the output
        tree. Raises EngineError."""
