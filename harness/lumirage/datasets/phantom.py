"""Makes the phantom: a small BIDS dataset of synthetic people with known anatomy and known true pairwise fields.

Every person is the template brain seen through a smooth known deformation. phi_s maps the world of person s to the
template, so the true field of a pair is u(x) = phi_moving^-1(phi_fixed(x)) - x, evaluated at every voxel and not resampled.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lumirage.core.errors import UsageError, nearest
from lumirage.core.model import Shape
from lumirage.core.screen import Screen, Silent
from lumirage.core.space import Displacement, points, write_displacement, write_volume
from lumirage.datasets import bids_tree as bids
from lumirage.datasets.phantom_anatomy import LANDMARKS, STRUCTURES, Labels, brain_depth, in_box, layers
from lumirage.datasets.phantom_contrasts import CONTRASTS, Signal, scanned, tissue_signal
from lumirage.datasets.phantom_deformation import Deformation, Points, random_deformation

FIELD_OF_VIEW_MM = np.array([160.0, 224.0, 192.0])
CENTRE_MM = np.array([0.0, -17.0, 8.0])
"""Middle of the field of view, in template and subject world."""
MOST_SUBJECTS_ALL_PAIRS = 6
SLAB = 1 << 13
"""Brain voxels computed at once, few enough that the anatomy's temporaries stay in the cache."""
FAR = 20.0
"""Distance from a structure, in softnesses, at which its share, exp(-20), vanishes in float32."""

README = """Made-up people: one template brain seen through known smooth deformations. No data of any person.
Made by lumirage-harness {how}.
derivatives/phantom: labels, brain masks and landmarks. derivatives/truth: the true displacement fields of pairs.
"""
TRUTH_README = """True displacement fields, sub-F_from-subM_to-subF_mode-image_xfm.nii, on the native grid of F, the fixed one
(with sessions sub-F_ses-S_from-subMsesS_to-subFsesS_...).
u(x) in millimetres, world axes RAS+, pull: a point x of the fixed image F shows what the moving image M has at x + u(x).
NIfTI-1, float32, (X, Y, Z, 1, 3), intent vector (1007); not compressed, as gzip saves a third and costs most of the time.
They hold for all contrasts; from one contrast of a person to another of the same person u is 0.
"""


@dataclass(frozen=True)
class Body:
    """How far and how smoothly people differ from the template, mm."""

    amplitude_mm: float
    smoothness_mm: float

    @property
    def session(self) -> str:
        """Name of the session in which people have such bodies: amp1p5smooth20."""
        return f"amp{self.amplitude_mm:g}smooth{self.smoothness_mm:g}".replace(".", "p")


def bodies_of(amplitudes_mm: Sequence[float], smoothnesses_mm: Sequence[float]) -> tuple[Body, ...]:
    """The first amplitude with every smoothness, and every amplitude with the first smoothness: one varies at a time."""
    first = [Body(amplitudes_mm[0], smoothness) for smoothness in smoothnesses_mm]
    return (*first, *(Body(amplitude, smoothnesses_mm[0]) for amplitude in amplitudes_mm[1:]))


