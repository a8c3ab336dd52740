"""CPU time, wall time and peak memory of scoring, ours and what one would otherwise use, in one run: benchmarks/scoring.md.

python benchmarks/scoring.py [--sizes lumir large] [--reference-python PYTHON]

Labels (133), images and displacement are made here. Every measurement is a process of its own; ours does its work once to
warm up and is measured the second time; memory is the peak of the whole process, inputs included. `surface-distance` needs
numpy < 2: give a Python that has it (and numpy 1.26, scipy 1.13) with --reference-python. What takes minutes is measured on
a sample of labels and multiplied, and says so.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {"lumir": (160, 224, 192), "large": (352, 352, 256)}
LABELS = 133
SAMPLE = 6
"""Labels on which the slow ones are measured."""

Arrays = dict[str, Any]
Work = Callable[[Arrays, int], float]
"""Does the work on so many threads; gives the factor by which its time is to be multiplied."""


# -- ours --------------------------------------------------------------------------------------------------------------


def _overlap(data: Arrays, threads: int) -> Any:
    from lumirage.scoring.label_maps import LabelSet, relabel
    from lumirage.scoring.label_warp import warp_voxels

    labels = LabelSet.of(range(LABELS))
    maps = [relabel(data[name], labels, threads) for name in ("fixed", "moving")]
    return warp_voxels(maps[0], maps[1], data["field"], threads)


def ours_overlap(data: Arrays, threads: int) -> float:
    """Warp, overlap, Dice."""
    from lumirage.scoring.overlap import dice

    dice(_overlap(data, threads))
    return 1


def ours_surfaces(data: Arrays, threads: int) -> float:
    """HD95 of all labels; the warp is part of it."""
    from lumirage.scoring.surface import SurfaceOptions, surface_distances

    overlap = _overlap(data, threads)
    surface_distances(overlap.fixed, overlap.warped, SurfaceOptions(official_ties=True, mean=False), threads)
    return 1


def ours_regularity(data: Arrays, threads: int) -> float:
    """NDV, voxels, tetrahedra, SDlogJ."""
    from lumirage.scoring.regularity import mask_bits, regularity

    regularity(data["field"], mask_bits([data["image"]], data["image"].shape), 1, threads)
    return 1


def ours_lumir(data: Arrays, threads: int) -> float:
    """All of LUMIR's metrics."""
    ours_surfaces(data, threads)
    ours_regularity(data, threads)
    return 1


def ours_strict(data: Arrays, threads: int) -> float:
    """Preset strict through `score_pair`: with mean distances, similarity, everything in millimetres."""
    from lumirage.core.space import Displacement, Volume
    from lumirage.scoring.pair_scores import score_pair
    from lumirage.scoring.presets import PRESETS
    from lumirage.scoring.score_inputs import LabelMaps, ScoreInputs

    world = np.eye(4)
    maps = LabelMaps(Volume(data["fixed"], world), Volume(data["moving"], world), scored=tuple(range(1, LABELS)))
    u = np.moveaxis(data["field"], 0, -1)
    image = Volume(data["image"], world)
    given = ScoreInputs(Displacement(u, world), world, {"labels": maps}, fixed_image=image, moving_image=image)
    score_pair(given, [PRESETS["strict"]], threads=threads)
    return 1


# -- others ------------------------------------------------------------------------------------------------------------


def scipy_overlap(data: Arrays, _threads: int) -> float:
    """What the challenges' code does: map_coordinates, then each label's masks."""
    from scipy.ndimage import map_coordinates

    grid = np.meshgrid(*(np.arange(n) for n in data["fixed"].shape), indexing="ij")
    fixed, moving = data["fixed"].astype(np.float64), data["moving"].astype(np.float64)
    warped = map_coordinates(moving, grid + data["field"].astype(np.float64), order=0)
    for label in range(LABELS):
        f, w = fixed == label, warped == label
        _ = (moving == label).sum(), 2 * (f & w).sum() / max(f.sum() + w.sum(), 1)
    return 1


