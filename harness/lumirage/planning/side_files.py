"""Whose side files are: the label maps, masks and landmarks of derivatives, given to the scans that they were made of.

A label source is a derivative and what distinguishes its files (segmentation, atlas, label, desc, res), never an entity of the
scan. A file is a scan's when no entity that it names says otherwise: another space, run, acquisition or kind of data is another
scan's. Where it leaves out what tells two scans of a person apart, it is nobody's, and that is said.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lumirage.planning.bids_index import IMAGE, LANDMARKS, BidsFile

OWN_SPACES = ("orig", "scanner", "native")
"""Names of the space of the image itself; so is its contrast, as in space-T1w."""
_OF_THE_FILE = {
    "datatype", "suffix", "extension", "space", "res", "den", "label", "desc", "segmentation", "atlas", "roi", "hemi",
    "from", "to", "mode", "model", "subset", "scans", "fmap",
}  # fmt: skip
"""What a derivative may say of a file; every other entity is the scan's."""
_OF_ONE_ACQUISITION = {"reconstruction", "proc", "part", "echo", "inv", "mt", "flip"}
"""Several images of one acquisition, in one place."""
_DISTINGUISHING = ("segmentation", "atlas", "label", "desc", "res")
_NO_STRUCTURE = ("brain", "lesion", "roi", "tumor")
"""Masks of no anatomical structure that two people have in common."""
_SHOWN = 3


@dataclass
class SideFiles:
    """What belongs to one scan."""

    labels: dict[str, BidsFile] = field(default_factory=dict)
    structures: dict[str, dict[str, BidsFile]] = field(default_factory=dict)
    """Source -> structure -> its mask or probabilities."""
    mask: BidsFile | None = None
    landmarks: BidsFile | None = None
    landmark_map: BidsFile | None = None


@dataclass(frozen=True)
class _Use:
    """What a kind of file is good for: `labels` of a source, a `structure` of one, `mask`, `landmarks`, `landmark_map`."""

    what: str
    parts: tuple[str, ...] = ()
    structure: str = ""


@dataclass(frozen=True)
class Found:
    """Image place -> its side files, and what was left out and why."""

    by_image: Mapping[str, SideFiles]
    notes: tuple[str, ...]


def side_files(images: Sequence[BidsFile], derivatives: Mapping[str, Sequence[BidsFile]]) -> Found:
    """The side files of each of all images of a dataset."""
    people: dict[str, list[BidsFile]] = defaultdict(list)
    for image in images:
        people[image.entities["subject"]].append(image)
    by_image = {image.place: SideFiles() for image in images}
    notes: list[str] = []
    for name, files in derivatives.items():
        owned, lost = _owned(files, people)
        several = _names(name, {use.parts for _, use, _ in owned if use.what in {"labels", "structure"}})
        for file, use, owners in owned:
            for owner in owners:
                _give(by_image[owner.place], file, use, several.get(use.parts, name))
        notes += _told(name, lost)
    return Found(by_image, tuple(notes))


_Owned = list[tuple[BidsFile, _Use, list[BidsFile]]]


def _owned(files: Sequence[BidsFile], people: Mapping[str, Sequence[BidsFile]]) -> tuple[_Owned, list[BidsFile]]:
    """The files that are somebody's, with their use and scans, and those that could be of several."""
    uses: dict[str, _Use | None] = {}
    # people's files have the same names, so that each case is decided once
    decided: dict[tuple[str, tuple[str, ...]], tuple[tuple[int, ...], bool]] = {}
    kinds = {person: tuple(image.kind for image in images) for person, images in people.items()}
    owned, lost = [], []
    for file in files:
        if file.kind not in uses:
            uses[file.kind] = _use(file)
        use, person = uses[file.kind], file.entities["subject"]
        if use is None or person not in people:
            continue
        case = file.kind, kinds[person]
        if case not in decided:
            candidates = [image for image in people[person] if _belongs(file, image)]
            owners = _unambiguous(file, candidates)
            decided[case] = tuple(map(people[person].index, owners)), bool(candidates)
        which, possible = decided[case]
        if which:
            owned.append((file, use, [people[person][i] for i in which]))
        elif possible:
            lost.append(file)
    return owned, lost


