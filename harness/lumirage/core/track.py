"""The records of an experiment: the track, as in its YAML file, and the evaluation made from it."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from lumirage.core.affine_error import AffineError
from lumirage.core.field_errors import field_errors
from lumirage.core.label_words import Labels, SourceLabels
from lumirage.core.model import Limits, Method, Pair, ParameterValue, Record, Shape, Triple

REFERENCE = "reference"
"""The name of the condition that is the track's own preparation."""
IN_DATASET = "bids::"
"""The beginning of a path that is relative to the dataset, as in BIDS URIs."""

ScanAxis = Literal["contrast", "session"]
SCAN_AXES: tuple[ScanAxis, ...] = get_args(ScanAxis)
"""Axes of conditions that use other scans of the same people, instead of another preparation."""


class Select(Record):
    """Which scans of the dataset take part. An empty list means all."""

    suffixes: tuple[str, ...] = Field(default=("T1w",), description="contrasts, such as T1w")
    subjects: tuple[str, ...] = ()
    exclude_subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    entities: dict[str, str | tuple[str, ...] | None] = Field(
        default={},
        description="further BIDS entities, such as acquisition: mprage; one of several for a list, none of it for null",
    )
    exclude: tuple[str, ...] = Field(default=(), description="scan names that are left out, such as sub-01_T1w")


class Pairing(Record):
    """How scans become ordered pairs. Scans are sorted by name first, so the order of files on disk does not matter."""

    scheme: Literal["all", "chain", "random", "star", "to", "list"] = "chain"
    subjects: Literal["between", "within", "any"] = Field(
        default="between", description="pairs of two people, or of one"
    )
    sessions: Literal["any", "between", "within"] = Field(
        default="any",
        description="pairs of two sessions or of one; two sessions of one person: the earlier scan is fixed. Scans of one "
        "contrast are then of one acquisition and contrast agent too",
    )
    fixed: str | None = Field(default=None, description="contrast of the fixed scan; none: any")
    moving: str | None = Field(default=None, description="contrast of the moving scan; none: that of the fixed scan")
    count: int | None = Field(default=None, ge=1, description="random: how many pairs")
    seed: int = Field(default=0, description="random: seed of the draw")
    target: str | None = Field(default=None, description="subject or name; star: of the moving scan, to: of the fixed")
    file: Path | None = Field(
        default=None,
        description="list: TSV with columns fixed and moving, relative to the track; or bids::PATH, within the dataset",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"random": "count", "star": "target", "to": "target", "list": "file"}.get(self.scheme)
        if needs and getattr(self, needs) is None:
            raise ValueError(f"scheme '{self.scheme}' needs '{needs}'")
        return self


LEAST, MOST = 0, 10_000
"""Bounds of a spacing and of a shape. The memory that a working grid needs is reported when it is planned."""


