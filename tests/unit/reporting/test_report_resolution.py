"""Resolution as a dose: sizes, what died of which limit, how far down each method came, and the figures."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_out import GIB, GROWTH, NONE_EXPECTED

from lumirage.core.model import CENSORING, Outcome
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.figures import draw_figures
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.resolution_figures import accuracy, cost
from lumirage.reporting.resolution_results import COSTS, costs_of, growth, limit_failures, resolution_ranges, sizes_of
from lumirage.reporting.scene import Dot, Label, Line, Scene

_, CPU, MEMORY, GPU = COSTS


def triangles(scene: Scene) -> list[Line]:
    return [mark for mark in scene.marks if isinstance(mark, Line) and mark.fill == "paper"]


def test_sizes_are_the_finest_first_with_their_voxels(factors: Inputs, bare: Inputs) -> None:
    assert [(s.text, s.voxels) for s in sizes_of(factors)] == [("1 mm", 512_000), ("2 mm", 64_000), ("3 mm", 18_962)]
    assert sizes_of(bare) == []


def test_only_what_was_measured_is_a_cost(factors: Inputs) -> None:
    assert [c.column for c in costs_of(factors)] == ["wall_s", "cpu_s", "peak_memory_bytes"]


def test_deaths_are_counted_by_method_size_and_limit(factors: Inputs) -> None:
    told = [death.told for death in limit_failures(factors, CENSORING)]
    assert told == [
        "alpha ran out of time at 1 mm (12 of 24 runs)",
        "beta ran out of time at 2 mm (4 of 24 runs)",
        "gamma-untrained ran out of memory at 1 mm",
    ]


def test_how_far_down_each_method_came(factors: Inputs) -> None:
    found = {reach.method: reach for reach in resolution_ranges(factors)}
    assert list(found) == ["alpha", "beta", "gamma-untrained"]
    assert found["alpha"].finest == "1 mm, 12 of 24 runs"
    assert found["gamma-untrained"].finest == "2 mm, 22 of 24 runs"
    assert found["gamma-untrained"].first_death == "1 mm: 24 of 24 runs ran out of memory"
    assert found["beta"].first_death == "2 mm: 4 of 24 runs ran out of time"
    assert len(found["alpha"].exponents) == 3


def test_exponents_are_those_of_the_analysis(factors: Inputs) -> None:
    for of in (MEMORY, CPU):
        assert growth(factors, "alpha", of).exponent == pytest.approx(GROWTH, abs=0.01)
        assert growth(factors, "alpha", of).largest == pytest.approx(64_000), "at 1 mm half of alpha's runs died"
    assert np.isnan(growth(factors, "identity", MEMORY).exponent)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_death_of_memory_is_a_hollow_triangle_at_the_limit(factors: Inputs, width: float) -> None:
    scene = cost(factors, MEMORY, width)
    limit = next(mark for mark in scene.marks if isinstance(mark, Line) and mark.dash == "5 4")
    at = limit.points[0][1]
    drawn = [t for t in triangles(scene) if abs(np.mean([y for _, y in t.points]) - at) < 3]
    assert [t.title for t in drawn] == ["gamma-untrained ran out of memory at 1 mm"]
    sizes = {size.text: size for size in sizes_of(factors)}
    dots = {m.title.split(":")[0]: m for m in scene.marks if isinstance(m, Dot)}
    assert "gamma-untrained, 1 mm" not in dots
    assert len(dots) == 3 + 3 + 2
    finest = dots["beta, 1 mm"]
    assert np.mean([x for x, _ in drawn[0].points]) == pytest.approx(finest.at[0])
    assert sizes["1 mm"].voxels == 512_000
    assert any(isinstance(m, Label) and m.text == "limit 4.29 GB" for m in scene.marks)
    assert factors.evaluation.track.limits.memory_bytes == 4 * GIB


def test_where_the_limit_is_not_recorded_the_triangle_is_above_all_that_ran(factors: Inputs) -> None:
    runs = factors.runs.assign(gpu_peak_memory_bytes=factors.runs["peak_memory_bytes"])
    runs["outcome"] = runs["outcome"].replace(Outcome.OUT_OF_MEMORY.value, Outcome.OUT_OF_GPU_MEMORY.value)
    inputs = replace(factors, runs=runs)
    assert [c.column for c in costs_of(inputs)][3:] == ["gpu_peak_memory_bytes"]
    scene = cost(inputs, GPU, WIDE)
    drawn = [t for t in triangles(scene) if t.title == "gamma-untrained ran out of GPU memory at 1 mm"]
    highest = min(m.at[1] for m in scene.marks if isinstance(m, Dot))
    assert drawn
    assert all(max(y for _, y in t.points) < highest for t in drawn)
    assert any(isinstance(m, Label) and m.text == "limit not recorded" for m in scene.marks)


def test_the_fitted_line_goes_through_points_that_follow_it(factors: Inputs) -> None:
    scene = cost(factors, MEMORY, WIDE)
    dots = {m.title.split(":")[0]: m.at for m in scene.marks if isinstance(m, Dot)}
    fit = next(m for m in scene.marks if isinstance(m, Line) and m.title.startswith("beta:") and m.dash)
    np.testing.assert_allclose(fit.points[0], dots["beta, 1 mm"], atol=1.0)
    np.testing.assert_allclose(fit.points[1], dots["beta, 3 mm"], atol=1.0)


def test_the_fitted_line_ends_where_runs_began_to_die(factors: Inputs) -> None:
    scene = cost(factors, MEMORY, WIDE)
    dots = {m.title.split(":")[0]: m.at for m in scene.marks if isinstance(m, Dot)}
    fit = next(m for m in scene.marks if isinstance(m, Line) and m.title.startswith("alpha:") and m.dash)
    assert fit.points[0][0] == pytest.approx(dots["alpha, 2 mm"][0])
    assert dots["alpha, 1 mm"][0] > fit.points[0][0]


def test_cpu_time_has_no_limit_of_its_own(factors: Inputs) -> None:
    scene = cost(factors, CPU, WIDE)
    assert triangles(scene) == []
    assert not [m for m in scene.marks if isinstance(m, Label) and "limit" in m.text]


def test_accuracy_shows_the_dead_below_and_the_partly_failed_hollow(factors: Inputs) -> None:
    scene = accuracy(factors, factors.measures[0], WIDE)
    dots = {m.title.split(":")[0]: m for m in scene.marks if isinstance(m, Dot)}
    assert dots["gamma-untrained, 1 mm"].fill == "paper"  # died everywhere there: the mean is the policy's alone
    assert dots["alpha, 1 mm"].fill == "paper"
    assert dots["alpha, 2 mm"].fill != "paper"
    below = [t.title for t in triangles(scene) if min(y for _, y in t.points) > max(d.at[1] for d in dots.values())]
    assert below == [death.told for death in limit_failures(factors, CENSORING)]


def test_spacing_has_its_own_section_and_is_no_axis_of_preparation(factors: Inputs) -> None:
    sections = {drawn.wide.name: drawn.section for drawn in draw_figures(factors, NONE_EXPECTED)}
    assert sections["resolution-wall_s"] == "resolution_costs"
    assert not [name for name in sections if name.startswith("dose-spacing")]


def test_every_outcome_of_a_limit_is_a_death() -> None:
    assert set(CENSORING) == {Outcome.OUT_OF_MEMORY, Outcome.OUT_OF_GPU_MEMORY, Outcome.TIMEOUT}
    assert {c.death for c in COSTS if c.death} == set(CENSORING)
