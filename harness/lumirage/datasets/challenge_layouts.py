"""Reads folders of the Learn2Reg challenges (such as LUMIR): imagesTr, labelsTr, masksTr, landmarksTr and a dataset JSON.

Layout, from the published data and the official evaluation (MDL-UzL/L2R, JHU-MedImage-Reg/LUMIR_L2R): images are called
NAME_CASE_MODALITY.nii.gz with four digits each; side files have the image's path with `images` replaced by `labels`,
`masks`, `landmarks` or `keypoints`. LUMIR's landmarks are label volumes, Learn2Reg's key points CSV files in voxels.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lumirage.core.errors import DataError
from lumirage.datasets.import_plan import Incoming, IncomingScan, bids_label, images_in, stem

SPLITS = ("Tr", "Val", "Ts")
_IMAGE = re.compile(r"^(?P<name>.+)_(?P<case>\d{4})_(?P<modality>\d{4})$")
_SUFFIXES = (
    ("T2*", "T2starw"),
    ("T2STAR", "T2starw"),
    ("FLAIR", "FLAIR"),
    ("T2", "T2w"),
    ("T1", "T1w"),
    ("PD", "PDw"),
    ("MR", "T1w"),
)
"""Modality in the JSON -> BIDS suffix; the first match counts. Plain MR is T1w, as in OASIS and LUMIR."""
_LABEL_FOLDERS = ("labels", "SanityCheckLabels")
KEYPOINTS_PER_CASE = 100_000


def plan_challenge(source: Path) -> Incoming:
    """The content of a challenge folder. Raises DataError if folder or JSON does not come from a brain challenge."""
    content = _dataset_json(source)
    images = [image for split in SPLITS for image in images_in(source / f"images{split}")]
    if not images:
        raise DataError(f"{source}: no images in imagesTr, imagesVal or imagesTs")
    suffixes = _suffixes(content, source)
    scans = tuple(_scan(source, image, suffixes) for image in images)
    by_path = {_key(str(i.relative_to(source))): scan.name for i, scan in zip(images, scans, strict=True)}
    pairs, missing = _pairs(content, by_path)
    notes = (f"{missing} pairs of the dataset JSON name images that are not here.",) if missing else ()
    names = _label_names(content)
    sources = {label for scan in scans for label in scan.labels} if names else set()
    return Incoming(
        name=str(content.get("name", source.name)),
        scans=scans,
        label_names={label: names for label in sources if label == "labels"},
        pairs=pairs,
        notes=notes,
    )


def _dataset_json(source: Path) -> dict[str, Any]:  # JSON by others: any content is possible
    """The dataset JSON, or {} if there is none."""
    files = sorted(source.glob("*dataset.json"))
    if len(files) > 1:
        raise DataError(f"{source}: more than one dataset JSON ({', '.join(f.name for f in files)}); keep one")
    if not files:
        return {}
    try:
        content = json.loads(files[0].read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{files[0]}: not readable as JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{files[0]}: must be a JSON object")
    return content


def _suffixes(content: Mapping[str, Any], source: Path) -> dict[int, str]:
    """Modality number -> BIDS suffix, for the modalities that the JSON names."""
    modalities = content.get("modality", {})
    if not isinstance(modalities, dict):
        raise DataError(f'{source}: \'modality\' of the dataset JSON must be an object such as {{"0": "MR"}}')
    known = {}
    for number, text in modalities.items():
        suffix = next((suffix for word, suffix in _SUFFIXES if word in str(text).upper()), None)
        if suffix is None:
            raise DataError(
                f"{source}: modality {text!r} of the dataset JSON is not an MR contrast; only brain MR is imported"
            )
        known[int(number)] = suffix
    return known


def _scan(source: Path, image: Path, suffixes: Mapping[int, str]) -> IncomingScan:
    parts = _IMAGE.match(stem(image))
    if parts is None:
        raise DataError(f"{image}: challenge images are called NAME_CASE_MODALITY, such as LUMIRMRI_3454_0000.nii.gz")
    modality = int(parts["modality"])
    suffix = suffixes.get(modality, "T1w")
    repeated = modality > 0 and suffix in {suffixes.get(m, "T1w") for m in range(modality)}
    split = image.parent.name.removeprefix("images")
    points = _side_file(source, ("keypoints",), split, image)
    return IncomingScan(
        subject=parts["case"],
        suffix=suffix,
        image=image,
        acquisition=parts["modality"] if repeated else None,
        labels=dict(_labels(source, split, image)),
        mask=_side_file(source, ("masks",), split, image),
        landmarks=_side_file(source, ("landmarks",), split, image) or points,
        # Key points correspond only within a case: numbered so that no other case has the same index.
        landmark_offset=int(parts["case"]) * KEYPOINTS_PER_CASE if points else 0,
    )


def _labels(source: Path, split: str, image: Path) -> Iterator[tuple[str, Path]]:
    """`labels`, and one source for each other folder whose name indicates a segmentation, such as synthsegVal."""
    given = _side_file(source, _LABEL_FOLDERS, split, image)
    if given is not None:
        yield "labels", given
    for folder in sorted(source.glob(f"*seg*{split}")):
        kind = folder.name.removesuffix(split)
        found = _side_file(source, (kind,), split, image) or _side_file(source, (kind,), split, image, f"_{kind}")
        if found is not None:
            yield re.sub(r"[^0-9A-Za-z]", "", kind), found


def _side_file(source: Path, kinds: tuple[str, ...], split: str, image: Path, tail: str = "") -> Path | None:
    wanted = (
        source / f"{kind}{split}" / f"{stem(image)}{tail}{end}" for kind in kinds for end in (".nii.gz", ".nii", ".csv")
    )
    return next((path for path in wanted if path.is_file()), None)


def _pairs(content: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, list[tuple[str, str]]], int]:
    """Every list of {fixed, moving} in the JSON as scan names, and how many pairs name an image that is not here."""
    found: dict[str, list[tuple[str, str]]] = {}
    missing = 0
    for key, entries in content.items():
        if not isinstance(entries, list):
            continue
        for entry in entries:
            if not (isinstance(entry, dict) and {"fixed", "moving"} <= entry.keys()):
                continue
            fixed, moving = (names.get(_key(str(entry[side]))) for side in ("fixed", "moving"))
            if fixed is None or moving is None:
                missing += 1
            else:
                found.setdefault(bids_label(key), []).append((fixed, moving))
    return found, missing


def _key(path: str) -> str:
    """`./imagesVal/x.nii.gz` as `imagesVal/x`."""
    return stem(Path(path)) if "/" not in path else f"{Path(path).parent.name}/{stem(Path(path))}"


def _label_names(content: Mapping[str, Any]) -> dict[int, str]:
    """`labels` of the JSON, either `{"1": "name"}` or nested by modality; without the background."""
    labels = content.get("labels", {})
    if isinstance(labels, dict) and labels and all(isinstance(value, dict) for value in labels.values()):
        labels = next(iter(labels.values()))
    if not isinstance(labels, dict):
        return {}
    pairs = ((str(key), str(value)) for key, value in labels.items())
    return {int(key): value for key, value in pairs if key.isdigit() and int(key) != 0}
