"""What `evaluate`, `run`, `score` and `compare` answer under --json; people are shown the same as a table.

Every number is a number, with its unit in the field's name or beside it; null where there is none. The schemas
`specs/schemas/answer-*.schema.json` are made from these records.
"""

from typing import Literal

from pydantic import Field, FiniteFloat

from lumirage.core.failure_policy import Policy
from lumirage.core.model import Record
from lumirage.core.time_spent import TimeSpent


class Estimate(Record):
    """The mean of one metric over the pairs, failed runs filled by the policy."""

    mean: FiniteFloat
    ci_low: FiniteFloat | None = Field(description="of the mean, by resampling subjects; null for too few subjects")
    ci_high: FiniteFloat | None
    n_pairs: int = Field(description="pairs that the mean is over")
    filled: int = Field(description="pairs on which the policy put in a value for a failed run")


class Rank(Record):
    """The rank of a method by the first metric, as rankings.tsv has it."""

    place: str = Field(description='with ties, as "2="; empty beyond the gate of regularity')
    low: FiniteFloat | None = Field(description="lowest and highest rank that the tests leave it")
    high: FiniteFloat | None
    beyond_gate: bool


class MethodAnswer(Record):
    """One method, or a sentinel. Costs are medians over the runs that ended well, under the condition of the means."""

    version: str
    kind: str = Field(description="deep, iterative, reference ... as on the card; sentinel")
    reference: bool = Field(description="a scale, never ranked: the sentinels, the oracle, zero displacement")
    image: str = Field(description="identity of the image; empty for sentinels")
    runs: int = Field(description="of all conditions; 0 for sentinels, which need none")
    failed: int
    rank: Rank | None = Field(description="null for references, and before the methods were compared")
    means: dict[str, Estimate] = Field(description="metric -> its mean")
    device: str = Field(description="cpu, gpu, or both; empty: not known")
    wall_s: FiniteFloat | None
    cpu_s: FiniteFloat | None
    peak_memory_bytes: FiniteFloat | None


class MetricAnswer(Record):
    """What a metric's numbers are."""

    title: str = Field(description="the field's name")
    unit: str
    better: Literal["higher", "lower", ""]
    preset: str
    source: str = Field(description="label source; empty for metrics of the field")


class Effect(Record):
    """One paired difference, method minus reference, as comparisons.tsv has it, in the metric's unit."""

    method: str
    reference: str
    metric: str
    difference: FiniteFloat | None
    ci_low: FiniteFloat | None
    ci_high: FiniteFloat | None
    confidence: float
    p: FiniteFloat | None
    p_holm: FiniteFloat | None
    d_z: FiniteFloat | None
    better: Literal["method", "reference", ""] = Field(
        description="empty: the interval contains zero, or there is none"
    )
    n_pairs: int
    n_subjects: int
    dropped: int
    filled_method: int
    filled_reference: int


class EvaluationAnswer(Record):
    """The state of OUT: who is first, the means of the common metrics, costs, failures."""

    schema_version: Literal[1] = 1
    harness: str = Field(description="version that answers")
    out: str
    track: str
    dataset: str = Field(description="name of the dataset")
    runtime: str
    n_pairs: int = Field(description="pairs with scores under the condition of the means")
    n_subjects: int
    condition: str = Field(description="condition that means and costs are of")
    conditions: int
    repeats: int
    policy: Policy
    metrics: dict[str, MetricAnswer] = Field(description="metric -> what it is; the first one ranks")
    methods: dict[str, MethodAnswer] = Field(description="by rank, references last")
    failed: int = Field(description="runs that did not end well, of all methods and conditions")
    headline: str
    left_out: dict[str, str] = Field(description="pair -> why it was left out before anything ran")
    pair_warnings: dict[str, str] = Field(description="pair -> doubts about it, whatever the method")
    notes: tuple[str, ...]
    report: str | None = Field(description="path of the report's first page; null before it was made")
    time_spent: TimeSpent | None = Field(
        default=None, description="where time went, of the commands on this machine; null: not known"
    )


class CompareAnswer(EvaluationAnswer):
    """The same with the effects: every comparison of the metrics in `metrics`, under their condition and policy."""

    effects: tuple[Effect, ...]
