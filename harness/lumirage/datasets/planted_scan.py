"""Plants one scan: writes the original's files, the planted ones, the true field, and last a record that they are there."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from lumirage.core.errors import UsageError
from lumirage.core.foreground import foreground
from lumirage.core.landmark_files import read_landmarks
from lumirage.core.layout import written_aside
from lumirage.core.model import Grid, Record, Scan
from lumirage.core.native_images import notes_of_image, read_image, read_label_map
from lumirage.core.space import Array, Displacement, Volume, make_grid, matrix, write_displacement, write_volume
from lumirage.datasets import bids_tree as bids
from lumirage.datasets.phantom_contrasts import BIAS
from lumirage.datasets.planted_fields import PlantedField, Sampler
from lumirage.datasets.planted_images import NOISE, planted_image

MOSTLY_HEAD = 1.3
"""Where no more voxels than this, as a multiple of the head's, are above 0, these need no mask: the head is stripped."""
OWN, TRUTH = "planted", "truth"
"""Names of the derivatives with masks and landmarks, and with the true fields."""


class PlantingRecord(Record):
    """Sidecar of a planted image: what was done to the original, and how exact it is. Its presence means done."""

    schema_version: Literal[1] = 1
    planted_from: str = Field(description="BIDS URI of the original in the same dataset")
    true_field: str = Field(description="BIDS URI; x_original = x_planted + u(x_planted), mm, RAS+")
    settings: dict[str, float | None] = Field(description="as given; null: relative to the head's size")
    sources: dict[str, str] = Field(description="what of the source it was made from -> SHA-256")
    head_size_mm: float = Field(description="cube root of the volume of the foreground")
    amplitude_mm: float = Field(description="root mean square displacement that was drawn, over the image")
    smoothness_mm: float = Field(description="correlation length of the displacement")
    displacement_mm: dict[str, float] = Field(description="root mean square (rms) and largest (max), inside the head")
    jacobian_determinant: tuple[float, float] = Field(description="least and largest, of all voxels; no fold above 0")
    inverse_residual_mm: float = Field(description="largest distance of a point from itself, there and back")
    noise: float = Field(default=NOISE, description="standard deviation, of the 99th percentile inside the head")
    bias_field: float = Field(default=BIAS, description="scale of the log sensitivity's random quadratic polynomial")
    made_mask: bool = Field(description="the source has no mask: that of both images is the head, found by brightness")


@dataclass(frozen=True)
class ScanFiles:
    """Where the files of one scan and of its planted copy lie in the dataset to be made.

    `entities`: BIDS entities of both, such as (sub-01, sub-01_acq-planted).
    """

    root: Path
    scan: Scan
    entities: tuple[str, str]

    @property
    def names(self) -> tuple[str, str]:
        """BIDS stems of both, such as sub-01_acq-planted_T1w."""
        return f"{self.entities[0]}_{self.scan.suffix}", f"{self.entities[1]}_{self.scan.suffix}"

    @property
    def original(self) -> Path:
        """The original, with its own extension."""
        return bids.anat_file(self.root, self.entities[0], f"{self.scan.suffix}{extension(self.scan.image)}")

    @property
    def planted(self) -> Path:
        """The planted image."""
        return bids.anat_file(self.root, self.entities[1], f"{self.scan.suffix}.nii.gz")

    @property
    def record(self) -> Path:
        """The record of the planting, sidecar of the planted image."""
        return bids.anat_file(self.root, self.entities[1], f"{self.scan.suffix}.json")

    @property
    def truth(self) -> Path:
        """The true field."""
        moving, fixed = (re.sub(r"[^0-9A-Za-z]", "", name) for name in self.names)
        name = f"from-{moving}_to-{fixed}_mode-image_xfm.nii"
        return bids.anat_file(bids.derivative(self.root, TRUTH), self.entities[1], name)

    def side(self, derivative: str, ending: str) -> tuple[Path, Path]:
        """A side file of both; it names the contrast, as contrasts of one person may have different ones."""
        folder = bids.derivative(self.root, derivative)
        first, second = (bids.anat_file(folder, e, f"space-{self.scan.suffix}_{ending}") for e in self.entities)
        return first, second

    def uri(self, path: Path) -> str:
        """A file of the dataset as BIDS URI."""
        return f"bids::{path.relative_to(self.root).as_posix()}"


