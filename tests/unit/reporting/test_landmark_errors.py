"""Error vectors of landmarks: as long as the TRE that is scored, in the fixed image's directions, told in and across planes."""

import re
from pathlib import Path

import numpy as np
import pytest
from synthetic_out import landmarks_of as points_of

from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Prepared, Scan
from lumirage.core.space import make_grid
from lumirage.reporting.axes import short
from lumirage.reporting.image_planes import cuts
from lumirage.reporting.landmark_errors import (
    Landmarks,
    drawn_landmarks,
    error_vectors,
    landmark_table,
    landmarks_of,
    planes_through,
    viewer_points,
)
from lumirage.reporting.report_inputs import read_inputs
from lumirage.scoring.landmarks import sample_clamped

SHAPE = (12, 14, 10)
GRID = np.array([[2.0, 0, 0, -10], [0, 1.5, 0, -9], [0, 0, 1.0, -4], [0, 0, 0, 1]])
TURNED = np.array([[0.0, -1, 0, 3], [1, 0, 0, -2], [0, 0, 1, 5], [0, 0, 0, 1]])
"""A quarter turn about the axis to the top, and a shift."""


def pair_with(folder: Path, affine: np.ndarray, fixed: dict[str, tuple[float, ...]], moving: dict) -> tuple:  # type: ignore[type-arg]
    scans = []
    for name, points in (("f", fixed), ("m", moving)):
        path = folder / f"{name}_landmarks.tsv"
        path.write_text("name\tx\ty\tz\n" + "".join(f"{k}\t{p[0]}\t{p[1]}\t{p[2]}\n" for k, p in points.items()))
        scans.append(Scan(name=name, subject=name, suffix="T1w", image=Path("x.nii"), landmarks=path))
    prepared = Prepared(
        key="k", fixed=Path("f.nii"), moving=Path("m.nii"), grid=make_grid(SHAPE, GRID),
        affine=tuple(map(tuple, affine.tolist())),
    )  # fmt: skip
    return Pair(fixed=scans[0], moving=scans[1]), prepared


