"""Reads the output folders of FreeSurfer and SynthSeg, and the downloads of IXI and HCP.

The layouts follow the public documentation named in docs/datasets.md.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from lumirage.core.errors import DataError
from lumirage.datasets.import_plan import Incoming, IncomingScan, bids_label, images_in, stem

_NAMED = re.compile(r"^sub-(?P<subject>[0-9A-Za-z]+)(?:_ses-(?P<session>[0-9A-Za-z]+))?(?:_|$)")
_TEMPLATES = ("fsaverage", "cvs_avg35", "lh.EC_average", "rh.EC_average", "V1_average")
_FREESURFER_LABELS = {
    "aseg.mgz": "aseg",
    "aparc+aseg.mgz": "aparcaseg",
    "aparc.a2009s+aseg.mgz": "aparca2009saseg",
    "aparc.DKTatlas+aseg.mgz": "aparcDKTaseg",
    "aparc.DKTatlas+aseg.deep.mgz": "aparcDKTasegdeep",
    "wmparc.mgz": "wmparc",
}
"""Label map of FreeSurfer or FastSurfer -> name of the label source. All lie on the lattice of orig.mgz."""
_FREESURFER_MASKS = ("mask.mgz", "brainmask.mgz")
_HCP_LABELS = {
    "aparc+aseg.nii.gz": "aparcaseg",
    "aparc.a2009s+aseg.nii.gz": "aparca2009saseg",
    "wmparc.nii.gz": "wmparc",
}
_HCP_IMAGES = {"T1w_acpc_dc_restore.nii.gz": "T1w", "T2w_acpc_dc_restore.nii.gz": "T2w"}
_IXI = re.compile(r"^IXI(?P<subject>\d+)-(?P<site>[A-Za-z]+)-\d+-(?P<contrast>T1|T2|PD)$")
_IXI_SUFFIXES = {"T1": "T1w", "T2": "T2w", "PD": "PDw"}
_SYNTHSEG = "_synthseg"
_BESIDE_SYNTHSEG = ("_resampled", "_posteriors")


def plan_freesurfer(source: Path) -> Incoming:
    """A SUBJECTS_DIR of FreeSurfer or FastSurfer: NAME/mri/orig.mgz with the label maps and the brain mask beside it.

    Templates (fsaverage ...) and the folders of longitudinal runs (NAME.long.BASE, and bases) are left out.
    """
    folders = [folder for folder in sorted(source.iterdir()) if (folder / "mri").is_dir()]
    left = [f for f in folders if f.name.startswith(_TEMPLATES) or ".long." in f.name or _is_base(f, folders)]
    scans, without = [], []
    for folder in (f for f in folders if f not in left):
        image = folder / "mri" / "orig.mgz"
        if not image.is_file():
            without.append(folder.name)
            continue
        subject, session = _person(folder.name)
        labels = dict(_freesurfer_labels(folder / "mri"))
        mask = next((m for name in _FREESURFER_MASKS if (m := folder / "mri" / name).is_file()), None)
        scans.append(IncomingScan(subject, "T1w", image, session=session, labels=labels, mask=mask))
    notes = (
        _told("left", [f.name for f in left], "templates and longitudinal runs"),
        _told("left", without, "no mri/orig.mgz"),
        *_label_counts(scans),
    )
    return _incoming(source.resolve().name, scans, notes)


def _is_base(folder: Path, folders: list[Path]) -> bool:
    """Whether it is the within-subject template of a longitudinal run, NAME.long.BASE."""
    return any(other.name.endswith(f".long.{folder.name}") for other in folders)


def _freesurfer_labels(mri: Path) -> Iterator[tuple[str, Path]]:
    """The files without duplicates: FastSurfer links FreeSurfer's names to its own files."""
    taken: set[Path] = set()
    for name, label_source in _FREESURFER_LABELS.items():
        path = mri / name
        if path.is_file() and path.resolve() not in taken:
            taken.add(path.resolve())
            yield label_source, path