def _use(file: BidsFile) -> _Use | None:
    entity = file.entities.get
    suffix, desc, label = entity("suffix"), entity("desc"), entity("label")
    if file.name.endswith(LANDMARKS):
        return _Use("landmarks")
    if not file.name.endswith(IMAGE):
        return None
    if suffix == "dseg":
        return _Use("landmark_map") if desc == "landmarks" else _Use("labels", _parts(file, _DISTINGUISHING))
    if suffix == "mask" and "brain" in {desc, label}:
        return _Use("mask")
    if suffix in {"mask", "probseg"} and label and label.lower() not in _NO_STRUCTURE:
        others = tuple(key for key in _DISTINGUISHING if key != "label")
        return _Use("structure", (*_parts(file, others), suffix), label)
    return None


def _parts(file: BidsFile, keys: Iterable[str]) -> tuple[str, ...]:
    values = ((key, file.entities[key]) for key in keys if key in file.entities)
    return tuple(f"res{value}" if key == "res" else value for key, value in values)


def _belongs(file: BidsFile, image: BidsFile) -> bool:
    """Whether no entity that a side file names says otherwise."""
    mine, its = file.entities, image.entities
    if mine.get("datatype", its.get("datatype")) != its.get("datatype"):
        return False
    if mine.get("space", its.get("suffix")) not in (*OWN_SPACES, its.get("suffix")):
        return False
    return all(_plain(its.get(key)) == _plain(value) for key, value in mine.items() if key not in _OF_THE_FILE)


def _plain(value: str | None) -> str | None:
    """Numbers without leading zeros: run-01 is run-1."""
    return (value.lstrip("0") or "0") if value and value.isdigit() else value


def _unambiguous(file: BidsFile, candidates: Sequence[BidsFile]) -> list[BidsFile]:
    """The scans to which a file can be given: of each contrast those of the only acquisition, or of the one named in full."""
    if len(candidates) < 2:
        return list(candidates)
    by_contrast: dict[str, list[BidsFile]] = defaultdict(list)
    for image in candidates:
        by_contrast[image.entities.get("suffix", "")].append(image)
    owners = []
    for images in by_contrast.values():
        alone = len({tuple(sorted(_acquired(image).items())) for image in images}) == 1
        owners += [image for image in images if alone or _acquired(image).keys() == _acquired(file).keys()]
    return owners


def _acquired(file: BidsFile) -> dict[str, str]:
    """The entities that tell one acquisition of a person from another."""
    return {key: value for key, value in file.entities.items() if key not in _OF_THE_FILE | _OF_ONE_ACQUISITION}


def _names(derivative: str, kinds: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The name of each source of a derivative: the derivative's own where it has only one, or one that says no more."""
    known = set(kinds)
    if len(known) == 1:
        return dict.fromkeys(known, derivative)
    short = {kind: "-".join((derivative, *(part for part in kind if part != derivative))) for kind in known}
    twice = {name for name, count in Counter(short.values()).items() if count > 1}
    return {kind: "-".join((derivative, *kind)) if name in twice else name for kind, name in short.items()}


def _give(mine: SideFiles, file: BidsFile, use: _Use, source: str) -> None:
    """Of several files that would serve, the first in order of path is taken, NIfTI before other formats."""
    if use.what == "labels":
        there = mine.labels.get(source)
        if there is None or (not there.name.endswith(IMAGE[:2]) and file.name.endswith(IMAGE[:2])):
            mine.labels[source] = file
    elif use.what == "structure":
        mine.structures.setdefault(source, {}).setdefault(use.structure, file)
    elif getattr(mine, use.what) is None:
        setattr(mine, use.what, file)


def _told(derivative: str, lost: Sequence[BidsFile]) -> Iterator[str]:
    """One sentence for each kind of file that could be of several scans."""
    for kind, count in Counter(file.kind.rpartition("/")[2].partition("_")[2] for file in lost).items():
        examples = [file.name for file in lost if file.name.endswith(kind)][:_SHOWN]
        yield (
            f"{derivative}: {count} files such as {', '.join(examples)} name too little: the person has several scans of "
            "one contrast, and these could be of any of them; they are left out"
        )