@pytest.mark.parametrize("affine", [np.eye(4), TURNED, np.diag([1.1, 0.9, 1.2, 1.0]) @ TURNED])
def test_lengths_are_the_errors_that_are_scored(tmp_path: Path, affine: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    names = [f"p{k}" for k in range(6)] + ["outside"]
    fixed = dict(zip(names, np.round(rng.uniform(-4, 4, (7, 3)), 4).tolist(), strict=True)) | {"outside": [90.0, 0, 0]}
    moving = dict(zip(names, np.round(rng.uniform(-4, 4, (7, 3)), 4).tolist(), strict=True))
    found = landmarks_of(*pair_with(tmp_path, affine, fixed, moving))
    assert found is not None
    u = rng.normal(0, 2, (*SHAPE, 3)).astype(np.float32)
    inverse = np.linalg.inv(GRID)
    p, q = (np.array([of[n] for n in names]) for of in (fixed, moving))
    moved = p + sample_clamped(u, p @ inverse[:3, :3].T + inverse[:3, 3])
    scored = np.linalg.norm(moved @ affine[:3, :3].T + affine[:3, 3] - q, axis=1)
    np.testing.assert_allclose(np.linalg.norm(error_vectors(found, u, GRID), axis=1), scored, rtol=1e-6)


def test_the_direction_is_that_of_the_fixed_image(tmp_path: Path) -> None:
    fixed = {"a": (1.0, 2.0, 3.0)}
    at = TURNED[:3, :3] @ [1.0 + 4, 2.0, 3.0 - 2] + TURNED[:3, 3]  # 4 mm to the right and 2 below the fixed one
    found = landmarks_of(*pair_with(tmp_path, TURNED, fixed, {"a": tuple(at)}))
    assert found is not None
    np.testing.assert_allclose(error_vectors(found, None, GRID), [[4, 0, -2]], atol=1e-9)
    u = np.broadcast_to(np.float32([4, 0, -2]), (*SHAPE, 3))
    np.testing.assert_allclose(error_vectors(found, u, GRID), [[0, 0, 0]], atol=1e-6)


def test_images_without_a_landmark_in_common_have_none(tmp_path: Path) -> None:
    assert landmarks_of(*pair_with(tmp_path, np.eye(4), {"a": (0, 0, 0)}, {"b": (0, 0, 0)})) is None
    pair, prepared = pair_with(tmp_path, np.eye(4), {"a": (0, 0, 0)}, {"a": (0, 0, 0)})
    assert (
        landmarks_of(pair.model_copy(update={"moving": pair.moving.model_copy(update={"landmarks": None})}), prepared)
        is None
    )


def test_a_plane_shows_where_they_are_and_tells_the_part_across_it() -> None:
    point = GRID[:3, :3] @ [3, 4, 5] + GRID[:3, 3]
    known = Landmarks(("a & b",), point[None], point[None], np.eye(4), np.eye(3))
    vectors = np.array([[3.0, 0.0, 4.0]])
    found = planes_through(known, 0, list(cuts(np.ones(SHAPE, bool), GRID)), GRID)
    texts = {cut.plane: str(drawn_landmarks(known, vectors, cut, GRID)) for cut in found}
    assert "a &amp; b: error 5.00 mm, 3.0 in and 4.0 across the plane; in this plane" in texts["axial"]
    assert "error 5.00 mm, 5.0 in and 0.0 across" in texts["coronal"]
    assert "error 5.00 mm, 4.0 in and 3.0 across" in texts["sagittal"]
    x, y, to_x, to_y = map(float, re.search(r'"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', texts["axial"]).groups())  # type: ignore[union-attr]
    assert (x, y) == (3.5, 14 - 4.5)  # the centre of its voxel, rows counted from the front
    assert (to_x, to_y) == (5.0, y)  # 3 mm are 1.5 voxels
    other = str(drawn_landmarks(known, None, planes_through(known, 0, found, GRID)[0], GRID))
    assert "error" not in other
    above = next(cut for cut in cuts(np.ones(SHAPE, bool), GRID) if cut.plane == "axial")
    far = Landmarks(("c",), point[None] + [0, 0, 6], point[None], np.eye(4), np.eye(3))
    assert "landmark far" in (text := str(drawn_landmarks(far, None, above, GRID)))
    assert f"{abs(5 + 6 - above.index):.1f} mm above this plane" in text


def test_the_table_has_the_worst_first_and_signed_components() -> None:
    points = np.zeros((2, 3))
    known = Landmarks(("near", "far"), points, points, np.eye(4), np.eye(3))
    table = landmark_table(
        known, {"affine": np.array([[1.0, 0, 0], [0, -3, 0]]), "x": np.array([[2.0, 0, 0], [0, 0, 0.5]])}
    )
    assert table.methods == ("affine", "x")
    assert table.rows[0] == ("far", (("3.00", "0.0, \N{MINUS SIGN}3.0, 0.0"), ("0.500", "0.0, 0.0, +0.5")))
    assert viewer_points(known, np.array([[1.0, 0, 0], [0, -3, 0]]))[1] == ["far", 0, 0, 0, 0, -3, 0]


def test_the_page_of_a_pair_draws_them_in_every_picture_of_the_moved_image(layout: Layout, report: Path) -> None:
    page = sorted((report / "pairs").glob("*.html"))[0]
    text = page.read_text(encoding="utf-8")
    pair = read_inputs(layout).pairs[page.stem]
    assert text.count('data-landmark="right pole" tabindex') == 1
    panels = text.split('<svg class="panel"')[1:]
    for told in ("fixed image", "moving image", "moved, alpha"):
        mine = [panel for panel in panels if f'aria-label="{told}, ' in panel]
        assert len(mine) == 3
        assert all(panel.count('class="landmark') == 3 for panel in mine), told
    f, m = points_of(pair.fixed.subject), points_of(pair.moving.subject)
    affine = np.linalg.norm(np.subtract(m["right pole"], f["right pole"]))
    row = text.split('data-landmark="right pole" tabindex')[1].split("</tr>")[0]
    assert f'<td class="n">{short(float(affine))} <small>' in row
    assert "Largest landmark error" in text
    assert '"landmarks": [["right pole"' in page.with_suffix("").with_name(f"{page.stem}.volumes.js").read_text()
