"""What a method container needs to be run by the harness: reads job.json, prints the events, writes the answers.

Copied into the image beside run.py; needs numpy and nibabel, and nothing of the harness. A whole run.py:

    import lumirage_kit

    job = lumirage_kit.read_job()          # register /in/job.json /out
    for pair in job:                       # prints "begin" and "end" around the body
        fixed, moving = pair.load()        # float32 arrays (X, Y, Z), one grid, RAS or as the card's `needs` say
        pair.write(register(fixed, moving, **job.parameters))

An exception ends the container: the pair under way failed, and the harness gives the rest to a new one.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

CONTRACT = 1


def say(event: str, **details: Any) -> None:
    """Print one event line at once: the harness stamps it with its own clock when it arrives."""
    print("@lumirage", json.dumps({"event": event, **details}), flush=True)


@dataclass(frozen=True)
class Pair:
    """Two images on one grid, and the folder where the answer goes."""

    id: str
    fixed: Path
    moving: Path
    out: Path
    truth: Path | None = None

    @property
    def affine(self) -> np.ndarray:
        """Voxel to world (RAS+ mm), 4x4; the same for both images."""
        return np.asarray(nib.load(self.fixed).affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis; the same for both images."""
        return tuple(nib.load(self.fixed).shape)

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """The fixed and the moving image, float32 (X, Y, Z)."""
        return load_image(self.fixed), load_image(self.moving)

    def phase(self, name: str) -> None:
        """Say that `name` starts now; it lasts until the next phase or the end of the pair."""
        say("phase", pair=self.id, phase=name)

    def write(self, field: np.ndarray, moved: np.ndarray | None = None, info: dict[str, Any] | None = None) -> None:
        """Write the answer: `field` (X, Y, Z, 3) in the card's convention, maybe the moved image and notes."""
        if moved is not None:
            self._save("moved.nii", moved)
        if info is not None:
            write_aside(self.out / "info.json", json.dumps(info).encode())
        self._save("displacement.nii", field)

    def _save(self, name: str, data: np.ndarray) -> None:
        image = nib.Nifti1Image(np.asarray(data, dtype=np.float32), self.affine)
        image.header.set_xyzt_units("mm")
        if data.ndim == 4:
            image.header.set_intent("vector")
        aside = self.out / f"aside-{name}"
        nib.save(image, aside)
        aside.rename(self.out / name)


@dataclass(frozen=True)
class Job:
    """The pairs to register, in order, and how. Iterating prints the events around each pair."""

    pairs: tuple[Pair, ...]
    threads: int
    seed: int
    device: str
    parameters: dict[str, Any]

    def __iter__(self) -> Iterator[Pair]:
        for pair in self.pairs:
            say("begin", pair=pair.id)
            pair.out.mkdir(parents=True, exist_ok=True)
            yield pair
            say("end", pair=pair.id)


def read_job() -> Job:
    """The job that the command line names: `register JOB.JSON OUT`. Anything else ends the program with code 2."""
    if len(sys.argv) != 4 or sys.argv[1] != "register":
        sys.exit(f"usage: {sys.argv[0]} register JOB.JSON OUT")
    path, out = Path(sys.argv[2]), Path(sys.argv[3])
    spec = json.loads(path.read_text())
    if spec["contract"] != CONTRACT:
        sys.exit(f"this image knows contract {CONTRACT}, the harness asks for {spec['contract']}: rebuild the image")
    return Job(
        pairs=tuple(_pair(item, path.parent, out) for item in spec["pairs"]),
        threads=spec.get("threads", 1),
        seed=spec.get("seed", 0),
        device=spec.get("device", "cpu"),
        parameters=spec.get("parameters", {}),
    )


def _pair(item: dict[str, str], folder: Path, out: Path) -> Pair:
    truth = folder / item["truth"] if item.get("truth") else None
    return Pair(item["id"], folder / item["fixed"], folder / item["moving"], out / item["id"], truth)


def weights(name: str) -> Path:
    """Where the file of trained weights called `name` lies: under /weights, or where the runtime `local` has them."""
    return Path(os.environ.get("LUMIRAGE_WEIGHTS", "/weights")) / name


def load_image(path: Path) -> np.ndarray:
    """One image as float32 in its own axis order."""
    return np.asarray(nib.load(path).dataobj, dtype=np.float32)


def unit_range(image: np.ndarray) -> np.ndarray:
    """An image from 0, its least value, to 1, its greatest; zero where it has one value only. Contiguous, float32."""
    low, high = float(image.min()), float(image.max())
    scale = 1 / (high - low) if high > low else 0.0
    return np.ascontiguousarray((image - low) * scale, dtype=np.float32)


def write_aside(path: Path, data: bytes) -> None:
    """Write beside the target, then rename: a file that is there is complete."""
    aside = path.with_name(f"aside-{path.name}")
    aside.write_bytes(data)
    aside.rename(path)
