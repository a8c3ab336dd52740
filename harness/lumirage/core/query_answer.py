"""The answer of `query --json`."""

from typing import Literal

from pydantic import Field

from lumirage.core.model import Record


class QueryGroup(Record):
    """Statistics of the values of one group, in the metric's unit; null where there is no value."""

    group: dict[str, str | int | None] = Field(description="what it was grouped by -> the group")
    n: int = Field(description="values")
    without_value: int = Field(description="rows of scores.tsv in the group that have no value")
    failed_runs: int | None = Field(default=None, description="null where runs do not belong to one group")
    mean: float | None
    sd: float | None = Field(description="null for fewer than two values")
    median: float | None
    min: float | None
    max: float | None


class QueryAnswer(Record):
    """What was asked, with all defaults filled in, and a group each, best mean first."""

    schema_version: Literal[1] = 1
    out: str
    metric: str
    title: str = Field(description="the field's name of the metric")
    unit: str
    better: Literal["higher", "lower", ""]
    structures: tuple[str, ...] = Field(description="empty: the mean over all structures, or the field")
    conditions: tuple[str, ...]
    sources: tuple[str, ...]
    presets: tuple[str, ...]
    by: tuple[str, ...]
    groups: tuple[QueryGroup, ...]
    plot: str | None = Field(default=None, description="path of the figure, where one was asked for")
