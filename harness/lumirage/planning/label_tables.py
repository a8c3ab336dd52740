"""Finds the names of labels: from the derivative's own dseg.tsv, else from the field's common tables (specs/labels)."""

import csv
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.layout import shipped

GROUPS = ("cortex", "subcortical", "ventricles", "white-matter", "cerebellum", "brainstem")
_BY_SOURCE = (
    ("synthseg", r"synthseg"),
    ("freesurfer", r"freesurfer|fastsurfer|\baseg|\baparc|wmparc|dkt|destrieux"),
    ("neuromorphometrics", r"neuromorphometrics|\bslant"),
    ("aal", r"\baal\b"),
    ("tissues-fast", r"\bfast\b|\bcat12\b"),
    ("tissues", r"^fmriprep$|^smriprep$"),
)
"""Words in a source's name -> the table to use; the first match counts."""
_KNOWN_SHARE = 0.9
"""Share of a map's labels that a table must have; with fewer, the map follows another protocol of that name."""
_CHARACTERISTIC = {
    "freesurfer": frozenset({2, 41, 10, 49, 11, 50, 12, 51, 17, 53, 16}),
    "neuromorphometrics": frozenset({44, 45, 23, 30, 36, 37, 100, 101, 142, 143, 207}),
}
"""Numbers in nearly every whole-brain map of a protocol, for maps whose name does not tell the protocol."""
_WORDS_OF_GROUPS = (
    ("cerebellum", r"cerebell|vermis|vermal"),
    ("ventricles", r"ventricle|inf[-_ ]?lat[-_ ]?vent"),
    ("white-matter", r"white[-_ ]?matter|^wm[-_ ]|[-_ ]wm$|^wm$|corpus[-_ ]?callosum"),
    ("subcortical", r"hippocamp|amygdala|caudate|putamen|pallid|thalam|accumb|ventral ?dc|basal[-_ ]?forebrain"),
    ("brainstem", r"brain[-_ ]?stem|pons|medulla|midbrain"),
    ("cortex", r"^ctx|cortex|cortical|gyrus|insula"),
)  # fmt: skip
"""For names that are in no table; the first match counts."""


@dataclass(frozen=True)
class NamedLabels:
    """Label -> name of one source, and where the names come from; empty if nothing is known."""

    names: Mapping[int, str]
    origin: str


def named(source: str, folder: Path | None, file: Path, present: Callable[[], Iterable[int]]) -> NamedLabels:
    """The names of a source: from its derivative's own table, else by a word in its name, else by the numbers in its map.

    `file` is one of its label maps; `present` gives the labels in it and is called only if needed. Raises DataError if its own
    table cannot be used.
    """
    own = _own_table(folder, file) if folder else None
    if own is not None:
        return NamedLabels(read_names(own), own.name)
    there = set(present()) - {0}
    words = source.lower().replace("_", "-")
    table = next((table for table, known in _BY_SOURCE if re.search(known, words)), None)
    if table and len(there & set(shipped_names(table))) >= _KNOWN_SHARE * len(there):
        return NamedLabels(shipped_names(table), f"{table}.tsv of the harness")
    for name, numbers in _CHARACTERISTIC.items():
        if len(numbers & there) >= 0.8 * len(numbers):
            return NamedLabels(shipped_names(name), f"{name}.tsv of the harness, by the map's numbers")
    return NamedLabels({}, "")


def _own_table(folder: Path, file: Path) -> Path | None:
    """The *dseg.tsv that shares most entities with the file's name and has no others (the BIDS inheritance principle)."""
    parts = set(file.name.split(".")[0].split("_"))
    tables = [t for place in dict.fromkeys((folder, file.parent)) for t in sorted(place.glob("*dseg.tsv"))]
    fitting = [t for t in tables if set(t.name.removesuffix(".tsv").split("_")) - {"dseg"} <= parts]
    return max(fitting, key=lambda t: len(t.name.split("_")), default=None)


def read_names(table: Path) -> dict[int, str]:
    """Label -> name of a BIDS label table. Raises DataError."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            return {int(row["index"]): row["name"].strip() for row in csv.DictReader(handle, delimiter="\t")}
    except OSError as error:
        raise DataError(f"{table}: cannot be read ({error.strerror})") from error
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{table}: needs the columns 'index' (whole number) and 'name' ({error})") from error


def read_mapping(table: Path, sources: Sequence[str]) -> tuple[dict[int, str], dict[str, dict[int, int]]]:
    """A mapping between protocols: common number -> name, and for each source the common number of each label.

    A TSV with the columns source (wildcards allowed), index (in that source) and name (the common one); several labels may
    share a name. Common numbers are assigned in order of appearance. Raises UsageError with file and line.
    """
    numbers: dict[str, int] = {}
    found: dict[str, dict[int, int]] = {}
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{table}: not readable ({error})") from error
    for line, row in enumerate(csv.DictReader(lines, delimiter="\t"), start=2):
        try:
            pattern, index, name = row["source"], int(row["index"]), row["name"].strip()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{table}, line {line}: needs the columns source, index (whole number) and name ({error})"
            raise UsageError(message) from error
        fitting = [source for source in sources if fnmatchcase(source, pattern)]
        if not fitting:
            raise UsageError(f"{table}, line {line}: no label source '{pattern}'{nearest(pattern, sources)}")
        number = numbers.setdefault(name, len(numbers) + 1)
        for source in fitting:
            if found.setdefault(source, {}).setdefault(index, number) != number:
                raise UsageError(f"{table}, line {line}: label {index} of {source} has another name in a line above")
    return {number: name for name, number in numbers.items()}, found


@functools.cache
def _shipped(table: str) -> tuple[tuple[int, str, str], ...]:
    with (shipped("specs") / "labels" / f"{table}.tsv").open(newline="", encoding="utf-8") as handle:
        rows = csv.DictReader(handle, delimiter="\t")
        return tuple((int(row["index"]), row["name"], row["group"].replace("n/a", "")) for row in rows)


def shipped_names(table: str) -> dict[int, str]:
    """Label -> name of a table that ships with the harness."""
    return {index: name for index, name, _ in _shipped(table)}


@functools.cache
def _groups_by_name() -> Mapping[str, str]:
    tables = sorted(path.stem for path in (shipped("specs") / "labels").glob("*.tsv"))
    return {plain(name): group for table in tables for _, name, group in _shipped(table)}


def group_of(name: str) -> str:
    """The group of a structure: from the tables, else by words in its name; empty if none matches."""
    known = _groups_by_name().get(plain(name))
    if known is not None:
        return known
    return next((group for group, words in _WORDS_OF_GROUPS if re.search(words, name.lower())), "")


def plain(name: str) -> str:
    """A name without case, spaces and punctuation: Left-Hippocampus equals left hippocampus."""
    return re.sub(r"[^a-z0-9*?]", "", name.lower())
