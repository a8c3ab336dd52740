"""One pair of people, told in other ways: the same anatomy in other files. What is measured is scored without containers."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Prepared, Scan
from lumirage.core.space import Displacement, write_displacement
from lumirage.core.track import Prepare, SourceLabels, Track
from lumirage.planning.preparation import Preparer
from lumirage.scoring.pair_scores import score_pair
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_files import Direction, ScoreTask

Image = Any  # nibabel's images are untyped
Retell = Callable[[Image], Image]
Point = tuple[float, float, float]
Scores = dict[tuple[str, str, str, str], float]
"""Method, preset, metric, label or landmark -> value."""

WAYS = [
    np.array(list(zip(axes, flips, strict=True)))
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
"""The 48 orders and directions of a stored volume."""
CHOICES = {"phantom": SourceLabels()}
METHODS = ("identity", "affine", "wave")


@dataclass(frozen=True)
class Person:
    """The files of one subject."""

    image: Path
    labels: Path
    mask: Path
    landmarks: Path

    @classmethod
    def of_phantom(cls, root: Path, subject: str) -> "Person":
        side = root / f"derivatives/phantom/sub-{subject}/anat"
        return cls(
            root / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz",
            side / f"sub-{subject}_seg-phantom_dseg.nii.gz",
            side / f"sub-{subject}_desc-brain_mask.nii.gz",
            side / f"sub-{subject}_desc-phantom_landmarks.tsv",
        )

    def told(
        self,
        folder: Path,
        image: Retell,
        *,
        labels: Retell | None = None,
        ending: str = ".nii",
        moved: Point = (0, 0, 0),
    ) -> "Person":
        """The same person, written anew; `moved`: by how much the change moves the world, for the landmarks."""
        folder.mkdir(parents=True)
        found = {}
        for name, path, change in (
            ("image", self.image, image),
            ("labels", self.labels, labels or image),
            ("mask", self.mask, image),
        ):
            found[name] = folder / f"{name}{ending}"
            nib.save(change(nib.load(path)), found[name])
        table = pd.read_csv(self.landmarks, sep="\t")
        table[["x", "y", "z"]] += np.array(moved)
        table.to_csv(folder / "landmarks.tsv", sep="\t", index=False)
        return Person(**found, landmarks=folder / "landmarks.tsv")

    def scan(self, name: str) -> Scan:
        return Scan(
            name=f"sub-{name}_T1w", subject=name, suffix="T1w", image=self.image, labels={"phantom": self.labels},
            mask=self.mask, landmarks=self.landmarks,
        )  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What came of one pair: the record, the bytes that methods were given, and all scores."""

    prepared: Prepared
    given: tuple[bytes, bytes]
    scores: Scores


def measure(
    out: Path, fixed: Person, moving: Person, *, names: tuple[str, str] = ("a", "b"), threads: int = 1
) -> Measured:
    """Prepare and score the sentinels and a made answer, a smooth wave along the axes of the working grid."""
    track = Track(name="retold", prepare=Prepare())
    pair = Pair(fixed=fixed.scan(names[0]), moving=moving.scan(names[1]))
    prepared = Preparer(Layout(out)).prepare(pair, track.prepare)
    answer = out / "wave.nii"
    write_displacement(answer, wave(prepared))
    scores: Scores = {}
    for method in METHODS:
        task = ScoreTask(
            method, "reference", 0, Direction(pair, prepared, answer if method == "wave" else None), track, {}, CHOICES
        )
        for preset, rows in score_pair(task.load(), [preset_named("strict")], threads=threads).items():
            for row in rows:
                if row.value is not None:
                    scores[method, preset, row.metric, str(row.name or row.label)] = row.value
    return Measured(prepared, (prepared.fixed.read_bytes(), prepared.moving.read_bytes()), scores)


def wave(prepared: Prepared) -> Displacement:
    """Up to 6 mm, smooth, and with a place where it folds."""
    random = np.random.default_rng(7).normal(0, 1, (*prepared.grid.shape, 3))
    smooth = np.stack([ndimage.gaussian_filter(random[..., k], 2.5) for k in range(3)], axis=-1)
    u = (6.0 / np.abs(smooth).max() * smooth).astype(np.float32)
    return Displacement(u, np.array(prepared.grid.affine))


def spread(told: list[Scores]) -> float:
    """The largest difference of any value between any two tellings; infinite where one has a value that another lacks."""
    first = told[0]
    if any(scores.keys() != first.keys() for scores in told):
        return float("inf")
    return max(max(s[key] for s in told) - min(s[key] for s in told) for key in first)


# -- tellings ----------------------------------------------------------------------------------------------------------


def reoriented(way: np.ndarray) -> Retell:
    return lambda image: image.as_reoriented(way)


def shifted(mm: Point) -> Retell:
    def change(image: Image) -> Image:
        affine = image.affine.copy()
        affine[:3, 3] += mm
        return nib.Nifti1Image(np.asarray(image.dataobj), affine)

    return change


def as_float64(image: Image) -> Image:
    return nib.Nifti1Image(np.asarray(image.dataobj).astype(np.float64), image.affine)


def as_nifti2(image: Image) -> Image:
    return nib.Nifti2Image(np.asarray(image.dataobj), image.affine)


def renumbered(image: Image) -> Image:
    """Labels by other numbers, in the opposite order."""
    data = np.asarray(image.dataobj).astype(np.int32)
    return nib.Nifti1Image(np.where(data > 0, 5000 - 7 * data, 0).astype(np.int32), image.affine)


def big_endian(image: Image) -> Image:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(image.get_data_dtype())
    return nib.Nifti1Image(np.asarray(image.dataobj), image.affine, header)