def extension(path: Path) -> str:
    """`.nii.gz`, `.nii`, `.mgz`..."""
    return ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix


@dataclass(frozen=True)
class Draws:
    """What is drawn for a scan: its field, and a generator for its noise and its bias field."""

    field: Callable[[Volume], PlantedField]
    intensities: np.random.Generator


def plant_scan(files: ScanFiles, draws: Draws, made_from: dict[str, str], settings: dict[str, float | None]) -> None:
    """Write all files of one scan. Raises DataError where one of the source cannot be used, UsageError where the field folds
    or cannot be inverted."""
    notes_of_image(files.scan.image)  # a constant image, for one, is refused
    image = read_image(files.scan.image)
    stored = image.affine.astype(np.float32).astype(float)  # what the header of the planted image will hold
    planting = _Planting(files, image, draws.field(image), make_grid(_shape(image), stored))
    planting.check()
    write_displacement(files.truth, Displacement(planting.sampler.u, stored))
    bids.write_sidecar(files.truth.with_suffix(".json"), _truth_sidecar(files))
    planting.write_sides()
    _copy(files.scan.image, files.original)
    sidecar = files.scan.image.with_name(files.scan.image.name.removesuffix(extension(files.scan.image)) + ".json")
    if sidecar.is_file():
        _copy(sidecar, files.original.with_name(f"{files.names[0]}.json"))
    write_volume(files.planted, planted_image(image, planting.sampler, draws.intensities), stored)
    bids.write_sidecar(files.record, planting.record(made_from, settings).model_dump(mode="json"))