def surface_distance_surfaces(data: Arrays, _threads: int) -> float:
    """DeepMind's surface-distance, as the challenges call it, on a sample of labels."""
    from surface_distance import compute_robust_hausdorff, compute_surface_distances

    for label in range(1, LABELS, LABELS // SAMPLE):
        masks = data["fixed"] == label, data["moving"] == label
        compute_robust_hausdorff(compute_surface_distances(*masks, np.ones(3)), 95.0)
    return LABELS / len(range(1, LABELS, LABELS // SAMPLE))


def simpleitk_overlap(data: Arrays, threads: int) -> float:
    """Resample with a displacement field transform, then LabelOverlapMeasures."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    fixed, moving = (sitk.GetImageFromArray(data[name]) for name in ("fixed", "moving"))
    field = sitk.GetImageFromArray(np.moveaxis(data["field"][::-1], 0, -1).astype(np.float64), isVector=True)
    warped = sitk.Resample(moving, fixed, sitk.DisplacementFieldTransform(field), sitk.sitkNearestNeighbor)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(fixed, warped)
    _ = [measures.GetDiceCoefficient(label) for label in range(1, LABELS)]
    return 1


def simpleitk_surfaces(data: Arrays, threads: int) -> float:
    """Hausdorff distance (the maximum: it has no percentile) by distance maps, on a sample of labels."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    fixed, moving = (sitk.GetImageFromArray(data[name]) for name in ("fixed", "moving"))
    sample = range(1, LABELS, LABELS // 2)
    for label in sample:
        sitk.HausdorffDistanceImageFilter().Execute(fixed == label, moving == label)
    return LABELS / len(sample)


def simpleitk_regularity(data: Arrays, threads: int) -> float:
    """One central-difference determinant a voxel, of our eleven."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    field = sitk.GetImageFromArray(np.moveaxis(data["field"][::-1], 0, -1).astype(np.float64), isVector=True)
    determinants = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field))
    _ = (determinants <= 0).sum(), np.log(np.clip(determinants + 3, 1e-9, 1e9)).std()
    return 1


def monai_surfaces(data: Arrays, _threads: int) -> float:
    """MONAI's HD95 of voxel surfaces, on a sample of labels."""
    import torch
    from monai.metrics import compute_hausdorff_distance

    sample = range(1, LABELS, LABELS // SAMPLE)
    for label in sample:
        masks = [torch.as_tensor(data[name] == label)[None, None] for name in ("moving", "fixed")]
        compute_hausdorff_distance(*masks, include_background=True, percentile=95)
    return LABELS / len(sample)


WORKS: dict[str, tuple[Work, str]] = {
    "ours: warp, overlap, Dice": (ours_overlap, ""),
    "ours: the same and HD95": (ours_surfaces, ""),
    "ours: Jacobian metrics": (ours_regularity, ""),
    "ours: all of LUMIR": (ours_lumir, ""),
    "ours: all of strict": (ours_strict, ""),
    "scipy: warp, Dice": (scipy_overlap, "ours: warp, overlap, Dice"),
    "SimpleITK: warp, Dice": (simpleitk_overlap, "ours: warp, overlap, Dice"),
    "surface-distance: HD95": (surface_distance_surfaces, "ours: the same and HD95"),
    "SimpleITK: Hausdorff": (simpleitk_surfaces, "ours: the same and HD95"),
    "MONAI: HD95": (monai_surfaces, "ours: the same and HD95"),
    "SimpleITK: one determinant": (simpleitk_regularity, "ours: Jacobian metrics"),
}
"""Name -> work, and the work of ours that it is held against."""

REFERENCE = {"surface-distance: HD95"}
"""Run by --reference-python."""


# -- measuring ---------------------------------------------------------------------------------------------------------


def make_data(size: str, folder: Path) -> Path:
    """Brain-like: 132 cells of random seeds inside an ellipsoid, a smooth displacement, an image."""
    from scipy.ndimage import zoom
    from scipy.spatial import cKDTree

    shape, rng = SIZES[size], np.random.default_rng(0)
    coarse = tuple(-(-n // 2) for n in shape)
    at = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in coarse), indexing="ij"), axis=-1)
    seeds = rng.uniform(-0.6, 0.6, (LABELS - 1, 3))
    inside = ((at / 0.75) ** 2).sum(axis=-1) <= 1
    cells = np.zeros(coarse, np.uint8)
    cells[inside] = cKDTree(seeds).query(at[inside])[1] + 1
    fixed = np.ascontiguousarray(cells.repeat(2, 0).repeat(2, 1).repeat(2, 2)[: shape[0], : shape[1], : shape[2]])
    moving = np.roll(fixed, (1, -1, 1), axis=(0, 1, 2))
    control = rng.normal(size=(3, 8, 8, 8)) * 3
    field = np.stack([zoom(c, [n / 8 for n in shape], order=3)[: shape[0], : shape[1], : shape[2]] for c in control])
    path = folder / f"{size}.npz"
    np.savez(path, fixed=fixed, moving=moving, field=field.astype(np.float32), image=fixed.astype(np.float32))
    return path


def measure(name: str, path: Path, threads: int) -> None:
    """In a process of its own: prints one line of JSON."""
    with np.load(path) as stored:
        data = {key: stored[key] for key in stored.files}
    work = WORKS[name][0]
    if name.startswith("ours"):
        work(data, threads)  # loads the compiled kernels
    cpu, wall = time.process_time(), time.perf_counter()
    factor = work(data, threads)
    used = {"cpu_s": (time.process_time() - cpu) * factor, "wall_s": (time.perf_counter() - wall) * factor}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(used | {"factor": factor, "peak_bytes": peak}))


def run_all(sizes: list[str], reference: str | None) -> list[str]:
    """Rows of the table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = make_data(size, Path(folder))
            for threads in (1, 2):
                found = {name: _child(name, path, threads, reference) for name in WORKS}
                rows += [_row(size, threads, name, found) for name in WORKS]
    return [row for row in rows if row]


def _child(name: str, path: Path, threads: int, reference: str | None) -> dict[str, float] | None:
    python = (reference if name in REFERENCE else sys.executable) or sys.executable
    environment = os.environ | {v: str(threads) for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    # -P: files beside this one must not hide packages
    call = [python, "-P", __file__, "--child", name, str(path), str(threads)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: not measured ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
        return None
    print(f"{path.stem} {threads} {name}: {done.stdout.strip()}", file=sys.stderr)
    return dict(json.loads(done.stdout))


def _row(size: str, threads: int, name: str, found: dict[str, dict[str, float] | None]) -> str:
    used, against = found[name], found.get(WORKS[name][1])
    if used is None:
        return ""
    ratio = f"{used['cpu_s'] / against['cpu_s']:.1f}" if against else ""
    sampled = " (from a sample)" if used["factor"] != 1 else ""
    return (
        f"| {size} | {threads} | {name}{sampled} | {used['cpu_s']:.2f} | {used['wall_s']:.2f} | {ratio} "
        f"| {used['peak_bytes'] / 1e9:.2f} |"
    )


def main() -> None:
    """Measure, print, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--reference-python", help="a Python with surface-distance and numpy < 2")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(given.child[0], Path(given.child[1]), int(given.child[2]))
        return
    load = os.getloadavg()[0]
    shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in SIZES.items())
    head = f"""# Cost of scoring

Made by `python benchmarks/scoring.py` on {os.cpu_count()} CPUs, load {load:.1f} before it began.
Sizes: {shapes}; {LABELS} labels. Ours after one warm-up run; memory is the whole process with its
inputs. The ratio is CPU time over that of our row for the same.

| size | threads | what | CPU s | wall s | times ours | peak GB |
|---|---|---|---|---|---|---|
"""
    given.out.write_text(head + "\n".join(run_all(given.sizes, given.reference_python)) + "\n")
    print(given.out.read_text())


if __name__ == "__main__":
    main()
