"""Defines the phantom's template brain: about forty structures as continuous functions of template coordinates (RAS+ mm).

There is no grid, so that any spacing and any deformation can be sampled exactly. The cortex is a ribbon of even
thickness around sulci; the sulci are the sheets where a random band-limited field on the hemisphere's surface vanishes.
All structures are mirrored: they are given for the right (x > 0) and evaluated at |x|.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lumirage.datasets.phantom_deformation import Points
from lumirage.datasets.phantom_shapes import (
    Depth,
    Knot,
    Triple,
    distance_to_intersection,
    ellipsoid,
    half_space,
    intersection,
    length,
    tube,
    union,
)

Labels: TypeAlias = npt.NDArray[np.int16]
Waves: TypeAlias = npt.NDArray[np.float32]

CORTEX_MM = 3.2
SULCUS_HALF_WIDTH_MM = 0.7
SULCUS_DEPTH_MM = 15.0
GYRUS_MM = 17.0
"""Distance between neighbouring sulci; the folding field's wavelength is twice that."""
CEREBROSPINAL_RIM_MM = 1.5
"""Fluid between the hull of the brain and the edge of the mask."""

HEMISPHERE_CENTRE: Triple = (28.0, -16.0, 14.0)
HEMISPHERE_RADII: Triple = (36.0, 84.0, 56.0)
BOX_CENTRE = np.array([0.0, -16.0, 0.5])
BOX_HALF = np.array([69.0, 90.0, 76.0])

LOBES: dict[str, tuple[Triple, ...]] = {
    "frontal-superior": ((12, 45, 45), (14, 15, 62), (12, 62, 20)),
    "frontal-lateral": ((45, 25, 25), (48, 10, 38), (40, 45, 10), (52, 12, 12)),
    "orbitofrontal": ((18, 40, -18), (35, 32, -14), (12, 60, -8)),
    "sensorimotor": ((35, -18, 62), (54, -10, 36), (10, -22, 66), (60, -8, 18)),
    "parietal": ((25, -55, 60), (52, -48, 36), (10, -55, 48), (45, -62, 36)),
    "temporal": ((58, -20, -6), (48, -20, -34), (30, -30, -24), (40, 14, -30), (56, -52, 2)),
    "occipital": ((30, -90, 8), (10, -85, 15), (20, -78, -6), (12, -72, 24)),
    "cingulate": ((4, -5, 38), (4, 28, 24), (4, -38, 34), (6, 36, 2)),
}
"""Parcel -> points; the cortex belongs to the parcel of its nearest point."""

VENTRICLE: tuple[Knot, ...] = ((9, 28, 6, 3.0), (10, 12, 17, 4.5), (13, -14, 24, 4.0), (22, -38, 16, 5.5))
OCCIPITAL_HORN: tuple[Knot, ...] = ((22, -38, 16, 5.5), (25, -62, 8, 2.5))
TEMPORAL_HORN: tuple[Knot, ...] = ((22, -38, 16, 4.5), (33, -32, -6, 3.0), (34, -14, -17, 2.2))
CAUDATE: tuple[Knot, ...] = ((12, 20, 2, 6.0), (16, 12, 14, 5.0), (20, -8, 23, 3.4), (25, -26, 22, 2.4))
HIPPOCAMPUS: tuple[Knot, ...] = ((24, -12, -18, 5.2), (30, -24, -14, 4.2), (26, -37, -3, 3.0))
MIDBRAIN_TO_MEDULLA: tuple[Knot, ...] = ((0, -22, -8, 14.0), (0, -27, -32, 11.0), (0, -40, -62, 7.5))


@dataclass(frozen=True)
class Structure:
    """A label: its number, its name, and the tissue that gives it its intensity."""

    index: int
    name: str
    tissue: str


_MIDLINE = (("CSF", "csf"), ("third-ventricle", "csf"), ("fourth-ventricle", "csf"), ("brainstem", "brainstem"))
_PAIRED = (
    ("cerebral-white-matter", "white"),
    ("cerebellar-cortex", "grey"),
    ("cerebellar-white-matter", "white"),
    ("lateral-ventricle", "csf"),
    ("thalamus", "thalamus"),
    ("caudate", "striatum"),
    ("putamen", "striatum"),
    ("pallidum", "pallidum"),
    ("hippocampus", "grey"),
    ("amygdala", "grey"),
    *((f"cortex-{lobe}", "grey") for lobe in LOBES),
)
STRUCTURES: tuple[Structure, ...] = tuple(
    Structure(i, name, tissue)
    for i, (name, tissue) in enumerate(
        (*_MIDLINE, *((f"{side}-{name}", tissue) for name, tissue in _PAIRED for side in ("left", "right"))), start=1
    )
)
"""All labels; in a left-right pair the left one comes first, with an index one less than the right one's."""
_INDEX = {s.name.removeprefix("left-"): s.index for s in STRUCTURES if not s.name.startswith("right-")}
_PAIRED_NAMES = frozenset(name for name, _ in _PAIRED)

