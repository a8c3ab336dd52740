"""The records of a study: several tracks on several datasets with the same methods, and claims written down before looking."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lumirage.core.condition_words import condition_words
from lumirage.core.layout import digest
from lumirage.core.model import Record
from lumirage.core.track import REFERENCE

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
ClaimKind = Literal["difference", "interaction", "no_worse_than", "equivalence", "does_not_run", "runs"]
OF_RUNS: tuple[ClaimKind, ...] = ("does_not_run", "runs")
"""Kinds of claims about failed runs, which need no second family, metric or label source."""


class PhantomRecipe(Record):
    """A dataset of made-up people, as `lumirage-harness dataset phantom` makes it."""

    subjects: int = Field(default=4, ge=2, le=999)
    spacing_mm: float = Field(default=2.0, ge=0.4, le=8)
    contrasts: tuple[str, ...] = ("T1w", "T2w")
    amplitude_mm: tuple[float, ...] = Field(default=(3.0,), description="several become sessions")
    smoothness_mm: tuple[float, ...] = Field(default=(20.0,), description="several become sessions")
    seed: int = 0


class PlantRecipe(Record):
    """Planted deformations of real scans, as `lumirage-harness dataset plant` makes them."""

    of: str = Field(description="name of the study's dataset whose scans are warped")
    amplitude_mm: float | None = Field(
        default=None, gt=0, description="RMS displacement; none: by the size of each head"
    )
    smoothness_mm: float | None = Field(
        default=None, gt=0, description="correlation length; none: by the size of each head"
    )
    seed: int = Field(default=0, ge=0)


class WantedDataset(Record):
    """A dataset that the study wants: the user gives its folder with --data NAME=DIR, or a recipe makes it."""

    summary: str = ""
    how_to_get: str = ""
    licence: str = ""
    phantom: PhantomRecipe | None = Field(default=None, description="makes it; no folder is needed")
    plant: PlantRecipe | None = Field(default=None, description="makes it from another dataset of the study")

    @model_validator(mode="after")
    def _one_recipe(self) -> Self:
        if self.phantom and self.plant:
            raise ValueError("phantom and plant are two recipes; give one of them")
        return self


class StudyTrack(Record):
    """A track on one of the study's datasets."""

    track: str = Field(description="name of a shipped track, or a YAML file, relative to the study's")
    dataset: str
    change: dict[str, Any] = Field(
        default={}, description="fields of the track that are other here: {pairing: {scheme: all}}"
    )
    methods: tuple[str, ...] = Field(default=(), description="only these of the study's methods; none: all")
    derivatives: dict[str, str] = Field(
        default={}, description="label source -> its folder within the dataset's, where it is not in derivatives/"
    )
    limit: int | None = Field(default=None, ge=1, description="only the first pairs")
    repeats: int = Field(default=1, ge=1)


class Family(Record):
    """Methods that are taken together."""

    title: str = Field(default="", description="as a sentence names it, such as 'deep networks'; none: its name")
    kind: Literal["iterative", "deep"] | None = Field(default=None, description="all methods of the study of this kind")
    methods: tuple[str, ...] = Field(default=(), description="these methods")

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if (self.kind is None) == (not self.methods):
            raise ValueError("give its kind (deep or iterative) or its methods")
        return self


class Place(Record):
    """Where a claim is measured: a track of the study, and one of its conditions. 'TRACK' and 'TRACK:CONDITION' do too."""

    track: str
    condition: str = REFERENCE

    @property
    def name(self) -> str:
        """For a reader: the track, with its condition in words if it has one."""
        return self.track if self.condition == REFERENCE else f"{self.track}, {condition_words(self.condition)}"

    @property
    def identifier(self) -> str:
        """The same for files."""
        return self.track if self.condition == REFERENCE else f"{self.track}, {self.condition}"

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:  # YAML gives anything
        if isinstance(value, str):
            track, colon, condition = value.partition(":")
            return {"track": track, "condition": condition if colon else REFERENCE}
        return value