class Prepare(Record):
    """How native images are prepared for the methods: on one working grid in the fixed image's world."""

    orientation: str = Field(default="RAS", pattern=r"^[RLAPSI]{3}$", description="axis codes of the working grid")
    oblique_deg: float = Field(
        default=0.0,
        ge=-180,
        le=180,
        description="degrees by which the grid is turned about the axis (1, 1, 1) of its centre",
    )
    spacing_mm: Triple | None = Field(
        default=None, description="millimetres along R, A, S; one number for all; none: the fixed image's"
    )
    shape: Shape | None = Field(default=None, description="voxels along R, A, S; none: as large as the fixed image")
    crop_mm: float | None = Field(
        default=None, ge=0, le=1000, description="instead of a shape: the foreground and this margin, millimetres"
    )
    divisible_by: int = Field(
        default=1, ge=1, le=1024, description="voxels: the shape is enlarged to a multiple of this"
    )
    affine: Literal["none", "rigid", "affine"] = "affine"
    affine_error: AffineError = AffineError()
    skull: Literal["as_is", "stripped"] = Field(default="as_is", description="stripped: by the scan's mask")
    intensity: Literal["none", "minmax", "percentile", "zscore", "equalized"] = Field(
        default="percentile",
        description="minmax and percentile (0.1 to 99.9 of the foreground) give 0 to 1; equalized: the histogram of the "
        "foreground made flat, each voxel its rank from 0 to 1, the background 0",
    )
    gamma: float = Field(default=1.0, ge=0.01, le=100, description="exponent after scaling to 0..1")
    inverted: bool = Field(default=False, description="whether intensities of the foreground are inverted")
    bias_field: float = Field(
        default=0.0, ge=0, lt=1, description="amplitude of a smooth multiplicative field, as a share: 0.2 is 20 %"
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, description="sigma of Rician noise, as a share of the intensity range: 0.1 is 10 %"
    )
    jitter: str = Field(
        default="", description="a secret: turns and shifts the grid by a little and adds a trace of noise (--jitter)"
    )

    @field_validator("spacing_mm", mode="before")
    @classmethod
    def _isotropic(cls, value: Any) -> Any:  # YAML gives anything
        return (value,) * 3 if isinstance(value, int | float) else value

    @field_validator("spacing_mm", "shape")
    @classmethod
    def _positive(cls, value: Triple | Shape | None) -> Triple | Shape | None:
        if value is not None and not all(LEAST < n <= MOST for n in value):
            raise ValueError(
                f"each must be more than {LEAST:g} and at most {MOST:g} (spacing: millimetres; shape: voxels)"
            )
        return value

    @field_validator("orientation")
    @classmethod
    def _three_axes(cls, value: str) -> str:
        if not all(set(axis) & set(value) for axis in ("RL", "AP", "SI")):
            raise ValueError("must name each of the axes R/L, A/P, S/I once")
        return value

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.shape and self.crop_mm is not None:
            raise ValueError("shape and crop_mm both say how large the working grid is; give one of them")
        return self


class Condition(Record):
    """One combination of preparations."""

    name: str
    axis: str = Field(default="", description="what was varied; empty for the reference")
    level: str = ""
    prepare: Prepare
    scans: dict[ScanAxis, str] = Field(
        default={}, description="contrast or session whose scans of the same people take the place of the pair's"
    )


class Conditions(Record):
    """Preparations to combine. Each axis is a field of `prepare`, or `contrast` or `session`, with its values."""

    design: Literal["one_at_a_time", "full"] = "one_at_a_time"
    axes: dict[str, tuple[Any, ...]] = {}  # values are checked when Prepare is made of them
    parameter: dict[str, dict[str, tuple[ParameterValue, ...]]] = Field(
        default={},
        description="method -> parameter -> values: each is run as a method of its own beside the card's, as clapirn-reg0.1",
    )

    @model_validator(mode="before")
    @classmethod
    def _parameter_among_axes(cls, value: Any) -> Any:  # YAML gives anything
        """Accept `parameter` among the axes, where people expect it."""
        axes = value.get("axes") if isinstance(value, dict) else None
        if isinstance(axes, dict) and "parameter" in axes and "parameter" not in value:
            return {
                **value,
                "axes": {k: v for k, v in axes.items() if k != "parameter"},
                "parameter": axes["parameter"],
            }
        return value