@dataclass(frozen=True)
class _Planting:
    """One scan that is being planted: its image, as read, its field, and the lattice of the planted image."""

    files: ScanFiles
    image: Volume
    field: PlantedField
    grid: Grid

    @cached_property
    def _sampled(self) -> tuple[Sampler, tuple[float, float]]:
        return Sampler.on(self.grid, self.field)

    @property
    def sampler(self) -> Sampler:
        """Of the image's own lattice."""
        return self._sampled[0]

    @cached_property
    def head(self) -> npt.NDArray[np.bool_]:
        """The head in the original: the largest bright part, with its holes."""
        parts, count = ndimage.label(foreground(self.image.data))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        return np.asarray(ndimage.binary_fill_holes(parts == 1 + int(sizes.argmax())), bool)

    @cached_property
    def planted_head(self) -> npt.NDArray[np.bool_]:
        """The same in the planted image."""
        return self.sampler.nearest(Volume(self.head, self.image.affine)) > 0

    @cached_property
    def residual_mm(self) -> float:
        """Of the inverse. Raises UsageError."""
        try:
            return self.field.inverse_residual_mm(self.grid, self.planted_head)
        except ArithmeticError as error:
            raise UsageError(f"{self.files.scan.name}: {error}: lower the amplitude or raise the smoothness") from error

    @property
    def needs_mask(self) -> bool:
        """Whether neither the source has a mask nor the voxels above 0 are the head."""
        return self.files.scan.mask is None and bool((self.image.data > 0).sum() > MOSTLY_HEAD * self.head.sum())

    def check(self) -> None:
        """Raise UsageError where the field folds."""
        least = self._sampled[1][0]
        if not least > 0:
            raise UsageError(
                f"{self.files.scan.name}: the drawn field folds (least Jacobian determinant {least:.3g}): "
                "lower the amplitude or raise the smoothness"
            )

    def record(self, made_from: dict[str, str], settings: dict[str, float | None]) -> PlantingRecord:
        """What was done."""
        lengths = np.linalg.norm(self.sampler.u[self.planted_head].astype(float), axis=1)
        return PlantingRecord(
            planted_from=self.files.uri(self.files.original),
            true_field=self.files.uri(self.files.truth),
            settings=settings,
            sources=made_from,
            head_size_mm=self.field.head_size_mm,
            amplitude_mm=self.field.amplitude_mm,
            smoothness_mm=self.field.smoothness_mm,
            displacement_mm={"rms": float(np.sqrt((lengths**2).mean())), "max": float(lengths.max())},
            jacobian_determinant=self._sampled[1],
            inverse_residual_mm=self.residual_mm,
            made_mask=self.needs_mask,
        )

    def write_sides(self) -> None:
        """Labels, masks and landmarks of both images, as far as the source has them."""
        for path, derivative, ending in side_files(self.files.scan):
            original, planted = self.files.side(derivative, f"{ending}{extension(path)}")
            _copy(path, original)
            self._write_warped(path, planted.with_name(f"{planted.name.removesuffix(extension(path))}.nii.gz"))
        if self.needs_mask:
            original, planted = self.files.side(OWN, "desc-brain_mask.nii.gz")
            write_volume(original, self.head.astype(np.uint8), self.image.affine)
            write_volume(planted, self.planted_head.astype(np.uint8), np.array(self.grid.affine))
        if self.files.scan.landmarks:
            self._write_landmarks(self.files.scan.landmarks)

    def _write_warped(self, path: Path, target: Path) -> None:
        """A label map or mask by the nearest voxel, a probability map linearly; each on the lattice of the original's."""
        share = target.name.endswith("_probseg.nii.gz")
        side = read_image(path) if share else read_label_map(path)
        stored = side.affine.astype(np.float32).astype(float)
        grid = make_grid(_shape(side), stored)
        sampler = self.sampler if grid == self.grid else Sampler.on(grid, self.field)[0]
        data: Array = sampler.linear(side).astype(np.float32) if share else _smallest(sampler.nearest(side))
        write_volume(target, data, np.array(matrix(stored)))

    def _write_landmarks(self, path: Path) -> None:
        found = read_landmarks(path)
        places = np.array(list(found.values()), float).reshape(-1, 3)
        for target, points in zip(
            self.files.side(OWN, "desc-planted_landmarks.tsv"), (places, self.field.planted(places)), strict=True
        ):
            bids.write_landmarks(target, zip(range(1, len(found) + 1), found, points, strict=True))


def side_files(scan: Scan) -> Iterator[tuple[Path, str, str]]:
    """Label maps and masks of a scan: each with its derivative in the new dataset, and the ending of its name there."""
    for source, path in sorted(scan.labels.items()):
        yield path, source, "dseg"
    for source, structures in sorted(scan.structures.items()):
        for structure, path in sorted(structures.items()):
            kind = "probseg" if "_probseg." in path.name else "mask"
            yield path, source, f"label-{structure}_{kind}"
    if scan.mask:
        yield scan.mask, OWN, "desc-brain_mask"
    if scan.landmark_map:
        yield scan.landmark_map, OWN, "desc-landmarks_dseg"


def _truth_sidecar(files: ScanFiles) -> dict[str, str | list[str]]:
    return {**bids.TRUTH_SIDECAR, "Sources": [files.uri(files.planted), files.uri(files.original)]}


def _shape(volume: Volume) -> tuple[int, int, int]:
    x, y, z = volume.data.shape
    return x, y, z


def _smallest(labels: npt.NDArray[np.int32]) -> Array:
    """The same labels in the smallest type that holds them."""
    return labels.astype(np.int16) if np.abs(labels).max(initial=0) < 2**15 else labels


def _copy(source: Path, target: Path) -> None:
    with written_aside(target) as aside:
        shutil.copyfile(source, aside)
