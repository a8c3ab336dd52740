"""The records that the stages exchange. Those that are stored on disk are pydantic models with a schema version.

Nothing here computes: arrays live in `lumirage.core.space`, paths in `lumirage.core.layout`.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CONTRACT_VERSION = 1
_Row = tuple[float, float, float, float]
Matrix = tuple[_Row, _Row, _Row, _Row]
"""A 4x4 homogeneous matrix, row by row, millimetres."""
Triple = tuple[float, float, float]
Shape = tuple[int, int, int]
AXIS_CODES = r"^([RL]([AP][SI]|[SI][AP])|[AP]([RL][SI]|[SI][RL])|[SI]([RL][AP]|[AP][RL]))$"


class Record(BaseModel):
    """The base of all records: frozen, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Scan(Record):
    """One image with the labels, masks and landmarks that only the harness sees."""

    name: str = Field(description="BIDS stem, such as sub-01_ses-1_T1w; unique in its dataset")
    subject: str
    session: str | None = None
    suffix: str = Field(description="contrast, such as T1w")
    image: Path
    labels: dict[str, Path] = Field(default={}, description="label source -> label map")
    structures: dict[str, dict[str, Path]] = Field(default={}, description="source -> structure -> its own file")
    mask: Path | None = None
    landmarks: Path | None = None
    landmark_map: Path | None = Field(default=None, description="label map in which each label is one landmark")

    @property
    def label(self) -> str:
        """The name with letters and digits only, as BIDS wants it in `from-` and `to-`."""
        return re.sub(r"[^0-9A-Za-z]", "", self.name)


class Pair(Record):
    """An ordered couple: the moving image is resampled onto the fixed grid."""

    fixed: Scan
    moving: Scan
    truth: Path | None = Field(default=None, description="true displacement field, mm RAS+, pull, on the fixed grid")
    stands_for: str = Field(default="", description="id of the pair whose place it takes under a condition")

    @property
    def id(self) -> str:
        """Unique within a condition. A pair that replaces another has the same id, so that conditions can be compared."""
        return self.stands_for or f"{self.fixed.label}-{self.moving.label}"


class Grid(Record):
    """A lattice: shape in voxels and the voxel-to-world matrix (RAS+ mm)."""

    shape: Shape
    affine: Matrix


class Prepared(Record):
    """The images that methods get for one pair under one condition, and their relation to the native images."""

    schema_version: Literal[1] = 1
    key: str = Field(description="hash of everything it was made from")
    fixed: Path = Field(description="float32 on the working grid")
    moving: Path = Field(description="float32 on the working grid, affinely aligned")
    grid: Grid = Field(description="the working grid")
    affine: Matrix = Field(description="fixed world to moving world, RAS+ mm: x_native_moving = affine @ (x + u(x))")
    truth: Path | None = Field(default=None, description="the true u on the working grid, where it is known")
    shown: Matrix | None = Field(default=None, description="voxel to world in the files of methods; none: as in grid")
    warnings: tuple[str, ...] = Field(default=(), description="what is doubtful about the pair, one sentence each")
    checksums: dict[str, str] = Field(default={}, description="XXH3-128 of fixed, moving, truth; none: not known")


class Convention(Record):
    """How a method stores its field. `lumirage.core.space` converts it, once, to millimetres, RAS+, pull."""

    kind: Literal["displacement", "deformation", "velocity"] = "displacement"
    unit: Literal["mm", "voxel", "normalized"] = "mm"
    order: Literal["xyz", "xzy", "yxz", "yzx", "zxy", "zyx"] = Field(
        default="xyz", description="axis along which each stored component points: of the world for mm, else of arrays"
    )
    signs: str = Field(default="+++", pattern=r"^[+-]{3}$", description="sign of each stored component; ITK is --+")
    channels: Literal["last", "first"] = "last"
    affine: Literal["checked", "ignored"] = Field(default="checked", description="ignored: its header is not used")


class Weights(Record):
    """A trained network that the image does not hold; mounted read-only at /weights."""

    file: str
    url: str
    sha256: str = Field(pattern=r"^([0-9a-f]{64})?$", description="empty: upstream publishes none")
    bytes: int
    licence: str


