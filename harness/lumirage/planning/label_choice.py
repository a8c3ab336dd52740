"""Which labels of which sources are scored, under which names, alone and in groups; told before anything runs."""

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
    """What is scored, by source, and what a user should know of it."""

    names: dict[str, dict[int, str]]
    choices: dict[str, SourceLabels]
    notes: tuple[str, ...] = ()


def label_counts(scans: Iterable[Scan]) -> dict[str, int]:
    """Label source -> number of scans that have it, by name."""
    return dict(sorted(Counter(source for scan in scans for source in (*scan.labels, *scan.structures)).items()))


def with_sources(scans: Sequence[Scan], wanted: Iterable[str]) -> list[Scan]:
    """The scans with these label sources only."""
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
    """A track's file; one within the dataset, `bids::PATH`, found there."""
    return root / str(file).removeprefix(IN_DATASET) if file and str(file).startswith(IN_DATASET) else file


def choose_labels(scans: Sequence[Scan], labels: Labels, derivatives: Mapping[str, Path], root: Path) -> LabelChoice:
    """What the track's words mean in these scans. A source that it leaves nothing of has no choice.

    One label map of each source is read, for its numbers; more of them only where a number is not in it. Raises DataError for
    a source, UsageError for a label or group that is nowhere.
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
        notes.append(f"{', '.join(left)}: no label that the track asks for, not scored")
    names = {s.name: dict(s.names) for s in sources if s.name in chosen and s.names}
    return LabelChoice(names, chosen, tuple(notes))


def source_names(source: str, scans: Sequence[Scan], derivatives: Mapping[str, Path]) -> NamedLabels:
    """The names of a source's labels; none where its first map cannot be read. Raises DataError for a table that is none."""
    return _Source(source, scans, derivatives).named


@dataclass(frozen=True)
class _Source:
    """One label source, with what its maps hold."""

    name: str
    scans: Sequence[Scan]
    derivatives: Mapping[str, Path]

    @cached_property
    def structures(self) -> dict[int, str]:
        """Number -> structure, where each has a file of its own; numbered by name, the same in all scans."""
        found = sorted({name for scan in self.scans for name in scan.structures.get(self.name, {})})
        return dict(enumerate(found, start=1))

    @cached_property
    def named(self) -> NamedLabels:
        """Its names and where they are from."""
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
        """All that are known of, without the background."""
        return sorted((self.present | set(self.names)) - {0})

    @property
    def mapped(self) -> dict[int, int]:
        """Number in the file -> number that is scored, where they differ."""
        return {}


@dataclass(frozen=True)
class _Mapped(_Source):
    """A source whose labels a mapping joins with those of others."""

    common: Mapping[int, str]
    given: Mapping[int, int]

    @property
    def names(self) -> Mapping[int, str]:
        """Those of the mapping."""
        return self.common

    @property
    def mapped(self) -> dict[int, int]:
        """As the mapping says."""
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
    """Source -> its choice; none for a source of which nothing is left."""
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
    """Those that the track asks for, and those by which it includes labels."""
    named_groups: dict[str, tuple[int | str, ...]] = {word: () for word in GROUPS if word in labels.include}
    return {**named_groups, **labels.groups}


def _members(group: str, words: Sequence[int | str], sources: Sequence[_Source]) -> dict[str, tuple[int, ...]]:
    found = _select(f"labels.groups.{group}", words or (group,), sources)
    return {name: tuple(sorted(numbers)) for name, numbers in found.items()}


def _select(where: str, words: Sequence[int | str], sources: Sequence[_Source]) -> dict[str, set[int]]:
    """Source -> the labels that the words name there. Raises UsageError for a word that names nothing anywhere."""
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
    """The labels of a source that a number, a name with wildcards or a group means."""

    def fits(source: _Source) -> Iterator[int]:
        if isinstance(word, int) or word.isdigit():
            if source.has(int(word)):
                yield int(word)
        elif word in GROUPS:
            yield from (number for number, name in source.names.items() if group_of(name) == word)
        else:
            yield from (n for n, name in source.names.items() if fnmatchcase(plain(name), plain(word)))

    return fits
