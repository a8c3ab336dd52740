"""Computes the error vectors of landmarks as the scores have them, and draws them over the planes of a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from scipy.ndimage import map_coordinates

from lumirage.core.landmark_files import read_landmarks
from lumirage.core.model import Pair, Prepared
from lumirage.core.space import Float, Single
from lumirage.reporting.axes import MINUS, NONE, short
from lumirage.reporting.image_planes import Cut, Plane

NEAR_MM = 3.0
"""Landmarks within this distance of a plane are drawn strongly in it, all others faintly, projected onto it."""

DIRECTIONS: Mapping[Plane, tuple[str, str]] = {
    "axial": ("below", "above"),
    "coronal": ("behind", "in front"),
    "sagittal": ("left", "right"),
}
"""Where a point across a plane lies, for negative and positive distances."""


@dataclass(frozen=True)
class Landmarks:
    """Points that both images of a pair have, by name, (n, 3) in mm of their own worlds, RAS+."""

    names: tuple[str, ...]
    fixed: Float
    moving: Float
    affine: Float
    """Fixed world to moving world, of the preparation."""
    turn: Float
    """Rotation of directions of the moving world into those of the fixed world."""


@dataclass(frozen=True)
class LandmarkTable:
    """Errors of each landmark (rows) and method (columns), mm."""

    methods: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """Name of the landmark, and for each method the length and the components to the right, front and top, as text."""


def landmarks_of(pair: Pair, prepared: Prepared) -> Landmarks | None:
    """The landmarks of a pair; none if the images have none in common. Raises DataError."""
    if pair.fixed.landmarks is None or pair.moving.landmarks is None:
        return None
    fixed, moving = read_landmarks(pair.fixed.landmarks), read_landmarks(pair.moving.landmarks)
    names = tuple(name for name in fixed if name in moving)
    if not names:
        return None
    affine = np.array(prepared.affine, dtype=np.float64)
    left, _, right = np.linalg.svd(affine[:3, :3])
    first, second = (np.array([of[name] for name in names], dtype=np.float64) for of in (fixed, moving))
    return Landmarks(names, first, second, affine, (left @ right).T)


def error_vectors(landmarks: Landmarks, u: Single | None, grid: Float) -> Float:
    """From where the answer puts each landmark of the fixed image to where it is in the moving one, (n, 3) mm.

    `u` (X, Y, Z, 3) on the lattice `grid`, trilinear, at the edge outside; None: the affine alone. The length is the TRE as
    scored, |A (p + u(p)) - q|; the direction is that in the fixed image, the rotation of the affine undone.
    """
    moved = landmarks.fixed
    if u is not None:
        at = _index(landmarks.fixed, grid).T
        steps = [map_coordinates(u[..., k], at, order=1, mode="nearest", output=np.float64) for k in range(3)]
        moved = moved + np.stack(steps, axis=-1)
    apart = landmarks.moving - (moved @ landmarks.affine[:3, :3].T + landmarks.affine[:3, 3])
    return np.asarray(apart @ landmarks.turn.T)


def drawn_landmarks(landmarks: Landmarks, vectors: Float | None, cut: Cut, grid: Float) -> Markup:
    """The landmarks over a plane: a ring at the fixed one and, with vectors, a line to a disc where the moved one is."""
    starts = _in_picture(landmarks.fixed, cut, grid)
    ends = starts if vectors is None else _in_picture(landmarks.fixed + vectors, cut, grid)
    apart = _across(landmarks.fixed, cut, grid)
    marks = []
    for k, name in enumerate(landmarks.names):
        vector = None if vectors is None else vectors[k]
        told = Markup("<title>{}</title>").format(_words(name, float(apart[k]), vector, cut, grid))
        (x, y), (to_x, to_y) = starts[k], ends[k]
        line = Markup('<path class="error" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(x, y, to_x, to_y)
        disc = Markup('<path class="moved-point" d="M{:.1f} {:.1f}h0"/>').format(to_x, to_y)
        ring = Markup('<path class="fixed-point" d="M{:.1f} {:.1f}h0"/>').format(x, y)
        far = "" if abs(apart[k]) <= NEAR_MM else " far"
        marks.append(
            Markup('<g class="landmark{}" data-landmark="{}">{}{}</g>').format(
                far, name, told, ring if vector is None else line + ring + disc
            )
        )
    return Markup('<g class="of-landmarks">{}</g>').format(Markup("").join(marks))


def planes_through(landmarks: Landmarks, k: int, cuts: Sequence[Cut], grid: Float) -> tuple[Cut, ...]:
    """The same planes moved to landmark k of the fixed image, as far as the volume reaches."""
    at = np.round(_index(landmarks.fixed[k], grid)).astype(int)
    return tuple(replace(cut, index=int(np.clip(at[cut.axis], 0, cut.shape[cut.axis] - 1))) for cut in cuts)


def landmark_table(landmarks: Landmarks, vectors: Mapping[str, Float]) -> LandmarkTable:
    """The numbers of all vectors; the landmarks with the largest error of any method first."""
    lengths = {method: np.linalg.norm(of, axis=1) for method, of in vectors.items()}
    worst = np.max([*lengths.values()], axis=0) if lengths else np.zeros(0)
    rows = tuple(
        (landmarks.names[k], tuple((_length(lengths[m][k]), _components(vectors[m][k])) for m in vectors))
        for k in np.argsort(-worst, kind="stable")
    )
    return LandmarkTable(tuple(vectors), rows)


def viewer_points(landmarks: Landmarks, vectors: Float | None) -> list[list[object]]:
    """Name, fixed point and moved point in mm, for the 3-D viewer."""
    ends = landmarks.fixed if vectors is None else landmarks.fixed + vectors
    return [
        [name, *(round(float(v), 2) for v in (*start, *end))]
        for name, start, end in zip(landmarks.names, landmarks.fixed, ends, strict=True)
    ]


def _length(value: float) -> str:
    return short(float(value)) if np.isfinite(value) else NONE


def _components(vector: Float) -> str:
    return ", ".join(f"{'+' if v > 0 else MINUS if v < 0 else ''}{abs(v):.1f}" for v in np.round(vector, 1))


def _words(name: str, apart: float, vector: Float | None, cut: Cut, grid: Float) -> str:
    """What a landmark's tooltip tells: its distance from the plane, and its error in and across the plane."""
    side = DIRECTIONS[cut.plane][apart > 0]
    place = "in this plane" if abs(apart) < 0.05 else f"{abs(apart):.1f} mm {side} this plane"
    if vector is None:
        return f"{name}: {place}"
    length, across = float(np.linalg.norm(vector)), float(_steps(vector, grid)[cut.axis]) * _step(cut, grid)
    within = float(np.sqrt(max(length**2 - across**2, 0)))
    return f"{name}: error {_length(length)} mm, {within:.1f} in and {abs(across):.1f} across the plane; {place}"


def _index(points: Float, grid: Float) -> Float:
    return _steps(points - grid[:3, 3], grid)


def _steps(vectors: Float, grid: Float) -> Float:
    """World vectors in voxels."""
    return np.asarray(vectors @ np.linalg.inv(grid[:3, :3]).T)


def _step(cut: Cut, grid: Float) -> float:
    """Distance of neighbouring planes, mm."""
    return float(np.linalg.norm(grid[:3, cut.axis]))


def _in_picture(points: Float, cut: Cut, grid: Float) -> Sequence[tuple[float, float]]:
    """Positions in voxels of the whole picture, x to the right and y down, a voxel's centre at one half."""
    index, (first, second) = _index(points, grid), cut.axes
    return [(float(at[first]) + 0.5, cut.size[1] - float(at[second]) - 0.5) for at in index]


def _across(points: Float, cut: Cut, grid: Float) -> Float:
    """Distance of points from the plane, mm, positive towards right, front or top."""
    return np.asarray((_index(points, grid)[:, cut.axis] - cut.index) * _step(cut, grid))