class Track(Record):
    """One experiment."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    summary: str = ""
    datasets: tuple[str, ...] = Field(
        default=(), description="datasets that it was made for; compared with `trained_on` of methods"
    )
    how_to_get: str = ""
    select: Select = Select()
    pairing: Pairing = Pairing()
    prepare: Prepare = Prepare()
    conditions: Conditions = Conditions()
    labels: Labels = Labels()
    score_grid: Literal["native", "working"] = Field(
        default="native", description="grid on which `strict` compares labels"
    )
    presets: tuple[str, ...] = ("strict",)
    limits: Limits = Limits()
    on_failure: Literal["identity", "worst", "drop"] = "identity"
    on_bad_scan: Literal["refuse", "leave_out"] = Field(
        default="refuse", description="leave_out: pairs with an unusable scan are left out, counted and reported"
    )

    def cells(self) -> tuple[Condition, ...]:
        """The conditions, the reference first. Raises ValueError for an axis or value that `prepare` does not have."""
        return (Condition(name=REFERENCE, prepare=self.prepare), *_vary(self.prepare, self.conditions))

    @model_validator(mode="after")
    def _conditions_are_preparations(self) -> Self:
        names = [cell.name for cell in self.cells()]
        if len(set(names)) != len(names):
            raise ValueError(f"conditions: two levels have one name among {names}")
        return self


def _vary(reference: Prepare, conditions: Conditions) -> Iterator[Condition]:
    for axis in conditions.axes:
        if axis not in (*Prepare.model_fields, *SCAN_AXES):
            known = ", ".join((*SCAN_AXES, *Prepare.model_fields))
            raise ValueError(f"conditions.axes.{axis}: neither a kind of scan nor a field of prepare ({known})")
    if conditions.design == "one_at_a_time":
        combinations: Iterator[dict[str, Any]] = ({a: v} for a, values in conditions.axes.items() for v in values)
    else:
        combinations = (
            dict(zip(conditions.axes, v, strict=True)) for v in itertools.product(*conditions.axes.values())
        )
    for chosen in combinations:
        scans = {axis: str(chosen[axis]) for axis in SCAN_AXES if axis in chosen}
        prepared = {axis: value for axis, value in chosen.items() if axis not in scans}
        prepare = _prepare(reference, prepared)
        if scans or prepare != reference:
            levels = [f"{axis}-{_level(axis, value)}" for axis, value in chosen.items()]
            axis = next(iter(chosen)) if len(chosen) == 1 else "several"
            yield Condition(name="_".join(levels), axis=axis, level=", ".join(levels), prepare=prepare, scans=scans)


def _prepare(reference: Prepare, varied: dict[str, Any]) -> Prepare:
    try:
        return Prepare.model_validate(reference.model_dump() | varied)
    except ValidationError as error:
        raise ValueError("; ".join(f"conditions.axes.{line}" for line in field_errors(error, Prepare))) from error


def _level(axis: str, value: object) -> str:
    if axis == "jitter":
        return "on"  # no name tells the secret
    if isinstance(value, dict):
        return "-".join(f"{k}{v}" for k, v in value.items())
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class MethodUse(Record):
    """A method in an evaluation: its card, and the image that is started."""

    card: Method
    image: str = Field(description="the image that the runtime starts")
    digest: str = Field(description="identity of that image; runs of another image are refused")
    dose_of: str = Field(default="", description="the method of which this is a dose: its parameters were changed")
    dose: dict[str, ParameterValue] = Field(default={}, description="what was changed")
    weights: dict[str, str] = Field(
        default={}, description="file of trained weights -> its SHA-256; empty: it needs none, or not known"
    )


class Evaluation(Record):
    """evaluation.json: what an output tree was made from. A later command that differs from it is refused."""

    schema_version: Literal[1] = 1
    harness: str
    contract: int
    created: str = Field(description="UTC, ISO 8601")
    dataset: Path
    dataset_name: str
    caution: str = Field(default="", description="what the dataset says that its numbers cannot say")
    derivatives: dict[str, Path] = {}
    runtime: str
    track: Track
    methods: dict[str, MethodUse]
    pairs: tuple[Pair, ...] = Field(description="all pairs of the track, in order, whether executed yet or not")
    left_out: dict[str, str] = Field(default={}, description="pair id -> why a scan of it cannot be used")
    exchanged: dict[str, dict[str, Pair]] = Field(
        default={}, description="condition -> pair id -> the pair of other scans that stands for that one under it"
    )
    contents: dict[str, str] = Field(default={}, description="scan and kind of file -> SHA-256 when it was first used")
    label_names: dict[str, dict[int, str]] = Field(default={}, description="label source -> label -> name")
    label_choices: dict[str, SourceLabels] = Field(
        default={}, description="label source -> the labels that are scored, if not all"
    )
    seed: int = 0
    repeats: int = 1
    requested: dict[str, tuple[str, ...]] = Field(default={}, description="method -> pairs asked for, if not all")

    def labels_of(self, source: str) -> SourceLabels:
        """The labels that are scored of a label source."""
        words = self.track.labels
        numbers = [tuple(n for n in given if isinstance(n, int)) for given in (words.include, words.exclude)]
        return self.label_choices.get(source) or SourceLabels(include=numbers[0], exclude=numbers[1])

    def under(self, pair: Pair, condition: str) -> Pair:
        """The pair under a condition: the same people and id, with other scans if the condition exchanges them."""
        return self.exchanged.get(condition, {}).get(pair.id, pair)