LANDMARKS: dict[str, Triple] = {
    "frontal pole left": (-12, 68, 2),
    "frontal pole right": (12, 68, 2),
    "occipital pole left": (-14, -98, 8),
    "occipital pole right": (14, -98, 8),
    "temporal pole left": (-42, 22, -26),
    "temporal pole right": (42, 22, -26),
    "vertex": (0, -20, 70),
    "callosum genu": (0, 26, 10),
    "callosum splenium": (0, -38, 12),
    "third ventricle": (0, -12, 2),
    "fourth ventricle": (0, -44, -32),
    "pons": (0, -22, -32),
    "frontal horn left": (-10, 12, 17),
    "frontal horn right": (10, 12, 17),
    "atrium left": (-22, -38, 16),
    "atrium right": (22, -38, 16),
    "thalamus left": (-12, -18, 7),
    "thalamus right": (12, -18, 7),
    "putamen left": (-27, 2, 1),
    "putamen right": (27, 2, 1),
    "hippocampus head left": (-24, -12, -18),
    "hippocampus head right": (24, -12, -18),
    "amygdala left": (-23, -1, -19),
    "amygdala right": (23, -1, -19),
}
"""Points of the template, RAS+ mm."""


def in_box(points: Points) -> npt.NDArray[np.bool_]:
    """Whether points lie in a box around the whole brain, (n,): a cheap test before `brain_depth`."""
    inside = np.ones(len(points), bool)
    for axis in range(3):
        inside &= np.abs(points[:, axis] - BOX_CENTRE[axis]) < BOX_HALF[axis]
    return inside


def brain_depth(points: Points) -> Depth:
    """Depth under the surface of the brain mask, mm; negative outside."""
    right = _mirrored(points)
    hull = union(_cerebrum(right), _cerebellum(right), _brainstem(right), blend_mm=3.0)
    return hull + CEREBROSPINAL_RIM_MM


def layers(points: Points, brain: Depth) -> Iterator[tuple[Labels, Depth]]:
    """The structures at template points (n, 3) of depth `brain` (n,), in painting order: each covers those before.

    Yields the label that every point would get, (n,), and the depth in the structure, (n,) mm, negative outside.
    """
    right = _mirrored(points)
    side = (points[:, 0] >= 0).astype(np.int16)

    def layer(name: str, depth: Depth) -> tuple[Labels, Depth]:
        return (_INDEX[name] + side * np.int16(name in _PAIRED_NAMES)).astype(np.int16), depth

    yield layer("CSF", brain)
    pial = _pial_depth(points, right)
    yield _parcels(right) + side, pial
    yield layer("cerebral-white-matter", pial - CORTEX_MM)
    foliar = _foliar_depth(right)
    yield layer("cerebellar-cortex", foliar)
    yield layer("cerebellar-white-matter", foliar - 2.0)
    yield layer("brainstem", _brainstem(right))
    yield layer("lateral-ventricle", union(*(tube(right, k) for k in (VENTRICLE, OCCIPITAL_HORN, TEMPORAL_HORN))))
    yield layer("hippocampus", tube(right, HIPPOCAMPUS))
    yield layer("amygdala", ellipsoid(right, (23, -1, -19), (7, 6.5, 6)))
    yield layer("thalamus", ellipsoid(right, (11.5, -18, 8), (9, 14.5, 8.5)))
    yield layer("caudate", tube(right, CAUDATE))
    yield layer("putamen", ellipsoid(right, (27.5, 2, 1), (5.5, 16, 10)))
    yield layer("pallidum", ellipsoid(right, (20.5, -3, 0), (4.5, 8.5, 6)))
    yield layer("third-ventricle", ellipsoid(right, (0, -12, 2), (2.2, 14, 9)))
    yield layer("fourth-ventricle", ellipsoid(right, (0, -44, -32), (6, 6, 8)))


def _mirrored(points: Points) -> Points:
    return np.stack([np.abs(points[:, 0]), points[:, 1], points[:, 2]], axis=1)


def _cerebrum(right: Points) -> Depth:
    main = ellipsoid(right, (0, -16, 14), (66, 86, 57))
    base = half_space(right, (0.0, 0.2, 1.0), 22.0)
    temporal = ellipsoid(right, (43, -14, -20), (21, 40, 20))
    return union(intersection(main, base, blend_mm=12.0), temporal, blend_mm=4.0)


def _cerebellum(right: Points) -> Depth:
    lobes = ellipsoid(right, (22, -65, -36), (28, 27, 22))
    vermis = ellipsoid(right, (0, -64, -34), (14, 23, 20))
    tent = half_space(right, (0.0, -0.2, -1.0), -24.0)
    return intersection(union(lobes, vermis, blend_mm=6.0), tent, blend_mm=4.0)


