"""Reads the inputs of scoring from disk. One task is one answer to one pair, small enough to send to a worker process."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lumirage.core import space
from lumirage.core.checksums import file_digest
from lumirage.core.dataset_files import refuse_changed
from lumirage.core.label_files import label_files, read_label_files, structure_numbers
from lumirage.core.label_words import SourceLabels
from lumirage.core.landmark_files import read_landmarks
from lumirage.core.model import Grid, Pair, Prepared, Scan
from lumirage.core.native_images import read_image, read_label_map, read_true_displacement
from lumirage.core.space import Displacement, Single, Volume
from lumirage.core.stored_images import read_stored_displacement, read_stored_volume
from lumirage.core.track import Track
from lumirage.scoring.label_maps import renumbered, values_in
from lumirage.scoring.score_inputs import LabelMaps, Landmarks, ScoreInputs


@dataclass(frozen=True)
class Direction:
    """One registered direction: the prepared pair, and the answer's file; no file for the sentinels."""

    pair: Pair
    prepared: Prepared
    field: Path | None
    checksum: str = ""
    """Checksum of that file; empty if it was not recorded."""


@dataclass(frozen=True)
class ScoreTask:
    """One answer to be scored. `backward` is the answer to the reversed pair, if it was run."""

    method: str
    condition: str
    repeat: int
    forward: Direction
    track: Track
    names: Mapping[str, Mapping[int, str]]
    choices: Mapping[str, SourceLabels]
    backward: Direction | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    """Scan and kind of file -> hash of its content, as in `Evaluation.contents`; without files that are not known."""

    @property
    def pair(self) -> Pair:
        """The pair that was registered."""
        return self.forward.pair

    @property
    def answers(self) -> str:
        """Checksums of the answers that it scores, the backward one after a plus; empty if none is known."""
        back = self.backward.checksum if self.backward else ""
        return f"{self.forward.checksum}+{back}" if back else self.forward.checksum

    @property
    def shared_with(self) -> tuple[str, ...]:
        """The same for all answers to the same prepared images."""
        checksums = self.forward.prepared.checksums
        return self.pair.id, self.condition, str(self.forward.prepared.fixed), *checksums.values()

    def load(self) -> ScoreInputs:
        """Read everything. Raises DataError, and DamagedFileError for files of the harness."""
        pair, prepared = self.pair, self.forward.prepared
        refuse_changed(pair, self.known)
        return replace(
            _geometry(self.method, self.forward),
            labels=self._label_maps(),
            landmarks=_landmarks(pair),
            landmark_regions=_landmark_regions(pair),
            mask=_read_labels(pair.fixed.mask) if pair.fixed.mask else None,
            fixed_image=_read_native(pair.fixed.image),
            moving_image=_read_native(pair.moving.image),
            prepared_fixed=_prepared(prepared.fixed, prepared.grid, prepared.checksums.get("fixed", "")),
            prepared_moving=_prepared(prepared.moving, prepared.grid, prepared.checksums.get("moving", "")),
            truth=_read_truth(pair.truth, pair.fixed.image) if pair.truth else None,
            backward=_geometry(self.method, self.backward) if self.backward else None,
            score_grid=self.track.score_grid,
        )

    def _label_maps(self) -> dict[str, LabelMaps]:
        """The label sources that both scans have."""
        scans = self.pair.fixed, self.pair.moving
        maps = {}
        for source, choice in sorted(self.choices.items()):
            if all(label_files(scan, source) for scan in scans):
                names = self.names.get(source, {})
                fixed, moving = (_read_source(scan, source, names, choice) for scan in scans)
                maps[source] = LabelMaps(fixed, moving, names, _scored(fixed, moving, choice), choice.groups)
        return maps


def _geometry(method: str, direction: Direction) -> ScoreInputs:
    """The map alone. The sentinel `identity` does not use the affine."""
    prepared = direction.prepared
    affine = np.eye(4) if method == "identity" else np.array(prepared.affine)
    if direction.field is None:
        return ScoreInputs(space.zero_displacement(prepared.grid), affine)
    return ScoreInputs(read_stored_displacement(direction.field, prepared.grid, direction.checksum), affine)


def _scored(fixed: Volume, moving: Volume, choice: SourceLabels) -> tuple[int, ...]:
    if choice.include:
        return tuple(label for label in choice.include if label not in choice.exclude)
    found = {label for volume in (fixed, moving) for label in values_in(volume.data)}
    return tuple(sorted(found - {0} - set(choice.exclude)))


def _landmarks(pair: Pair) -> Landmarks | None:
    """The landmarks that both scans have, by name."""
    if not pair.fixed.landmarks or not pair.moving.landmarks:
        return None
    fixed, moving = read_landmarks(pair.fixed.landmarks), read_landmarks(pair.moving.landmarks)
    names = tuple(name for name in fixed if name in moving)
    here, there = (np.array([points[n] for n in names]).reshape(-1, 3) for points in (fixed, moving))
    return Landmarks(here, there, names, (len(fixed) - len(names), len(moving) - len(names)))


def _landmark_regions(pair: Pair) -> LabelMaps | None:
    """The maps of landmarks that both scans have."""
    if not pair.fixed.landmark_map or not pair.moving.landmark_map:
        return None
    fixed, moving = _read_labels(pair.fixed.landmark_map), _read_labels(pair.moving.landmark_map)
    return LabelMaps(fixed, moving, {}, _scored(fixed, moving, SourceLabels()))


def _read_source(scan: Scan, source: str, names: Mapping[int, str], choice: SourceLabels) -> Volume:
    files = label_files(scan, source)
    digests = tuple(file_digest(path) for path in files)
    return _cached_source(files, digests, structure_numbers(scan, source, names), tuple(choice.mapped.items()))


@functools.lru_cache(maxsize=16)
def _cached_source(
    files: tuple[Path, ...], _digests: tuple[str, ...], numbers: tuple[int, ...], mapped: tuple[tuple[int, int], ...]
) -> Volume:
    """Cached: the methods of a pair are scored one after another, so its label maps of all sources are unpacked once."""
    volume = read_label_files(files, numbers)
    return Volume(renumbered(volume.data, dict(mapped)), volume.affine) if mapped else volume


def _read_labels(path: Path) -> Volume:
    return _cached_labels(path, file_digest(path))


@functools.lru_cache(maxsize=4)
def _cached_labels(path: Path, _digest: str) -> Volume:
    """A mask, or a map of landmarks."""
    return read_label_map(path)


def _read_native(path: Path) -> Volume:
    return _cached_image(path, file_digest(path))


@functools.lru_cache(maxsize=2)
def _cached_image(path: Path, _digest: str) -> Volume:
    """The two images of the pair whose methods are scored one after another, in C order as the kernels read them."""
    image = read_image(path)
    return Volume(np.ascontiguousarray(image.data), image.affine)


@functools.lru_cache(maxsize=2)
def _prepared(path: Path, grid: Grid, wanted: str) -> Single:
    """The two images of the pair whose methods are scored one after another."""
    return read_stored_volume(path, grid, wanted)


def _read_truth(path: Path, fixed: Path) -> Displacement:
    return _cached_truth(path, file_digest(path), fixed)


@functools.lru_cache(maxsize=1)
def _cached_truth(path: Path, _digest: str, fixed: Path) -> Displacement:
    """On the native grid of the fixed image."""
    return read_true_displacement(path, fixed)
