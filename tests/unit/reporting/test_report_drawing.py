"""Scales, marks, SVG and PNG."""

import math
import xml.etree.ElementTree as ET

import pytest

from lumirage.reporting.axes import MINUS, NONE, Scale, fit, gigabytes, seconds, short, x_axis
from lumirage.reporting.figure_rows import NARROW, WIDE, jitter, make_rows
from lumirage.reporting.raster import SCALE, to_png
from lumirage.reporting.scene import DARK, LIGHT, Box, Cloud, Dot, Label, Line, Scene, to_svg

HOSTILE = "</svg><script>alert('x')</script>\"&"
MARKS = [
    Line([(0, 0), (10, 5)], dash="2 4", title=HOSTILE),
    Line([(0, 0), (10, 5), (3, 9)], fill="m1", width=0),
    Dot((4, 4), title="a", data={"pair": 3}),
    Cloud([(1, 2), (3, 4)], inline=False, data={"strip": HOSTILE}),
    Box((1, 1), (5, 5)),
    Label((2, 2), HOSTILE),
]
SCENE = Scene("a scene", HOSTILE, HOSTILE, 100, 40, MARKS)


@pytest.mark.parametrize("inline", [True, False])
def test_svg_is_well_formed_and_hostile_text_stays_text(inline: bool) -> None:
    svg = ET.fromstring(to_svg(SCENE, inline=inline))
    texts = [e.text for e in svg.iter() if e.tag.endswith(("title", "desc", "text"))]
    assert texts.count(HOSTILE) == 4
    assert not [e for e in svg.iter() if e.tag.endswith("script")]


def test_inline_leaves_clouds_to_the_script_and_files_have_them() -> None:
    assert 'd=""' in to_svg(SCENE)
    assert "M1 2h0M3 4h0" in to_svg(SCENE, inline=False)
    assert "var(--" not in to_svg(SCENE, inline=False)


def test_png_has_the_size_of_the_scene() -> None:
    png = to_png(SCENE)
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (100 * SCALE, 40 * SCALE)


def test_both_palettes_have_the_same_roles_and_hold_three_to_one() -> None:
    assert LIGHT.keys() == DARK.keys()
    for palette in (LIGHT, DARK):
        for role in palette.keys() - {"paper", "rule", "wash"}:
            assert _contrast(palette[role], palette["paper"]) >= 3, role


def _contrast(a: str, b: str) -> float:
    """WCAG 2.1 contrast ratio."""
    light = [_luminance(c) + 0.05 for c in (a, b)]
    return max(light) / min(light)


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_scale_maps_ends_and_holds_what_is_outside() -> None:
    scale = Scale(2, 4, 100, 300)
    assert [scale(v) for v in (2, 3, 4, 9)] == [100, 200, 300, 300]
    log = Scale(1, 100, 0, 10, log=True)
    assert log(10) == pytest.approx(5)


def test_ticks_are_round_and_within() -> None:
    assert Scale(0.02, 0.61, 0, 1).ticks(5) == [0.2, 0.4, 0.6]
    assert Scale(0.9, 110, 0, 1, log=True).ticks() == [1, 2, 5, 10, 20, 50, 100]


def test_a_narrow_scale_has_two_ticks_and_numbers_that_do_not_touch() -> None:
    scale = Scale(-0.42, 0.28, 0, 60)
    assert scale.ticks(2) == [-0.25, 0.0, 0.25]
    numbers = [mark.text for mark in x_axis(scale, 0, 10, "") if isinstance(mark, Label)]
    assert numbers == [f"{MINUS}0.25", "0.25"]


def test_fit_survives_one_value_none_and_zero() -> None:
    for values in ([], [3.0], [0.0], [math.nan, 1.0]):
        scale = fit(values, 0, 10)
        assert scale.low < scale.high
    assert not fit([0.0, 3.0], 0, 1, log=True).log


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"), (0.0, "0"), (None, NONE), (math.nan, NONE), (-2.5, f"{MINUS}2.50"), (1234.6, "1235"),
        (1e-7, f"1.00e{MINUS}07"),
    ],
)  # fmt: skip
def test_short_numbers(value: float | None, text: str) -> None:
    assert short(value) == text


def test_durations_and_sizes() -> None:
    assert [seconds(v) for v in (1.234, 24.56, 300, 7200)] == ["1.2 s", "24.6 s", "5.0 min", "2.0 h"]
    assert [gigabytes(v) for v in (3e6, 2.5e8, 3e9, 2**34)] == ["0.0030 GB", "0.25 GB", "3.00 GB", "17.2 GB"]


def test_rows_put_names_aside_or_above() -> None:
    wide, narrow = make_rows(["a-long-name"], WIDE), make_rows(["a-long-name"], NARROW)
    assert wide.left > 90 > narrow.left
    assert narrow.pitch > wide.pitch


def test_jitter_is_bounded() -> None:
    assert all(abs(jitter(k)) <= 0.5 for k in range(1000))
