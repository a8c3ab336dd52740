"""Chooses which labels of which sources are scored, with their names and groups, before anything runs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.label_words import Labels, SourceLabels
from lumirage.core.model import Scan
from lumirage.core.native_images import read_label_map
from lumirage.core.track import IN_DATASET
from lumirage.planning.label_tables import GROUPS, NamedLabels, group_of, named, plain, read_mapping


@dataclass(frozen=True)
class LabelChoice:
    """The labels to score, by source, and notes for the user."""

    names: dict[str, dict[int, str]]
    choices: dict[str, SourceLabels]
    notes: tuple[str, ...] = ()


def label_counts(scans: Iterable[Scan]) -> dict[str, int]:
    """Label source -> number of scans that have it, by name."""
    return dict(sorted(Counter(source for scan in scans for source in (*scan.labels, *scan.structures)).items()))


def with_sources(scans: Sequence[Scan], wanted: Iterable[str]) -> list[Scan]:
    """The scans with only these label sources."""
    kept = set(wanted)
    return [
        scan.model_copy(
            update={
                "labels": {k: v for k, v in scan.labels.items() if k in kept},
                "structures": {k: v for k, v in scan.structures.items() if k in kept},
            }
        )
        for scan in scans
    ]


def found_in(file: Path | None, root: Path) -> Path | None:
    """The path of a track's file; `bids::PATH` means a file inside the dataset."""
    return root / str(file).removeprefix(IN_DATASET) if file and str(file).startswith(IN_DATASET) else file


def choose_labels(scans: Sequence[Scan], labels: Labels, derivatives: Mapping[str, Path], root: Path) -> LabelChoice:
    """The labels that the track selects in these scans. A source with no selected label has no entry.

    One label map of each source is read for its numbers; more only if a number is not in it. Raises DataError for an
    unknown source, UsageError for a label or group that no source has.
    """
    counts = label_counts(scans)
    for source in labels.sources:
        if source not in counts:
            raise DataError(f"labels.sources: no scan has labels '{source}'{nearest(source, counts)}")
    wanted = labels.sources or tuple(counts)
    sources = [_Source(name, scans, derivatives) for name in wanted]
    notes = [f"{s.name}: names of labels from {s.named.origin}" for s in sources if "numbers" in s.named.origin]
    mapping = found_in(labels.mapping, root)
    if mapping:
        common, numbers = read_mapping(mapping, wanted)
        sources = [_Mapped(s.name, scans, derivatives, common, numbers[s.name]) for s in sources if s.name in numbers]
    chosen = _chosen(labels, sources)
    if left := [name for name in wanted if name not in chosen]:
        notes.append(f"{', '.join(left)}: has none of the labels that the track asks for; not scored")
    names = {s.name: dict(s.names) for s in sources if s.name in chosen and s.names}
    return LabelChoice(names, chosen, tuple(notes))


def source_names(source: str, scans: Sequence[Scan], derivatives: Mapping[str, Path]) -> NamedLabels:
    """The names of a source's labels; none if its first map cannot be read. Raises DataError for an invalid table."""
    return _Source(source, scans, derivatives).named


@dataclass(frozen=True)
class _Source:
    """One label source and the labels in its maps."""

    name: str
    scans: Sequence[Scan]
    derivatives: Mapping[str, Path]

    @cached_property
    def structures(self) -> dict[int, str]:
        """Number -> structure if each structure has its own file; numbered in the order of names, the same in all scans."""
        found = sorted({name for scan in self.scans for name in scan.structures.get(self.name, {})})
        return dict(enumerate(found, start=1))

    @cached_property
    def named(self) -> NamedLabels:
        """The names of its labels and where they come from."""
        if self.structures:
            return NamedLabels(self.structures, "its files")
        folder = max((n for n in self.derivatives if f"{self.name}-".startswith(f"{n}-")), key=len, default=None)
        return named(self.name, self.derivatives[folder] if folder else None, self._maps[0], lambda: self.present)

    @property
    def names(self) -> Mapping[int, str]:
        """Label -> name."""
        return self.named.names

    @cached_property
    def _maps(self) -> list[Path]:
        return [scan.labels[self.name] for scan in self.scans if self.name in scan.labels]

    @cached_property
    def present(self) -> frozenset[int]:
        """The labels of the first map."""
        return frozenset(self.structures) if self.structures else values_of(self._maps[0])

    def has(self, number: int) -> bool:
        """Whether any map has a label."""
        return number in self.names or number in self.present or any(number in values_of(p) for p in self._maps[1:])

    @property
    def numbers(self) -> Iterable[int]:
        """All known labels, without the background."""
        return sorted((self.present | set(self.names)) - {0})

    @property
    def mapped(self) -> dict[int, int]:
        """Number in the file -> number that is scored, where they differ."""
        return {}


