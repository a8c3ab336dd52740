"""Lists the files of a BIDS dataset with their entities, parsed by pybids; cached, and listed again where a folder changed.

The only importer of pybids. A dataset of 2,000 people with fMRIPrep's derivative has about 70,000 files, and pybids' own
database is slow (14.9 CPU s for 20,000). People share file names apart from the subject, so pybids parses each name only once.
"""

import functools
import gc
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lumirage.core.errors import DataError
from lumirage.core.layout import cache_root, digest, write_text

INDEX_VERSION = "4"
IMAGE = (".nii", ".nii.gz", ".mgz", ".mgh")
LANDMARKS = (".fcsv", ".mrk.json", "_landmarks.tsv", "_landmarks.csv", "_markers.tsv", "_markers.csv")
_KEPT: ContextVar[bool] = ContextVar("index_is_kept", default=True)
_SKIPPED = {"figures", "log"}  # of fMRIPrep, in each person's folder
_NOBODY = "0"
_RECON = r"sub-0(_ses-[^/.]+)?/mri/((?P<segmentation>aseg|aparc[^/]*\+aseg)(\.deep)?|brainmask|mask)\.mgz"
"""Files that recon-all and FastSurfer write for a person; not those of longitudinal runs, whose folders have a dot."""
_SETTLED_NS = 2_000_000_000
"""A folder modified less than this before it was listed may change again with the same modification time (FAT: 2 s)."""


@dataclass(frozen=True)
class BidsFile:
    """One file with its BIDS entities (subject, session, suffix, desc, ...; all text)."""

    root: str
    place: str
    """Relative to root."""
    kind: str
    """The path with another subject in it: files of one kind differ only in the subject."""
    entities: Mapping[str, str]

    @functools.cached_property
    def path(self) -> Path:
        """Where it lies."""
        folder, _, name = self.place.rpartition("/")
        return _folder_path(self.root, folder) / name

    @property
    def name(self) -> str:
        """The name with its extension."""
        return self.place.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.split(".", 1)[0]


@functools.lru_cache(maxsize=1024)
def _folder_path(root: str, folder: str) -> Path:
    """Cached: files of one folder are requested together, and splitting paths takes most of an index's time."""
    return Path(root, folder)


@dataclass(frozen=True)
class _Folder:
    """The listing of one folder."""

    changed_ns: int
    inner: tuple[str, ...]
    names: tuple[str, ...]


_Folders = dict[str, _Folder]
_Kinds = dict[str, dict[str, str]]


def bids_files(root: Path) -> list[BidsFile]:
    """Every image and landmark file of a dataset that belongs to a subject, sorted by path. Raises DataError."""
    root = root.resolve()  # a link to a dataset is the same dataset; links inside it are kept as they are
    saved = cache_root() / "bids" / f"{digest(INDEX_VERSION, str(root))}.json"
    listed_ns, before, kinds = _load(saved)
    begun_ns, known = time.time_ns(), len(kinds)
    try:
        folders = dict(_listed(root, before, listed_ns))
    except OSError as error:
        raise DataError(f"{root}: not readable ({error})") from error
    files = list(_files(str(root), folders, kinds))
    settled = all(folder.changed_ns < listed_ns - _SETTLED_NS for folder in folders.values())
    if _KEPT.get() and (folders != before or len(kinds) > known or not settled):
        rows = {place: [f.changed_ns, f.inner, f.names] for place, f in folders.items()}
        write_text(saved, json.dumps({"listed_ns": begun_ns, "folders": rows, "kinds": kinds}))
    return files