@dataclass(frozen=True)
class PhantomSpec:
    """What to make. The same spec gives the same bytes.

    bodies: (amplitude, smoothness) of the people's deformations, mm: the root mean square displacement between a person
    and the template (between two people about 1.4 times that), and its correlation length. With more than one,
    every person has as many sessions, one for each kind of body.
    """

    subjects: int = 4
    spacing_mm: float = 2.0
    contrasts: tuple[str, ...] = ("T1w", "T2w")
    seed: int = 0
    bodies: tuple[Body, ...] = (Body(3.0, 20.0),)

    def __post_init__(self) -> None:
        if not 2 <= self.subjects <= 999:
            raise UsageError(f"a phantom has 2 to 999 subjects, not {self.subjects}")
        if not 0.4 <= self.spacing_mm <= 8.0:
            raise UsageError(f"the phantom's spacing must be 0.4 to 8 mm, not {self.spacing_mm:g}")
        if self.seed < 0:
            raise UsageError("the seed must not be negative")
        if any(b.amplitude_mm < 0 or not 5.0 <= b.smoothness_mm <= 200.0 for b in self.bodies):
            raise UsageError("amplitudes must not be negative, smoothnesses 5 to 200 mm")
        if not self.bodies or len(set(self.bodies)) < len(self.bodies):
            raise UsageError("name at least one amplitude and smoothness, and each only once")
        if not self.contrasts or len(set(self.contrasts)) < len(self.contrasts):
            raise UsageError("name at least one contrast, and each only once")
        for contrast in self.contrasts:
            if contrast not in CONTRASTS:
                raise UsageError(f"unknown contrast {contrast!r}{nearest(contrast, CONTRASTS)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Subject labels: 01, 02 ..."""
        width = max(2, len(str(self.subjects)))
        return tuple(f"{number:0{width}}" for number in range(1, self.subjects + 1))

    def visit(self, subject: int, body: Body) -> str:
        """BIDS entities of a person with one of the bodies: sub-01, or sub-01_ses-amp3smooth20 if there are several."""
        return f"sub-{self.names[subject]}" + (f"_ses-{body.session}" if len(self.bodies) > 1 else "")


def make_phantom(out: Path, spec: PhantomSpec, screen: Screen | None = None) -> None:
    """Make the dataset `out`: raw images, derivatives/phantom (labels, masks, landmarks), derivatives/truth (fields).

    Fields are written for all ordered pairs of up to 6 subjects, else for neighbours in the chain, both ways; with more
    than one contrast also the zero field of each subject with itself.
    Written in a temporary folder and renamed. Raises UsageError if `out` is not empty or the amplitude is too large for the
    smoothness.
    """
    people = {body: subject_deformations(spec, body) for body in spec.bodies}
    visits = list(itertools.product(spec.bodies, range(spec.subjects)))
    screen = screen or Silent()
    with bids.made_aside(out) as root:
        _write_descriptions(root, spec)
        for done, (body, fixed) in enumerate(visits):
            screen.progress("phantom", done, len(visits))
            maps, visit = people[body], spec.visit(fixed, body)
            head = _head(spec, maps[fixed])
            _write_scans(root, spec, (fixed, visit), head)
            _write_landmarks(root, visit, maps[fixed])
            for moving in true_partners(fixed, spec):
                field = _true_field(head, maps[moving], same=moving == fixed)
                _write_truth(root, (visit, spec.visit(moving, body)), field)


@dataclass(frozen=True)
class Head:
    """One person's native grid: its shape and matrix, and the template coordinates of its voxels, (X, Y, Z, 3) mm."""

    shape: Shape
    affine: npt.NDArray[np.float64]
    template: Points


def native_grid(spec: PhantomSpec) -> tuple[Shape, npt.NDArray[np.float64]]:
    """Shape and voxel-to-world matrix (RAS+ mm) of every image of the phantom."""
    counts = np.ceil(FIELD_OF_VIEW_MM / spec.spacing_mm).astype(int)
    affine = np.diag([spec.spacing_mm] * 3 + [1.0])
    affine[:3, 3] = CENTRE_MM - spec.spacing_mm * (counts - 1) / 2.0
    return (int(counts[0]), int(counts[1]), int(counts[2])), affine


def _planes(shape: Shape, affine: npt.NDArray[np.float64]) -> Iterator[tuple[int, Points]]:
    """Every first index x with the world coordinates of its voxels, (Y*Z, 3) mm; a whole grid would take too much memory."""
    y, z = (index.ravel() for index in np.indices(shape[1:]))
    first = points(affine, np.stack([np.zeros(len(y)), y, z], axis=1))
    for x in range(shape[0]):
        yield x, first + x * affine[:3, 0]


def _head(spec: PhantomSpec, body: Deformation) -> Head:
    shape, affine = native_grid(spec)
    template = np.empty((*shape, 3))
    for x, plane in _planes(shape, affine):
        template[x] = body.to_template(plane, row=shape[2]).reshape(*shape[1:], 3)
    return Head(shape, affine, template)


def _true_field(head: Head, moving: Deformation, *, same: bool) -> Displacement:
    """phi_moving^-1(phi_fixed(x)) - x on the fixed grid; exactly 0 for a person with itself."""
    field = np.zeros((*head.shape, 3), np.float32)
    for x, plane in () if same else _planes(head.shape, head.affine):
        there = moving.to_subject(head.template[x].reshape(-1, 3))
        field[x] = (there - plane).reshape(*head.shape[1:], 3)
    return Displacement(field, head.affine)


def subject_deformations(spec: PhantomSpec, body: Body) -> tuple[Deformation, ...]:
    """The template-to-subject maps, one for each subject; they depend neither on spacing nor on contrasts.

    Bodies of one smoothness differ by a factor: the same people, more or less deformed.
    """
    axes = [np.arange(-n / 2, n / 2 + 1, 8.0) + c for n, c in zip(FIELD_OF_VIEW_MM, CENTRE_MM, strict=True)]
    probes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return tuple(
        random_deformation(body.amplitude_mm, body.smoothness_mm, probes, np.random.default_rng([spec.seed, subject]))
        for subject in range(spec.subjects)
    )


def true_partners(fixed: int, spec: PhantomSpec) -> Iterator[int]:
    """The subjects from which a true field to `fixed` is written."""
    for moving in range(spec.subjects):
        near = spec.subjects <= MOST_SUBJECTS_ALL_PAIRS or abs(moving - fixed) <= 1
        if near and (moving != fixed or len(spec.contrasts) > 1):
            yield moving


def painted(
    template: Points, tissues: tuple[Signal, ...], softness_mm: float
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Labels (n,) at template points and the signal of each contrast there, (contrasts, n).

    A label is exact: the topmost structure that contains the point. Between structures a signal follows a
    logistic function of depth, like a voxel with two tissues. Outside the brain both are 0.
    """
    labels = np.zeros(len(template), np.int16)
    signals = np.zeros((len(tissues), len(template)), np.float32)
    candidates = np.flatnonzero(in_box(template))
    for start in range(0, len(candidates), SLAB):
        index = candidates[start : start + SLAB]
        brain = brain_depth(template[index])
        index, brain = index[brain > 0], brain[brain > 0]
        label = np.zeros(len(index), np.int16)
        signal = np.zeros((len(tissues), len(index)), np.float32)
        for everywhere, depths in layers(template[index], brain):
            near = np.flatnonzero(depths > -FAR * softness_mm)
            layer, depth = everywhere[near], depths[near]
            share = (0.5 + 0.5 * np.tanh(depth / (2.0 * softness_mm))).astype(np.float32)
            label[near] = np.where(depth > 0, layer, label[near])
            for row, tissue in enumerate(tissues):
                signal[row, near] += share * (tissue[layer] - signal[row, near])
        labels[index] = label
        signals[:, index] = signal
    return labels, signals


def _write_descriptions(root: Path, spec: PhantomSpec) -> None:
    how = (
        f"dataset phantom --subjects {spec.subjects} --spacing {spec.spacing_mm:g} "
        f"--contrasts {','.join(spec.contrasts)} --seed {spec.seed} "
        f"(amplitude, smoothness: {', '.join(f'{b.amplitude_mm:g} mm, {b.smoothness_mm:g} mm' for b in spec.bodies)})"
    )
    bids.write_raw_description(root, "LUMIRAGE phantom", README.format(how=how))
    bids.write_participants(root, spec.names)
    labels = bids.derivative(root, "phantom")
    bids.write_derivative_description(labels, "phantom", how, "Labels, brain masks and landmarks, known exactly.\n")
    bids.write_label_table(labels, {structure.index: structure.name for structure in STRUCTURES})
    bids.write_derivative_description(bids.derivative(root, "truth"), "truth", how, TRUTH_README)


def _write_scans(root: Path, spec: PhantomSpec, who: tuple[int, str], head: Head) -> None:
    """The images of one visit of a subject (its number and BIDS entities), and its labels and mask."""
    subject, visit = who
    draws = {c: np.random.default_rng([spec.seed, subject + 1, crc32(c.encode())]) for c in spec.contrasts}
    tissues = tuple(tissue_signal(CONTRASTS[contrast], draws[contrast]) for contrast in spec.contrasts)
    labels, signals = painted(head.template.reshape(-1, 3), tissues, softness_mm=0.25 + 0.16 * spec.spacing_mm)
    brain = labels > 0
    world = points(head.affine, np.argwhere(brain.reshape(head.shape)).astype(np.float64))
    for contrast, signal in zip(spec.contrasts, signals, strict=True):
        image = np.zeros(len(labels), np.int16)
        image[brain] = scanned(signal[brain], world, draws[contrast])
        ending = CONTRASTS[contrast].ending
        write_volume(bids.anat_file(root, visit, ending), image.reshape(head.shape), head.affine)
    derived = bids.derivative(root, "phantom")
    for ending, data in (
        ("seg-phantom_dseg.nii.gz", labels),
        ("desc-brain_mask.nii.gz", brain.astype(np.uint8)),
    ):
        write_volume(bids.anat_file(derived, visit, ending), data.reshape(head.shape), head.affine)


def _write_landmarks(root: Path, visit: str, body: Deformation) -> None:
    places = body.to_subject(np.array(list(LANDMARKS.values()), dtype=np.float64))
    path = bids.anat_file(bids.derivative(root, "phantom"), visit, "desc-phantom_landmarks.tsv")
    bids.write_landmarks(path, zip(range(1, len(places) + 1), LANDMARKS, places, strict=True))


def _write_truth(root: Path, visits: tuple[str, str], field: Displacement) -> None:
    """The field of one (fixed, moving) couple of visits, and what it means."""
    fixed, moving = (re.sub(r"[-_]", "", visit) for visit in visits)
    xfm = f"from-{moving}_to-{fixed}_mode-image_xfm"
    truth = bids.derivative(root, "truth")
    write_displacement(bids.anat_file(truth, visits[0], f"{xfm}.nii"), field)
    sources = [f"bids::{visit.replace('_', '/')}" for visit in visits]
    bids.write_sidecar(bids.anat_file(truth, visits[0], f"{xfm}.json"), {**bids.TRUTH_SIDECAR, "Sources": sources})
