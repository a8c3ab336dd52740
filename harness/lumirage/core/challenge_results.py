"""What a challenge publishes of a phase: the declared list, what it depends on, and what was handed in. No pair, no label."""

from typing import Literal

from pydantic import Field

from lumirage.core.model import Record

Kind = Literal["team", "baseline", "sentinel"]
FEW_PEOPLE = 10
"""With fewer, draws of them say little."""


class ListedTeam(Record):
    """One entry of a list."""

    team: str = Field(description="of a baseline the method")
    kind: Kind
    rank: float | None = Field(description="among teams, 1 is best; null: not ranked")
    place: str = Field(description="the rank with ties, such as 2=: who cannot be distinguished shares one")
    score: float | None = Field(description="what the scheme ranks by, higher is better")
    value: float | None = Field(description="mean of the main metric, failed runs counted by the policy")
    n_pairs: int
    failed: int = Field(description="pairs without a valid answer")
    rank_low: float | None = Field(description="lowest rank in 95 % of the draws of subjects")
    rank_high: float | None
    first_share: float | None = Field(description="share of draws in which it is first, or shares the first place")
    late: bool = Field(default=False, description="handed in after the end of the phase")
    note: str = ""


class FactorScore(Record):
    """One factor of a challenge's score for one entry."""

    team: str
    factor: str
    mean: float | None
    rank_score: float = Field(description="from .1 to 1")


class RankedList(Record):
    """A list under one scheme."""

    scheme: str
    entries: tuple[ListedTeam, ...]
    stability: float | None = Field(description="mean Spearman correlation of a draw's list with the list")
    notes: tuple[str, ...] = ()
    factors: tuple[FactorScore, ...] = ()
    rank_shares: dict[str, tuple[float, ...]] = Field(
        default={}, description="team -> share of the draws of subjects in which it has rank 1, 2, ..."
    )

    @property
    def ranked(self) -> list[ListedTeam]:
        """The teams with a rank, in its order."""
        return [entry for entry in self.entries if entry.rank is not None]


class ListBeside(Record):
    """Another list beside the declared one."""

    varies: Literal["scheme", "metric", "label source", "failures"]
    name: str
    kendall_tau: float | None = Field(description="agreement with the declared list; null below three teams")
    places: dict[str, str] = Field(description="team -> place")
    ranks: dict[str, float] = Field(description="team -> rank")


class FailureCost(Record):
    """What a team's failures cost it in the main metric."""

    team: str
    failed: int
    of: int
    mean: float | None
    mean_of_answered: float | None
    rank: float | None = Field(description="by the mean")
    rank_without_failures: float | None = Field(description="by the mean of what it answered")


class MetricMean(Record):
    """A mean over pairs."""

    team: str
    metric: str
    source: str = Field(description="label source")
    mean: float | None
    n_pairs: int


class Told(Record):
    """Which entries are told apart in the main metric: subjects resampled, Holm over all couples."""

    names: tuple[str, ...]
    better: tuple[tuple[bool, ...], ...] = Field(description="row better than column")
    difference: tuple[tuple[float | None, ...], ...]


class JitterChange(Record):
    """What an image's answers change by when it is run on grids turned and shifted by a little."""

    team: str
    mean_plain: float | None
    mean_jittered: float | None
    kept: float | None = Field(description="share of the gain over doing nothing that is left")
    fell_share: float | None = Field(description="share of the pairs on which it fell")
    suspect: bool = Field(description="as one whose answers are remembered would")


class HandedIn(Record):
    """A submission that was not refused, as the public may know it."""

    team: str
    id: str = Field(description="first 16 hex digits of the hash of its content")
    kind: Literal["folder", "image"]
    received: str
    harness: str
    rules: str
    late: bool
    verdict: str
    ranked: bool


class ChallengeResults(Record):
    """results.json of a published phase."""

    schema_version: Literal[1] = 1
    harness: str
    name: str
    title: str
    summary: str
    contact: str
    phase: str
    phase_text: str
    rules: str = Field(description="hash of the declared rules")
    rules_now: str = Field(description="hash of the rules with which this was ranked")
    declared_when: str
    rule_words: tuple[str, ...] = Field(description="the declared rules as sentences")
    changes: tuple[str, ...] = Field(description="rules that were changed after the first submission")
    metric: str
    source: str
    n_pairs: int
    n_subjects: int
    draws: int
    declared: RankedList
    others: tuple[RankedList, ...]
    beside: tuple[ListBeside, ...]
    failures: tuple[FailureCost, ...]
    means: tuple[MetricMean, ...]
    told: Told
    jitter: tuple[JitterChange, ...] = Field(default=(), description="of images, in the main metric")
    submissions: tuple[HandedIn, ...]

    @property
    def of_few_people(self) -> str:
        """What the draws are worth where there are few people; empty with more, or without draws."""
        if not self.draws or self.n_subjects >= FEW_PEOPLE:
            return ""
        return (
            f"Only {self.n_subjects} people: a draw often has one of them several times, tells few teams apart, and lets many "
            "share the first place"
        )


class PublishedFile(Record):
    """One published file."""

    path: str
    bytes: int
    sha256: str


class Published(Record):
    """published.json: what was published, and of which rules."""

    schema_version: Literal[1] = 1
    harness: str
    name: str
    phase: str
    rules: str
    files: tuple[PublishedFile, ...]