class Command(Record):
    """For images that do not follow our contract: the command for one pair, and the files that it writes."""

    template: str = Field(description="arguments with {fixed}, {moving}, {out}, {threads}, {seed} and parameters")
    answer: str = Field(description="file under {out} that holds the field")
    moved: str | None = None


class GridNeeds(Record):
    """The grid that a network needs. With an `orientation` it is the frame of the network's training: the harness
    resamples both images to it and the field back. Without one it only limits the tracks that can be used."""

    orientation: str | None = Field(default=None, pattern=AXIS_CODES, description="axis codes of its arrays, as LIA")
    shape: Shape | None = Field(default=None, description="of its arrays; none: as large as the working grid")
    spacing_mm: float | None = Field(default=None, gt=0, description="none: that of the working grid")
    divisible_by: int = Field(default=1, ge=1, description="a shape that is not given is enlarged to a multiple")


ParameterValue = bool | int | float | str | list[int] | list[float] | list[str]


class Method(Record):
    """The card, `method.yaml`: everything that the harness needs to know about one registration algorithm."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")
    version: str
    summary: str
    kind: Literal["iterative", "deep", "reference"]
    contract: Literal["lumirage", "command", "lumir"] = "lumirage"
    lumir_year: Literal[2024, 2025] = 2025
    image: str = Field(default="", description="reference; empty: lumirage/<folder>, built from its folder")
    obtain: str = Field(default="", description="how to get an image that is not published; shown if it is missing")
    command: Command | None = None
    device: Literal["cpu", "gpu", "either"] = "cpu"
    deterministic: bool = True
    needs: GridNeeds = GridNeeds()
    output: Convention = Convention()
    parameters: dict[str, ParameterValue] = {}
    variants: dict[str, dict[str, ParameterValue]] = Field(default={}, description="NAME-SUFFIX -> other parameters")
    weights: tuple[Weights, ...] = ()
    grants: tuple[Literal["truth"], ...] = Field(default=(), description="what only reference methods may see")
    trained_on: tuple[str, ...] = ()
    typical_cost: dict[Literal["voxels", "cpu_s", "peak_memory_bytes"], float] = {}
    verified: str = Field(default="not yet run by us", description="what we ran ourselves, for the README and tables")
    untrained: bool = Field(default=False, description="runs with random weights: marked in every table")
    citation: str = ""
    licence: str = ""
    source: tuple[str, ...] = Field(default=(), description="sources of the facts on this card")


class Limits(Record):
    """What one container may use. Memory means memory plus swap."""

    pair_timeout_s: float = Field(default=3600.0, gt=0, le=3e6, description="seconds, at most about a month")
    container_timeout_s: float | None = Field(default=None, gt=0, le=1e8, description="seconds; none: sum over pairs")
    memory_bytes: int = Field(default=16 * 2**30, gt=0, le=2**50, description="bytes; 16 GiB is 17179869184")
    cpus: int = Field(default=1, gt=0, le=4096, description="number of CPUs")
    gpus: int = Field(default=0, ge=0, le=64, description="number of GPUs")
    pids: int = Field(default=512, gt=0, le=2**22, description="number of processes and threads")
    output_bytes: int = Field(default=8 * 2**30, gt=0, le=2**50, description="bytes that one container writes")
    log_bytes: int = Field(default=2 * 2**20, gt=0, le=2**40, description="bytes of its log that are kept")


class Outcome(StrEnum):
    """How one run ended. Anything but OK is a result about the method, never an error of the harness."""

    OK = "ok"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_GPU_MEMORY = "out_of_gpu_memory"
    NO_ANSWER = "no_answer"
    INVALID_ANSWER = "invalid_answer"


CENSORING = {
    Outcome.OUT_OF_MEMORY: "ran out of memory",
    Outcome.OUT_OF_GPU_MEMORY: "ran out of GPU memory",
    Outcome.TIMEOUT: "ran out of time",
}
"""Outcomes after which only a lower bound of a cost is known (censored), as words for a reader."""


class Job(Record):
    """One container start: a method, a condition and the pairs it registers, in order."""

    schema_version: Literal[1] = 1
    id: str
    method: Method
    image: str = Field(description="what the runtime starts: an image digest, a SIF or a folder (local)")
    condition: str
    repeat: int = 0
    pairs: tuple[str, ...]
    limits: Limits
    seed: int = 0


class Usage(Record):
    """What one container used, measured from outside. Any value may be missing; the `_how` fields say how it was measured."""

    wall_s: float
    start_s: float | None = Field(default=None, description="from the order to start until the entry point ran")
    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float | None = None
    cpu_how: str = ""
    peak_memory_bytes: int | None = Field(default=None, description="without page cache")
    memory_watermark_bytes: int | None = Field(default=None, description="with page cache: an upper bound")
    memory_how: str = ""
    gpu_peak_memory_bytes: int | None = None
    gpu_energy_j: float | None = None
    gpu_how: str = ""
    out_of_memory: bool = False
    timed_out: bool = False
    over_quota: bool = False
    load_1min: float | None = None
    warnings: tuple[str, ...] = ()


class Run(Record):
    """The record of one pair registered by one method: `run.json`. If it exists, the run is complete."""

    schema_version: Literal[1] = 1
    harness: str = Field(description="version of the harness")
    contract: int = CONTRACT_VERSION
    method: str
    image: str = Field(description="id or digest of the image that ran")
    runtime: str
    isolated: bool
    isolation: dict[str, str] = Field(default={}, description="property -> held, or why not")
    mounts: dict[str, Literal["ro", "rw"]] = Field(default={}, description="path in the container -> access")
    cpus: tuple[int, ...] = Field(default=(), description="CPUs that it could use; none: not pinned")
    gpus: tuple[str, ...] = Field(default=(), description="UUIDs of the GPUs that it could use")
    device: Literal["cpu", "gpu", ""] = Field(default="", description="the device that it could use; empty: not known")
    weights: dict[str, str] = Field(default={}, description="file of trained weights -> its SHA-256")
    limits: Limits | None = Field(default=None, description="limits of its container")
    track: str
    condition: str
    repeat: int = 0
    pair: str
    job: str
    prepared: str = Field(description="key of the Prepared that was given")
    voxels: int = Field(description="of the working grid")
    outcome: Outcome
    message: str = ""
    started: str = Field(description="UTC, ISO 8601")
    wall_s: float | None = Field(default=None, description="from begin to end of this pair, by the harness's clock")
    load_s: float | None = Field(default=None, description="from container start to first begin; first pair only")
    phases_s: dict[str, float] = {}
    cold: bool = Field(description="first pair of its container")
    timed_by: Literal["events", "container", "answers"] = "events"
    usage: Usage = Field(description="of the whole container, shared by the pairs of its job")
    container_ended: bool = Field(default=True, description="false: written when the pair ended, usage is not known")
    pairs_in_job: int = 1
    answer_bytes: int | None = None
    answer_sha256: str | None = None
    checksums: dict[Literal["field", "log", "memory"], str] = Field(default={}, description="XXH3-128; none: not known")
    moved_correlation: float | None = Field(default=None, description="of the method's moved image with ours")
    info: dict[str, str | float | int | bool | None] = {}
    host: dict[str, str | int | float] = {}
    warnings: tuple[str, ...] = ()
    log_tail: str = ""

    @property
    def cpu_s_per_pair(self) -> float | None:
        """The container's CPU time, s, divided by the number of pairs of its job."""
        return None if self.usage.cpu_s is None else self.usage.cpu_s / self.pairs_in_job


class Score(Record):
    """One value of one metric for one pair (and label), or the reason why there is none."""

    metric: str
    value: float | None
    unit: str
    source: str = Field(default="", description="label source; empty for metrics of the field")
    label: int | None = None
    name: str = Field(default="", description="name of the label")
    undefined: str = Field(default="", description="why there is no value")
    n: int | None = Field(default=None, description="of a mean: number of labels, landmarks or voxels")
    note: str = Field(default="", description="of a mean: what was left out, and which penalties it contains")


SCORE_COLUMNS = (
    "track", "condition", "repeat", "method", "pair", "fixed", "moving", "fixed_subject", "moving_subject",
    "outcome", "preset", "settings", "scorer", "metric", "source", "label", "name", "value", "unit", "undefined",
    "n", "note",
)  # fmt: skip
"""Columns of scores.tsv and scores.parquet: one row per method, pair, metric and label; means have no label."""

SENTINELS = ("identity", "affine")
"""Scored by the harness without a container: doing nothing, and the prepared affine alone."""