def plan_synthseg(source: Path, segmentations: Path | None = None) -> Incoming:
    """A folder of images and one of SynthSeg's maps, NAME_synthseg.nii.gz; without the second, maps are beside images.

    Raises DataError if there is no map.
    """
    where = source / segmentations if segmentations else source
    maps = {
        stem(path).removesuffix(_SYNTHSEG): path
        for path in _below(where)
        if segmentations or stem(path).endswith(_SYNTHSEG)
    }
    if not maps:
        raise DataError(f"{where}: no NAME{_SYNTHSEG}.nii.gz there; give their folder with --labels")
    images = [p for p in _below(source) if p not in maps.values() and not stem(p).endswith(_BESIDE_SYNTHSEG)]
    scans, without = [], []
    for image in images:
        found = maps.get(stem(image))
        if found is None:
            without.append(image.name)
            continue
        subject, session = _person(stem(image))
        scans.append(IncomingScan(subject, _contrast(image), image, session=session, labels={"synthseg": found}))
    lost = sorted(maps.keys() - {stem(image) for image in images})
    notes = (_told("left", without, "images without a map"), _told("left", lost, "maps without an image"))
    return _incoming(source.resolve().name, scans, notes)


def plan_ixi(source: Path) -> Incoming:
    """IXI as downloaded: IXI002-Guys-0828-T1.nii.gz, all in one folder or in IXI-T1, IXI-T2, IXI-PD. It has no labels."""
    images = [(path, parts) for path in _below(source) if (parts := _IXI.match(stem(path)))]
    other = sum(1 for path in _below(source)) - len(images)
    scans = [IncomingScan(parts["subject"], _IXI_SUFFIXES[parts["contrast"]], path) for path, parts in images]
    sites = Counter({parts["subject"]: parts["site"] for _, parts in images}.values())
    notes = (
        f"people by site: {', '.join(f'{site} {n}' for site, n in sorted(sites.items()))}." if sites else "",
        f"left: {other} images that are not T1, T2 or PD (MRA, DTI)." if other else "",
        "IXI comes without labels: run SynthSeg or FastSurfer on the images, and score with their labels.",
    )
    return _incoming("IXI", scans, notes)


def plan_hcp(source: Path) -> Incoming:
    """HCP's minimally preprocessed structurals: 100307/T1w/T1w_acpc_dc_restore.nii.gz, T2w beside it, and FreeSurfer's maps."""
    folders = [folder for folder in sorted(source.iterdir()) if re.fullmatch(r"\d{6}", folder.name)]
    scans, without = [], []
    for folder in folders:
        place = folder / "T1w"
        labels = {name: path for file, name in _HCP_LABELS.items() if (path := place / file).is_file()}
        mask = place / "brainmask_fs.nii.gz"
        there = [(suffix, path) for file, suffix in _HCP_IMAGES.items() if (path := place / file).is_file()]
        if not there:
            without.append(folder.name)
        for suffix, path in there:
            scans.append(IncomingScan(folder.name, suffix, path, labels=labels, mask=mask if mask.is_file() else None))
    notes = (_told("left", without, "no T1w/T1w_acpc_dc_restore.nii.gz"), *_label_counts(scans))
    return _incoming("HCP", scans, notes)


def _incoming(name: str, scans: list[IncomingScan], notes: tuple[str, ...]) -> Incoming:
    sources = tuple(sorted({label for scan in scans for label in scan.labels}))
    return Incoming(name, tuple(scans), notes=tuple(filter(None, notes)), named_by_table=sources)


def _person(name: str) -> tuple[str, str | None]:
    """Subject and session of a BIDS name; any other name is used as the subject."""
    parts = _NAMED.match(name)
    return (parts["subject"], parts["session"]) if parts else (bids_label(name), None)


def _contrast(image: Path) -> str:
    """The suffix of a BIDS name; T1w for any other name."""
    last = stem(image).rsplit("_", 1)[-1]
    return last if _NAMED.match(stem(image)) and "-" not in last else "T1w"


def _below(folder: Path) -> list[Path]:
    """The images of a folder and its subfolders, sorted."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    inner = [images_in(path) for path in sorted(folder.rglob("*")) if path.is_dir()]
    return [*images_in(folder), *(image for images in inner for image in images)]


def _label_counts(scans: list[IncomingScan]) -> Iterator[str]:
    counts: Mapping[str, int] = Counter(label for scan in scans for label in scan.labels)
    for label, count in sorted(counts.items()):
        yield f"labels {label}: {count} of {len(scans)} scans."


def _told(what: str, names: list[str], why: str) -> str:
    shown = ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
    return f"{what}: {len(names)} ({shown}): {why}." if names else ""
