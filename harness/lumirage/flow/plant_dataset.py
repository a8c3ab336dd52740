"""`dataset plant`: the scans of a dataset with the side files that an evaluation would find, planted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lumirage.core.errors import DataError, UsageError
from lumirage.core.screen import Screen
from lumirage.datasets.planting import Planted, PlantSource, PlantSpec, make_planted
from lumirage.planning.label_choice import label_counts, source_names
from lumirage.planning.scans import dataset_name, find_derivatives, survey


@dataclass(frozen=True)
class PlantedFrom:
    """The dataset to be planted; derivatives that are kept elsewhere: name -> folder."""

    root: Path
    derivatives: Mapping[str, Path] = field(default_factory=dict)


def plant_dataset(source: PlantedFrom, out: Path, spec: PlantSpec, screen: Screen | None = None) -> Planted:
    """Make the planted dataset `out` of every anatomical scan, or go on with it. Raises DataError, UsageError."""
    root, out = source.root.resolve(), out.resolve()
    dataset_name(root)  # raises where it is none
    if out.is_relative_to(root) or root.is_relative_to(out):
        raise UsageError(f"{out} and {root} are inside one another; choose a folder outside the dataset")
    derivatives = find_derivatives(root, source.derivatives)
    dataset = survey(root, derivatives)
    scans = [dataset.scan(image) for image in dataset.images if image.entities.get("datatype") == "anat"]
    if not scans:
        raise DataError(f"{root}: no image in an anat folder, so nothing to plant")
    names = {name: source_names(name, scans, derivatives).names for name in label_counts(scans)}
    return make_planted(out, PlantSource(root, sorted(scans, key=lambda scan: scan.name), names), spec, screen)
