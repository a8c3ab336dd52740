"""`dataset check`: the label sources that an evaluation would find, and every image looked over with them."""

from collections.abc import Collection, Mapping
from pathlib import Path

from lumirage.core.errors import DataError
from lumirage.core.label_files import label_files, structure_numbers
from lumirage.core.model import Scan
from lumirage.datasets.dataset_check import DatasetCheck, Finding, LabelSource, check_dataset
from lumirage.planning.label_choice import label_counts, source_names
from lumirage.planning.label_tables import NamedLabels
from lumirage.planning.scans import find_derivatives, survey


def look_over(
    root: Path, derivatives: Mapping[str, Path] | None = None, *, only: Collection[Path] | None = None
) -> DatasetCheck:
    """Look over a dataset, or `only` these images of it. Raises DataError when `root` is no folder or has no image."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    root = root.resolve()
    found = find_derivatives(root, derivatives or {})
    dataset = survey(root, found)
    anatomical = [image for image in dataset.images if image.entities.get("datatype") == "anat"]
    images = [image for image in anatomical if only is None or image.path in only]
    scans = [dataset.scan(image) for image in images]
    sources = {name: _source(name, scans, found) for name in label_counts(scans)}
    check = check_dataset(root, [image.path for image in images], sources, pictures=only is None)
    notes = tuple(
        Finding(severity="warning", kind="whose labels", path="derivatives", message=note)
        for note in (dataset.found.notes if only is None else ())
    )
    return check.model_copy(update={"findings": (*check.findings, *notes)})


def _source(name: str, scans: list[Scan], derivatives: Mapping[str, Path]) -> LabelSource:
    having = {scan.image: scan for scan in scans if label_files(scan, name)}
    try:
        named = source_names(name, scans, derivatives)
    except DataError:  # a damaged map or table is found when the scans are looked at
        named = NamedLabels({}, "")
    return LabelSource(
        maps={image: label_files(scan, name) for image, scan in having.items()},
        numbers={image: structure_numbers(scan, name, named.names) for image, scan in having.items()},
        names=named.names,
        own_names="harness" not in named.origin,
    )
