"""The numbers of a study: what `study report` computes from the tracks' output trees, and its page shows.

Nothing here depends on the clock, the place or the order of execution: the same scores give the same file.
"""

from typing import Literal

from pydantic import Field

from lumirage.core.model import Record
from lumirage.core.study import Claim, Place

Decision = Literal["supported", "refuted", "undecided", "not measured"]


class Interval(Record):
    """An estimate in the metric's unit. None: undefined, and `reason` says why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = Field(default=None, description="two-sided, against 0")
    reason: str = ""


class LeftOutMethod(Record):
    """The difference of two families without one method."""

    method: str
    family: str
    difference: Interval


class FamilyDifference(Record):
    """The mean of the first family less that of the second, on the same pairs of one track, condition and measure."""

    place: Place
    metric: str
    preset: str
    settings: str
    source: str
    unit: str
    direction: int = Field(description="1: more is better, -1: less is better, 0: nobody knows")
    first: str
    second: str
    methods: dict[str, tuple[str, ...]] = Field(description="family -> its methods that count")
    mean_first: float | None
    mean_second: float | None
    difference: Interval = Field(description="subjects resampled: these methods")
    over_methods: Interval = Field(description="methods resampled too: methods like these")
    without: tuple[LeftOutMethod, ...] = Field(default=(), description="each method left out in turn")
    d_z: Interval = Interval()
    d_av: Interval = Interval()
    literature: Interval = Field(default=Interval(), description="as papers print it: pairs taken as independent")
    literature_d: float | None = Field(
        default=None, description="Cohen's d with the pooled standard deviation, of pairs"
    )
    n_people: int = 0
    n_pairs: int = 0
    dropped: int = 0
    failed: dict[str, int] = Field(default={}, description="method -> pairs with a failed run")
    filled: dict[str, int] = Field(default={}, description="method -> pairs with a value of the failure policy's")
    policy: str = ""
    design: str = ""
    notes: tuple[str, ...] = ()


class ClaimAtPlace(Record):
    """One claim at one place: the evidence, in the metric's good direction, and what it says alone."""

    place: Place
    alone: Decision = Field(description="by this place alone, before the correction for the other claims and places")
    difference: Interval = Field(
        description="how much better the first family is, or holds up; of runs: the share that failed"
    )
    over_methods: Interval = Field(default=Interval(), description="methods resampled too: methods like these")
    p_support: float | None = Field(default=None, description="one-sided, against what the claim denies")
    p_refute: float | None = Field(default=None, description="one-sided, against the claim")
    n_people: int = 0
    n_pairs: int = 0
    n_methods: int = 0
    source: str = ""
    pairing: str = Field(default="", description="interaction: how the people of the two tracks belong together")
    without: tuple[LeftOutMethod, ...] = ()
    means: dict[str, float | None] = Field(default={}, description="family -> its mean here, and at the reference")
    reason: str = Field(default="", description="why it is not measured")
    notes: tuple[str, ...] = ()


class ClaimResult(Record):
    """One claim with its verdict: it must hold at every place, and falls at any."""

    claim: Claim
    unit: str = ""
    decision: Decision
    p_holm: float | None = Field(default=None, description="two-sided, corrected over all claims of the study")
    people_needed: int | None = None
    reason: str = Field(default="", description="why it is not decided, and what would decide it")
    places: tuple[ClaimAtPlace, ...]


class MethodOnTrack(Record):
    """One method on one track under one condition: accuracy, rank with ties, regularity and failures."""

    place: Place
    spacing_mm: float | None = Field(default=None, description="of the working grid, where the track varies it")
    method: str
    family: str = ""
    metric: str = ""
    source: str = ""
    unit: str = ""
    mean: float | None = Field(default=None, description="failures filled by the track's policy")
    filled: int = Field(default=0, description="pairs with a value of the policy's")
    n_pairs: int = 0
    rank: str = Field(default="", description="with ties, such as 2=")
    rank_low: float | None = None
    rank_high: float | None = None
    folds_percent: float | None = Field(default=None, description="mean of folded voxels, failures filled")
    runs: int = 0
    failed: int = 0
    outcomes: dict[str, int] = Field(default={}, description="outcome -> runs that ended so, other than ok")


class CostOnTrack(Record):
    """What one method cost on one track: medians over the runs that ended well, a pair each."""

    track: str
    method: str
    n: int
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_memory_bytes: float | None = None
    device: str = ""


class TrackFacts(Record):
    """One track that was measured."""

    name: str
    dataset: str
    track: str
    summary: str
    dataset_name: str
    conditions: int
    pairs: int
    planned_pairs: int
    people: int
    policy: str
    memory_bytes: int
    runtime: str
    caution: str = Field(default="", description="what numbers of this dataset do not say")


class StudyResults(Record):
    """All of it: study.json."""

    schema_version: Literal[1] = 1
    name: str
    title: str
    claims_hash: str
    earlier_hashes: tuple[str, ...] = Field(default=(), description="of what was declared before, the first one first")
    left_out: dict[str, str] = {}
    tracks: tuple[TrackFacts, ...] = ()
    families: dict[str, tuple[str, ...]] = Field(default={}, description="family -> its methods that were run")
    family_titles: dict[str, str] = Field(default={}, description="family -> as a sentence names it")
    claims: tuple[ClaimResult, ...] = ()
    differences: tuple[FamilyDifference, ...] = ()
    matrix: tuple[MethodOnTrack, ...] = ()

    def fails_everywhere(self) -> dict[tuple[str, str], dict[str, int]]:
        """(track, method) -> outcome -> runs, where no run of the method on the track ended well."""
        found: dict[tuple[str, str], list[MethodOnTrack]] = {}
        for row in self.matrix:
            found.setdefault((row.place.track, row.method), []).append(row)
        return {
            key: {
                outcome: sum(row.outcomes.get(outcome, 0) for row in rows) for row in rows for outcome in row.outcomes
            }
            for key, rows in found.items()
            if sum(row.runs for row in rows) == sum(row.failed for row in rows) > 0
        }
