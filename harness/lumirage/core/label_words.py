"""Which labels a track selects, by name, and which numbers these are in one label source."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from lumirage.core.model import Record

LabelWord = int | str
"""A label's number, its name (with * and ?; case and signs do not matter), or a group such as cortex."""


class Labels(Record):
    """Which label maps are scored."""

    sources: tuple[str, ...] = Field(default=(), description="label sources; empty: all that are there")
    include: tuple[LabelWord, ...] = Field(
        default=(), description="numbers, names or groups to score; empty: all but the background"
    )
    exclude: tuple[LabelWord, ...] = ()
    groups: dict[str, tuple[LabelWord, ...]] = Field(
        default={}, description="also scored as one label: a list of known groups, or names and the members of each"
    )
    mapping: Path | None = Field(
        default=None,
        description="TSV with columns source, index, name that joins protocols; bids::PATH, or by the track",
    )

    @field_validator("groups", mode="before")
    @classmethod
    def _known_groups(cls, value: Any) -> Any:  # YAML gives anything
        return dict.fromkeys(value, ()) if isinstance(value, list | tuple) else value


class SourceLabels(Record):
    """The numbers that a track selects in one label source."""

    include: tuple[int, ...] = Field(default=(), description="empty: all but the background")
    exclude: tuple[int, ...] = ()
    groups: dict[str, tuple[int, ...]] = {}
    mapped: dict[int, int] = Field(default={}, description="number in the file -> number scored; empty: as they are")