class Claim(Record):
    """A sentence that the study holds against its numbers. Everything that decides it is written down before they exist.

    difference     the mean of `family` is worse or better than that of `against`, or either (different), by more than `margin`
    interaction    from `reference` to here, `family` loses more (worse) or less (better) than `against`, by more than `margin`
    no_worse_than  the mean of `family` is not worse than that of `against` by `margin` or more
    equivalence    the two means differ by less than `margin`
    does_not_run   more than the share `margin` of the family's runs fail
    runs           less than the share `margin` of the family's runs fail
    """

    id: str = Field(pattern=NAME)
    sentence: str = Field(min_length=1, description="what is claimed, in words")
    kind: ClaimKind
    family: str
    against: str = Field(default="", description="the other family; does_not_run and runs need none")
    where: tuple[Place, ...] = Field(min_length=1, description="it must hold at each of these places")
    reference: Place | None = Field(default=None, description="interaction: where the difference is compared with")
    metric: str = Field(default="dice_nearest_fg")
    preset: str = "strict"
    source: str = Field(default="", description="label source; none: the first that scored")
    margin: float = Field(
        default=0.0, ge=0, description="the difference that would matter, in the metric's unit; of failed runs: a share"
    )
    direction: Literal["worse", "better", "different"] = Field(
        default="worse", description="what is claimed of the family, of the two"
    )
    over_methods: bool = Field(
        default=False, description="whether it is claimed of methods like these, or only of these: wider intervals"
    )
    note: str = Field(default="", description="what the claim does not say")

    @field_validator("where", mode="before")
    @classmethod
    def _one_place(cls, value: Any) -> Any:  # YAML gives anything
        return (value,) if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind not in OF_RUNS and not self.against:
            raise ValueError(f"a claim of kind {self.kind} needs 'against', the other family")
        if self.against == self.family:
            raise ValueError("'family' and 'against' are one")
        if (self.kind == "interaction") != (self.reference is not None):
            raise ValueError("'reference' belongs to a claim of kind interaction, and to no other")
        if self.kind not in ("difference", "interaction") and not self.margin:
            raise ValueError(f"a claim of kind {self.kind} needs a 'margin' above 0")
        if self.kind in OF_RUNS and self.margin > 1:
            raise ValueError(f"{self.kind}: the margin is the share of runs that fail, from 0 to 1")
        return self

    @property
    def places(self) -> tuple[Place, ...]:
        """Everything that must have been measured."""
        return (*self.where, *((self.reference,) if self.reference else ()))


class Study(Record):
    """One study, as its YAML file says it."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME)
    title: str = ""
    summary: str = ""
    citation: str = Field(default="", description="the work whose question this is")
    datasets: dict[str, WantedDataset]
    tracks: dict[str, StudyTrack]
    methods: tuple[str, ...] = Field(min_length=1, description="as for --method")
    families: dict[str, Family] = Field(
        default={
            "deep": Family(title="deep networks", kind="deep"),
            "iterative": Family(title="iterative methods", kind="iterative"),
        }
    )
    claims: tuple[Claim, ...] = ()
    does_not_test: tuple[str, ...] = Field(default=(), description="what a reader might expect here, and will not find")

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for where, name, known in self._names():
            if name not in known:
                raise ValueError(f"{where}: there is no '{name}' among {', '.join(known)}")
        ids = [claim.id for claim in self.claims]
        if len(set(ids)) < len(ids):
            raise ValueError(f"claims: two have one id among {', '.join(ids)}")
        return self

    def _names(self) -> Iterator[tuple[str, str, Iterable[str]]]:
        """Every name that this file uses: where it stands, the name, and those that it may be."""
        for key, track in self.tracks.items():
            yield f"tracks.{key}.dataset", track.dataset, self.datasets
            yield from ((f"tracks.{key}.methods", method, self.methods) for method in track.methods)
        for key, dataset in self.datasets.items():
            if dataset.plant:
                yield f"datasets.{key}.plant.of", dataset.plant.of, self.datasets
        for key, family in self.families.items():
            yield from ((f"families.{key}.methods", method, self.methods) for method in family.methods)
        for claim in self.claims:
            yield from ((f"claims.{claim.id}", place.track, self.tracks) for place in claim.places)
            yield from ((f"claims.{claim.id}", name, self.families) for name in (claim.family, claim.against) if name)

    @field_validator("tracks", "datasets")
    @classmethod
    def _folder_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        if strange := [name for name in value if not name.replace("-", "").replace("_", "").isalnum()]:
            raise ValueError(
                f"names become folders: letters, digits, - and _ only, not {', '.join(map(repr, strange))}"
            )
        return value

    def claims_hash(self) -> str:
        """Hash of everything that decides a claim: claims, families, methods, and the tracks that are measured.

        Of a track's file it has the name, so that a study may be moved.
        """
        tracks = {k: t.model_copy(update={"track": Path(t.track).name}) for k, t in self.tracks.items()}
        decisive = self.model_copy(update={"tracks": tracks})
        return digest(
            decisive.model_dump_json(include={"claims", "families", "methods", "tracks"}, exclude_defaults=True)
        )


class Declared(Record):
    """What was written down at one time: the study, and how much had been measured by then."""

    when: str = Field(description="UTC, ISO 8601")
    claims_hash: str
    runs_before: int = Field(description="runs that were on disk by then; 0: nobody could have looked")
    study: Study


class StudyRecord(Record):
    """What a study's output tree is made of: its declarations, the first of which nobody changes, and the data's folders."""

    schema_version: Literal[1] = 1
    harness: str
    declared: tuple[Declared, ...] = Field(min_length=1)
    data: dict[str, Path] = Field(default={}, description="dataset -> its folder")
    derivatives: dict[str, dict[str, Path]] = Field(default={}, description="dataset -> label source -> folder")
    methods: tuple[str, ...] = Field(default=(), description="only these were asked for; none: all of the study")
    named: dict[str, str] = Field(default={}, description="method as the study names it -> name of its card")
    left_out: dict[str, str] = Field(default={}, description="dataset, track or method -> why it takes no part")
    refused: tuple[str, ...] = Field(
        default=(),
        description="tracks that could not be carried out with their data: older scores of theirs do not count",
    )

    @property
    def study(self) -> Study:
        """As it is now."""
        return self.declared[-1].study