@contextmanager
def index_not_kept() -> Iterator[None]:
    """Inside this context no index is written to the cache: a plan leaves nothing on disk."""
    token = _KEPT.set(False)
    try:
        yield
    finally:
        _KEPT.reset(token)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Inside this context the garbage collector is off: a large index has no garbage, and the search took 40 % of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(saved: Path) -> tuple[int, _Folders, _Kinds]:
    try:
        content = json.loads(saved.read_text(encoding="utf-8"))
        rows = content["folders"].items()
        folders = {p: _Folder(changed, tuple(inner), tuple(names)) for p, (changed, inner, names) in rows}
        return int(content["listed_ns"]), folders, content["kinds"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, {}, {}


def _listed(root: Path, before: _Folders, listed_ns: int) -> Iterator[tuple[str, _Folder]]:
    """Each folder that may hold files of a person, from the root down; listed again only if it has changed."""
    waiting = [""]
    while waiting:
        place = waiting.pop()
        full = os.path.join(root, place)  # noqa: PTH118 -- pathlib takes three times as long, over 20,000 folders
        changed_ns = os.stat(full).st_mtime_ns  # noqa: PTH116
        folder = before.get(place)
        if folder is None or folder.changed_ns != changed_ns or changed_ns >= listed_ns - _SETTLED_NS:
            folder = _list(full, changed_ns, top=not place)
        yield place, folder
        waiting += [f"{place}/{name}" if place else name for name in reversed(folder.inner)]


def _list(full: str, changed_ns: int, *, top: bool) -> _Folder:
    inner, names = [], []
    with os.scandir(full) as entries:
        for entry in entries:
            if top and not entry.name.startswith("sub-"):
                continue
            if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _SKIPPED:
                inner.append(entry.name)
            elif not top and entry.name.endswith((*IMAGE, *LANDMARKS)):
                names.append(entry.name)  # dangling links too: datalad datasets have them until the content is fetched
    return _Folder(changed_ns, tuple(sorted(inner)), tuple(sorted(names)))


def _files(root: str, folders: _Folders, kinds: _Kinds) -> Iterator[BidsFile]:
    """The files in the order of their paths; new kinds are added to `kinds`."""
    for place in sorted(folders):
        person = place.partition("/")[0].partition("_")[0]  # FreeSurfer's folders may be called sub-01_ses-1
        label, anybody = person.removeprefix("sub-"), f"sub-{_NOBODY}"
        for name in folders[place].names:
            full = f"{place}/{name}"
            kind = full.replace(person, anybody)
            if kind not in kinds:
                kinds[kind] = _entities(kind)
            yield BidsFile(root, full, kind, kinds[kind] | {"subject": label})


def _entities(kind: str) -> dict[str, str]:
    """The entities of a name by pybids' rules, without the subject; entities unknown to pybids keep their own keys.

    Maps of a FreeSurfer SUBJECTS_DIR, sub-01[_ses-1]/mri/aseg.mgz, get the entities that BIDS would give them, in the T1w's
    space.
    """
    from bids.layout import parse_file_entities

    found = parse_file_entities(f"/{kind}", config=_rules())
    parts = (part.split("-", 1) for part in kind.rpartition("/")[2].split(".")[0].split("_") if "-" in part)
    unknown = {key: value for key, value in parts if key not in _known_keys()}
    if recon := re.fullmatch(_RECON, kind):
        segmentation = recon["segmentation"]
        unknown |= (
            {"suffix": "dseg", "segmentation": segmentation} if segmentation else {"suffix": "mask", "desc": "brain"}
        )
        return unknown | {key: str(found[key]) for key in ("session",) if key in found} | {"space": "T1w"}
    return unknown | {key: str(value) for key, value in found.items() if key != "subject"}


@functools.cache
def _known_keys() -> frozenset[str]:
    """The keys as file names spell them: ses, acq, desc ..."""
    patterns = (entity.pattern for rules in _rules() for entity in rules.entities.values())
    return frozenset(key for pattern in patterns for key in re.findall(r"([a-z]+)-\(", pattern))


@functools.cache
def _rules() -> list[Any]:  # pybids is untyped
    from bids.layout import Config

    return [Config.load(name) for name in ("bids", "derivatives")]
