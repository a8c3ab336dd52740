"""Assigns the label maps, masks and landmarks of derivatives to the scans that they were made from.

A label source is a derivative plus the entities that distinguish its files (segmentation, atlas, label, desc, res), never an
entity of the scan. A file belongs to a scan if none of its entities differ: another space, run, acquisition or datatype
belongs to another scan. If its name could fit several scans of a person, it is assigned to none of them, and reported.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lumirage.planning.bids_index import IMAGE, LANDMARKS, BidsFile

OWN_SPACES = ("orig", "scanner", "native")
"""Names of the image's own space; its contrast is another one, as in space-T1w."""
_OF_THE_SCAN = {
    "session", "sample", "task", "tracksys", "acquisition", "nucleus", "volume", "ceagent", "staining", "tracer",
    "reconstruction", "direction", "run", "proc", "modality", "echo", "flip", "inv", "mt", "part", "recording", "chunk",
}  # fmt: skip
_DISTINGUISHING = (
    "segmentation", "atlas", "roi", "label", "desc", "hemi", "res", "den", "model", "subset",
)  # fmt: skip
"""Entities that distinguish the files of a derivative, in the order of a source's name; non-BIDS entities follow."""
_NEITHER = {"subject", "datatype", "suffix", "extension", "space", "scans", "fmap", "from", "to", "mode"}
_OF_ONE_ACQUISITION = {"reconstruction", "proc", "part", "echo", "inv", "mt", "flip"}
"""Entities of several images of one acquisition, which share a place."""
_NO_STRUCTURE = ("brain", "lesion", "roi", "tumor")
"""Masks of things that are not an anatomical structure common to all people."""
_AVERAGING = ("fmriprep", "smriprep", "freesurfer", "fastsurfer")
"""Pipelines that average a person's T1w scans in the space of the first (mri_robust_template, fixed time point)."""
_SHOWN = 3


@dataclass
class SideFiles:
    """The side files of one scan."""

    labels: dict[str, BidsFile] = field(default_factory=dict)
    structures: dict[str, dict[str, BidsFile]] = field(default_factory=dict)
    """Source -> structure -> its mask or probabilities."""
    mask: BidsFile | None = None
    landmarks: BidsFile | None = None
    landmark_map: BidsFile | None = None


@dataclass(frozen=True)
class _Use:
    """The use of a kind of file: `labels` of a source, a `structure` of one, `mask`, `landmarks`, `landmark_map`."""

    what: str
    parts: tuple[str, ...] = ()
    structure: str = ""


@dataclass(frozen=True)
class Found:
    """Path of an image -> its side files, and which files were left out and why."""

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
        owned, doubtful = _owned(files, people, averaging=name.startswith(_AVERAGING))
        several = _names(name, {use.parts for _, use, _ in owned if use.what in {"labels", "structure"}})
        for file, use, owners in owned:
            for owner in owners:
                _give(by_image[owner.place], file, use, several.get(use.parts, name))
        notes += _told(name, doubtful)
    return Found(by_image, tuple(notes))


_Owned = list[tuple[BidsFile, _Use, list[BidsFile]]]


def _owned(
    files: Sequence[BidsFile], people: Mapping[str, Sequence[BidsFile]], *, averaging: bool
) -> tuple[_Owned, list[BidsFile]]:
    """The assigned files with their use and scans, and the files that could belong to several scans."""
    uses: dict[str, _Use | None] = {}
    # file names repeat from person to person, so each case is decided once
    decided: dict[tuple[str, tuple[str, ...]], tuple[list[int], bool]] = {}
    kinds = {person: tuple(image.kind for image in images) for person, images in people.items()}
    owned: _Owned = []
    doubtful = []
    for file in files:
        if file.kind not in uses:
            uses[file.kind] = _use(file)
        use, person = uses[file.kind], file.entities["subject"]
        if use is None or person not in people:
            continue
        case, images = (file.kind, kinds[person]), people[person]
        if case not in decided:
            owners, doubt = _owners(file, [image for image in images if _belongs(file, image)], averaging=averaging)
            decided[case] = [images.index(owner) for owner in owners], doubt
        which, doubt = decided[case]
        if which:
            owned.append((file, use, [images[i] for i in which]))
        if doubt:
            doubtful.append(file)
    return owned, doubtful


