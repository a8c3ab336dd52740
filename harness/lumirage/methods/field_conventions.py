"""Finds the convention of a field by trying all of them against a known warp.

48 orders and signs of the components x millimetres, voxels, normalized x displacement, deformation x pull, push.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lumirage.core.model import Convention
from lumirage.core.space import Array, Float

Direction = Literal["pull", "push"]
ORDERS = ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx")
SIGNS = tuple("".join(signs) for signs in itertools.product("+-", repeat=3))
EXPLAINED = 0.6
"""A convention is accepted if its error is below this share of the error of a zero field."""
CLEARLY = 0.8
"""The declared convention is contradicted if another one's error is below this share of its own."""
POINTS_ALONG = 0.25
"""Cosine with the true warp above which a field that falls short of it still shows its convention."""


@dataclass(frozen=True)
class Arrangement:
    """A convention and a direction: pull maps fixed to moving points, push moving to fixed ones."""

    convention: Convention
    direction: Direction = "pull"

    def __str__(self) -> str:
        return describe(self)


@dataclass(frozen=True)
class KnownWarp:
    """The true warp at sampled voxels: index (N, 3), pull and push displacement (N, 3) in mm RAS+, and the lattice."""

    index: Array
    pull: Float
    push: Float
    affine: Float
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Match:
    """How well a field read in one arrangement fits the true warp: mean length of the difference, and the cosine."""

    arrangement: Arrangement
    error_mm: float
    cosine: float


@dataclass(frozen=True)
class Verdict:
    """The convention found for a field. `found` is None if no arrangement explains it.

    `weak`: it is much shorter than the warp, and only its direction shows the convention.
    """

    declared: Match
    found: Match | None
    nothing_mm: float
    weak: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the card declares it correctly."""
        return self.found is not None and self.found.arrangement == self.declared.arrangement


def judge(stored: list[Array], declared: Convention, truths: list[KnownWarp]) -> Verdict:
    """The convention of the stored fields (X, Y, Z, 3), one for each known warp. All must agree on one arrangement."""
    samples = [field[tuple(truth.index.T)].astype(float) for field, truth in zip(stored, truths, strict=True)]
    nothing = float(np.mean([np.linalg.norm(truth.pull, axis=1).mean() for truth in truths]))
    own = _match(Arrangement(declared), samples, truths)
    all_of_them = [_match(arrangement, samples, truths) for arrangement in arrangements(declared)]
    best = min(all_of_them, key=lambda match: match.error_mm)
    if own.error_mm <= EXPLAINED * nothing and best.error_mm > CLEARLY * own.error_mm:
        return Verdict(own, own, nothing)
    explained = best.error_mm <= EXPLAINED * nothing and best.error_mm <= CLEARLY * own.error_mm
    if explained:
        return Verdict(own, best, nothing)
    along = own.cosine >= POINTS_ALONG and own.cosine >= CLEARLY * max(match.cosine for match in all_of_them)
    return Verdict(own, own if along else None, nothing, weak=True)


def arrangements(declared: Convention) -> Iterator[Arrangement]:
    """All 576, in the declared channel order; the likelier ones first, so that they win if two are equivalent."""
    base = declared.model_copy(update={"kind": "displacement"})
    kinds: tuple[Literal["displacement", "deformation"], ...] = ("displacement", "deformation")
    for direction, kind, unit in itertools.product(get_args(Direction), kinds, ("mm", "voxel", "normalized")):
        for order, signs in itertools.product(ORDERS, SIGNS):
            changed = {"kind": kind, "unit": unit, "order": order, "signs": signs}
            yield Arrangement(base.model_copy(update=changed), direction)


def _match(arrangement: Arrangement, samples: list[Float], truths: list[KnownWarp]) -> Match:
    errors, products, lengths = [], 0.0, np.zeros(2)
    for stored, truth in zip(samples, truths, strict=True):
        known = truth.pull if arrangement.direction == "pull" else truth.push
        found = as_world(stored, arrangement.convention, truth)
        errors.append(float(np.linalg.norm(found - known, axis=1).mean()))
        products += float((found * known).sum())
        lengths += (found**2).sum(), (known**2).sum()
    cosine = products / float(np.sqrt(lengths.prod())) if lengths.all() else 0.0
    return Match(arrangement, float(np.mean(errors)), cosine)


def as_world(stored: Float, convention: Convention, truth: KnownWarp) -> Float:
    """Stored values (N, 3) at the sampled voxels as displacements in mm, RAS+; as `field_conversion.to_world` does."""
    parts = np.empty_like(stored)
    for k, (axis, sign) in enumerate(zip(convention.order, convention.signs, strict=True)):
        parts[:, "xyz".index(axis)] = -stored[:, k] if sign == "-" else stored[:, k]
    if convention.unit == "normalized":
        half = (np.array(truth.shape) - 1) / 2
        parts = (parts + 1) * half if convention.kind == "deformation" else parts * half
    linear, origin = truth.affine[:3, :3], truth.affine[:3, 3]
    if convention.kind == "deformation":
        parts = parts - (truth.index @ linear.T + origin if convention.unit == "mm" else truth.index)
    return parts if convention.unit == "mm" else parts @ linear.T


def describe(arrangement: Arrangement) -> str:
    """An arrangement in the field's usual words: `LPS mm displacement`, `voxel (k, j, i) displacement`."""
    convention = arrangement.convention
    pairs = list(zip(convention.order, convention.signs, strict=True))
    if convention.unit == "mm":
        letters = "".join({"x": "RL", "y": "AP", "z": "SI"}[axis][sign == "-"] for axis, sign in pairs)
        place = f"{letters} mm"
    else:
        axes = ", ".join(f"{'-' if sign == '-' else ''}{'ijk'['xyz'.index(axis)]}" for axis, sign in pairs)
        place = f"{convention.unit} ({axes})"
    push = "" if arrangement.direction == "pull" else ", push (moving to fixed)"
    return f"{place} {convention.kind}{push}"


def card_line(arrangement: Arrangement) -> str:
    """The line of the card that declares it."""
    c = arrangement.convention
    return f'output: {{kind: {c.kind}, unit: {c.unit}, order: {c.order}, signs: "{c.signs}", channels: {c.channels}}}'


def with_channels_last(field: Array, convention: Convention) -> Array:
    """A stored field, 4-D or 5-D with a singleton axis, as (X, Y, Z, 3)."""
    squeezed = field.reshape(tuple(n for n in field.shape if n != 1)) if field.ndim == 5 else field
    return np.moveaxis(squeezed, 0, -1) if convention.channels == "first" else squeezed