@dataclass(frozen=True)
class _Mapped(_Source):
    """A source whose labels are mapped to numbers shared with other sources."""

    common: Mapping[int, str]
    given: Mapping[int, int]

    @property
    def names(self) -> Mapping[int, str]:
        """The names that the mapping gives."""
        return self.common

    @property
    def mapped(self) -> dict[int, int]:
        """Number in the file -> common number, from the mapping."""
        return dict(self.given)

    def has(self, number: int) -> bool:
        """Whether the mapping has a label."""
        return number in self.common


def values_of(path: Path) -> frozenset[int]:
    """The labels in a map."""
    data = read_label_map(path).data
    low, high = int(data.min()), int(data.max())
    if high - low > data.size:
        return frozenset(int(value) for value in np.unique(data))
    return frozenset(int(value) + low for value in np.flatnonzero(np.bincount((data - low).ravel())))


def _chosen(labels: Labels, sources: Sequence[_Source]) -> dict[str, SourceLabels]:
    """Source -> its choice; a source with no label left has no entry."""
    include = _select("labels.include", labels.include, sources)
    exclude = _select("labels.exclude", labels.exclude, sources)
    groups = {group: _members(group, words, sources) for group, words in _wanted_groups(labels).items()}
    chosen = {}
    for source in sources:
        mine = include[source.name] - exclude[source.name]
        if labels.include and not mine:
            continue
        chosen[source.name] = SourceLabels(
            include=tuple(sorted(mine)),
            exclude=tuple(sorted(exclude[source.name])),
            groups={group: members[source.name] for group, members in groups.items() if members[source.name]},
            mapped=source.mapped,
        )
    return chosen


def _wanted_groups(labels: Labels) -> dict[str, tuple[int | str, ...]]:
    """The groups that the track defines, and those that it includes by name."""
    named_groups: dict[str, tuple[int | str, ...]] = {word: () for word in GROUPS if word in labels.include}
    return {**named_groups, **labels.groups}


def _members(group: str, words: Sequence[int | str], sources: Sequence[_Source]) -> dict[str, tuple[int, ...]]:
    found = _select(f"labels.groups.{group}", words or (group,), sources)
    return {name: tuple(sorted(numbers)) for name, numbers in found.items()}


def _select(where: str, words: Sequence[int | str], sources: Sequence[_Source]) -> dict[str, set[int]]:
    """Source -> the labels that the words select there. Raises UsageError for a word that no source knows."""
    found: dict[str, set[int]] = {source.name: set() for source in sources}
    for word in words:
        fits = _fits(word)
        for source in sources:
            found[source.name] |= set(fits(source))
        if not any(set(fits(source)) for source in sources):
            names = {name for source in sources for name in source.names.values()}
            raise UsageError(f"{where}: no label source has '{word}'{nearest(str(word), names | set(GROUPS))}")
    return found


def _fits(word: int | str) -> Callable[[_Source], Iterator[int]]:
    """The labels of a source that match a number, a name with wildcards or a group."""

    def fits(source: _Source) -> Iterator[int]:
        if isinstance(word, int) or word.isdigit():
            if source.has(int(word)):
                yield int(word)
        elif word in GROUPS:
            yield from (number for number, name in source.names.items() if group_of(name) == word)
        else:
            yield from (n for n, name in source.names.items() if fnmatchcase(plain(name), plain(word)))

    return fits
