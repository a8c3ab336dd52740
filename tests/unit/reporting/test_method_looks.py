"""Colours and markers: the same for a name in every report, and told apart by those who see fewer colours."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from lumirage.core.model import SENTINELS
from lumirage.reporting.method_looks import COLORS, OUTLINES, looks_of
from lumirage.reporting.scene import DARK, LIGHT

Array = npt.NDArray[np.float64]

# Machado, Oliveira and Fernandes 2009, severity 1, for linear sRGB.
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
METHODS = ["greedy", "dipy-syn", "sitk-demons", "niftyreg", "ants-syn", "voxelmorph", "clapirn", "symnet"]


def linear(color: str) -> Array:
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: Array) -> Array:
    x, y, z = np.array(TO_XYZ) @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = [np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def delta_e(first: Array, second: Array) -> float:
    """CIEDE2000 (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    c1, c2 = np.hypot(a1 * (1 + g), b1), np.hypot(a2 * (1 + g), b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * (1 + g))) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = (h1 + h2) / 2 if abs(h1 - h2) <= 180 else ((h1 + h2 + 360) / 2 if h1 + h2 < 360 else (h1 + h2 - 360) / 2)
    parts = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    t = 1 + sum(k * np.cos(np.radians(n * hm + o)) for k, n, o in parts)
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    r = -2 * np.sqrt(cm**7 / (cm**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, dh / sh
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + r * dc * dh))


def test_distance_is_the_published_one() -> None:
    """Pairs 1 and 25 of the table of Sharma, Wu and Dalal."""
    found = delta_e(np.array([50, 2.6772, -79.7751]), np.array([50, 0, -82.7485]))
    assert found == pytest.approx(2.0425, abs=1e-4)
    found = delta_e(np.array([60.2574, -34.0099, 36.2677]), np.array([60.4626, -34.1751, 39.4387]))
    assert found == pytest.approx(1.2644, abs=1e-4)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("sight", "least"), [(np.eye(3), 15.0), (PROTAN, 9.0), (DEUTAN, 9.0)])
def test_colours_are_told_apart(palette: dict[str, str], sight: Array, least: float) -> None:
    seen = {role: lab(np.array(sight) @ linear(palette[role])) for role in COLORS}
    close = {(a, b): delta_e(seen[a], seen[b]) for a, b in itertools.combinations(COLORS, 2)}
    assert min(close.values()) > least, min(close, key=lambda two: close[two])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_in_every_colour_can_be_read(palette: dict[str, str]) -> None:
    def luminance(role: str) -> float:
        return float(linear(palette[role]) @ np.array([0.2126, 0.7152, 0.0722])) + 0.05

    for role, under in itertools.product((*COLORS, "ink", "muted", "accent", "good", "bad", "warn"), ("paper", "wash")):
        low, high = sorted((luminance(role), luminance(under)))
        assert high / low >= 4.5, (role, under)


def test_a_method_looks_the_same_whatever_else_is_there() -> None:
    alone = {name: looks_of([name], SENTINELS)[name] for name in METHODS}
    every = looks_of(METHODS, SENTINELS)
    assert looks_of(METHODS[::-1], SENTINELS) == every
    assert len({look.color for look in every.values()}) == len({look.marker for look in every.values()}) == len(METHODS)
    served_first = [name for name in METHODS if every[name] == alone[name]]
    assert len(served_first) >= 3
    for left_out in METHODS:
        rest = looks_of([name for name in METHODS if name != left_out], SENTINELS)
        moved = [name for name in rest if rest[name].color != every[name].color]
        assert len(moved) <= 3, (left_out, moved)


def test_more_methods_than_colours_still_differ() -> None:
    many = looks_of([f"method-{k}" for k in range(30)], SENTINELS)
    assert len(many) == 30
    assert {look.color for look in many.values()} == set(COLORS)
    assert {look.marker for look in many.values()} == set(OUTLINES)
    assert len(set(many.values())) >= 26


def test_references_are_grey_rings() -> None:
    found = looks_of(["identity", "affine", "oracle", "greedy"], (*SENTINELS, "oracle"))
    assert {found[name].marker for name in ("identity", "affine", "oracle")} == {"ring"}
    assert {found[name].color for name in ("identity", "affine", "oracle")} == {"muted"}
    assert found["greedy"].color in COLORS