def _use(file: BidsFile) -> _Use | None:
    entity = file.entities.get
    suffix, desc, label = entity("suffix"), entity("desc"), entity("label")
    if file.name.endswith(LANDMARKS):
        return _Use("landmarks")
    if not file.name.endswith(IMAGE):
        return None
    if suffix == "dseg":
        return _Use("landmark_map") if desc == "landmarks" else _Use("labels", _parts(file))
    if suffix == "mask" and "brain" in {desc, label}:
        return _Use("mask")
    if suffix in {"mask", "probseg"} and label and label.lower() not in _NO_STRUCTURE:
        return _Use("structure", (*_parts(file, but="label"), suffix), label)
    return None


def _parts(file: BidsFile, *, but: str = "") -> tuple[str, ...]:
    """The entities that distinguish a file, as parts of its source's name."""
    unknown = sorted(set(file.entities) - _OF_THE_SCAN - _NEITHER - set(_DISTINGUISHING))
    named = [key for key in (*_DISTINGUISHING, *unknown) if key in file.entities and key != but]
    plain = ("segmentation", "atlas", "roi", "label", "desc", "hemi")
    return tuple(file.entities[key] if key in plain else f"{key}{file.entities[key]}" for key in named)


def _belongs(file: BidsFile, image: BidsFile) -> bool:
    """Whether no entity of a side file contradicts the scan."""
    mine, its = file.entities, image.entities
    if mine.get("datatype", its.get("datatype")) != its.get("datatype"):
        return False
    if mine.get("space", its.get("suffix")) not in (*OWN_SPACES, its.get("suffix")):
        return False
    compared = {key for key in mine if key in _OF_THE_SCAN or (key in its and key not in _NEITHER)}
    return all(_plain(its.get(key)) == _plain(mine[key]) for key in compared)


def _plain(value: str | None) -> str | None:
    """Numbers without leading zeros: run-01 is run-1."""
    return (value.lstrip("0") or "0") if value and value.isdigit() else value


def _owners(file: BidsFile, candidates: Sequence[BidsFile], *, averaging: bool) -> tuple[list[BidsFile], bool]:
    """The scans to which a file is assigned, and whether it could belong to others too.

    For each contrast: the scans of the only acquisition, or of the one that the file names in full.
    """
    by_contrast: dict[str, list[BidsFile]] = defaultdict(list)
    for image in candidates:
        by_contrast[image.entities.get("suffix", "")].append(image)
    owners, doubtful = [], False
    for contrast, images in by_contrast.items():
        alone = len({tuple(sorted(_acquired(image).items())) for image in images}) == 1
        mine = [image for image in images if alone or _acquired(image).keys() == _acquired(file).keys()]
        doubtful |= not mine
        owners += mine or (images[:1] if averaging and contrast == "T1w" else [])
    return owners, doubtful


def _acquired(file: BidsFile) -> dict[str, str]:
    """The entities that distinguish the acquisitions of a person."""
    others = _NEITHER | _OF_ONE_ACQUISITION | set(_DISTINGUISHING)
    return {key: value for key, value in file.entities.items() if key not in others}


def _names(derivative: str, kinds: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The name of each source of a derivative: the derivative's own if it has only one, or if nothing distinguishes it."""
    known = set(kinds)
    if len(known) == 1:
        return dict.fromkeys(known, derivative)
    short = {kind: "-".join((derivative, *(part for part in kind if part != derivative))) for kind in known}
    twice = {name for name, count in Counter(short.values()).items() if count > 1}
    return {kind: "-".join((derivative, *kind)) if name in twice else name for kind, name in short.items()}


def _give(mine: SideFiles, file: BidsFile, use: _Use, source: str) -> None:
    """If several files would do, the first in path order is used, NIfTI before other formats."""
    if use.what == "labels":
        there = mine.labels.get(source)
        if there is None or (not there.name.endswith(IMAGE[:2]) and file.name.endswith(IMAGE[:2])):
            mine.labels[source] = file
    elif use.what == "structure":
        mine.structures.setdefault(source, {}).setdefault(use.structure, file)
    elif getattr(mine, use.what) is None:
        setattr(mine, use.what, file)


def _told(derivative: str, lost: Sequence[BidsFile]) -> Iterator[str]:
    """One sentence for each kind of file that could belong to several scans."""
    for kind, count in Counter(file.kind.rpartition("/")[2].partition("_")[2] for file in lost).items():
        examples = ", ".join([file.name for file in lost if file.name.endswith(kind)][:_SHOWN])
        if derivative.startswith(_AVERAGING):
            yield (
                f"{derivative}: {count} files such as {examples} belong to the average of a person's scans: assigned to the "
                "first scan, whose space it has (but not in a longitudinal run)"
            )
        else:
            yield (
                f"{derivative}: {count} files such as {examples} are ambiguous: the person has several scans of one "
                "contrast, and these could belong to any of them; they are left out"
            )