def _brainstem(right: Points) -> Depth:
    pons = ellipsoid(right, (0, -24, -31), (17, 12, 13))
    return union(tube(right, MIDBRAIN_TO_MEDULLA), pons, blend_mm=4.0)


def _core(right: Points) -> Depth:
    """The middle of the brain, where neither fissure nor sulcus reaches."""
    return ellipsoid(right, (0, -13, 6), (42, 45, 25))


def _pial_depth(points: Points, right: Points) -> Depth:
    """Depth under the pial surface of the cerebrum, sulci and fissures included, mm."""
    hull, core = _cerebrum(right), _core(right)
    fissure = distance_to_intersection(1.0 - right[:, 0], -core)
    lips = np.abs(right[:, 2] + 2.0 + 0.33 * right[:, 1]) / 1.05
    sylvian = distance_to_intersection(0.9 - lips, right[:, 0] - 38.0, 34.0 - np.abs(right[:, 1] + 12.0))
    surface = intersection(hull, fissure, blend_mm=2.0)
    sheet, depth_mm = _sulci(points, right)
    sulcus = distance_to_intersection(SULCUS_HALF_WIDTH_MM - sheet, depth_mm - surface, -core - CORTEX_MM)
    return intersection(surface, sylvian, sulcus, blend_mm=0.6)


def _sulci(points: Points, right: Points) -> tuple[Depth, Depth]:
    """Distance to the nearest sulcal sheet, and the depth to which sulci reach there, mm.

    The folding field n is defined on the hemisphere's surface and continued inwards along its radii. For a wave of
    number k, atan2(k |n|, |grad n|) / k is the exact distance to its zeros; for a narrow band of waves nearly so.
    Waves are summed in float32, several times as fast: a sheet's place is a function of the template point all the same,
    within 1.4e-4 mm of the one in float64 at 82 069 points of the brain.
    """
    radii = np.array(HEMISPHERE_RADII)
    scaled = (right + _wander(right) - HEMISPHERE_CENTRE) / radii
    reach = length(scaled) + 1e-9
    unit = scaled / reach[:, None]
    vectors, phases, amplitudes = _folding_waves()
    angles = (unit * radii).astype(np.float32) @ vectors.T + (phases + np.float32(0.35) * (points[:, :1] < 0))
    sines = np.sin(angles)
    field = np.cos(angles) @ amplitudes
    slope = (-sines @ (amplitudes[:, None] * vectors)) * radii
    tangential = slope - unit * np.einsum("ij,ij->i", slope, unit)[:, None]
    gradient = length(tangential / radii) / reach
    number = np.pi / GYRUS_MM
    depth_mm = SULCUS_DEPTH_MM + 4.0 * np.tanh(sines[:, :6].sum(axis=1) / 2.0)
    return np.arctan2(number * np.abs(field), gradient) / number, depth_mm


def _wander(right: Points) -> Points:
    """An offset of a few mm that bends the sulcal sheets, which would otherwise follow the radii straight, (n, 3) mm."""
    turned = right[:, [1, 2, 0]] / 6.5 + right[:, [2, 0, 1]] / 8.0
    offset: Points = 3.0 * np.sin(turned + np.array([0.3, 1.7, 2.9]))
    return offset


@functools.cache
def _folding_waves() -> tuple[Waves, Waves, Waves]:
    """Wave vectors (n, 3) in rad/mm, phases and amplitudes (n,). The template is one brain: its seed is part of it."""
    rng = np.random.default_rng(7)
    count = 48
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.pi / GYRUS_MM * rng.uniform(0.85, 1.3, (count, 1))
    waves = directions * lengths, rng.uniform(0, 2 * np.pi, count), rng.uniform(0.5, 1.0, count)
    return waves[0].astype(np.float32), waves[1].astype(np.float32), waves[2].astype(np.float32)


def _parcels(right: Points) -> Labels:
    """The left label of the nearest lobe, (n,)."""
    seeds = np.array([seed for of_lobe in LOBES.values() for seed in of_lobe], dtype=np.float64)
    owners = np.array([_INDEX[f"cortex-{lobe}"] for lobe, of_lobe in LOBES.items() for _ in of_lobe], np.int16)
    # |p - s|^2 less |p|^2, which is the same for all seeds.
    nearest: Labels = owners[np.argmin((seeds**2).sum(axis=1) - 2.0 * right @ seeds.T, axis=1)]
    return nearest


def _foliar_depth(right: Points) -> Depth:
    """Depth under the surface of the cerebellum, the gaps between its folia included, mm."""
    hull = _cerebellum(right)
    y, z = right[:, 1] + 42.0, right[:, 2] + 30.0
    reach = np.hypot(y, z)
    turns = np.arctan2(z, -y) * (14.0 / (2 * np.pi)) + 0.02 * right[:, 0]
    gap = np.abs(turns - np.rint(turns)) * (2 * np.pi / 14.0) * reach
    between = distance_to_intersection(0.4 - gap, 10.0 - hull, reach - 8.0)
    return intersection(hull, between, blend_mm=0.5)
