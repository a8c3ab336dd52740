"""Texts beside dots: on no text, no dot, inside the figure, and off the lines where there is room."""

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lumirage.reporting.label_places import SIZE, Area, placed
from lumirage.reporting.scene import Label, text_width

FRAME = Area(62, 22, 600, 284)
POINT = st.tuples(st.floats(70, 590), st.floats(30, 280))


def area(label: Label) -> Area:
    wide = text_width(label.text, SIZE)
    left = label.at[0] - {"start": 0.0, "middle": wide / 2, "end": wide}[label.anchor]
    return Area(left, label.at[1] - SIZE * 0.7, left + wide, label.at[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(POINT, min_size=1, max_size=12))
def test_no_text_lies_on_another_on_a_dot_or_outside(dots: list[tuple[float, float]]) -> None:
    labels = placed([(dot, "sigma=3", "red") for dot in dots], [dots], FRAME)
    areas = [area(label) for label in labels]
    assert not any(one.meets(other) for one, other in combinations(areas, 2))
    assert all(FRAME.holds(one) for one in areas)
    for x, y in dots:
        assert not any(one.meets(Area(x - 4, y - 4, x + 4, y + 4)) for one in areas)


def test_a_text_keeps_off_the_line_where_there_is_room() -> None:
    """Dots above one another on a vertical line, as methods without folds have them: all texts go beside it."""
    dots = [(100.0, y) for y in (60.0, 100.0, 140.0)]
    labels = placed([(dot, "0.5", "red") for dot in dots], [dots], FRAME)
    assert len(labels) == 3
    assert not any(area(label).crossed_by(*line) for label in labels for line in pairwise(dots))


def test_where_there_is_no_room_a_text_is_left_out() -> None:
    dots = [(100.0, 100.0)] * 3
    labels = placed([(dot, text, "red") for dot, text in zip(dots, ("a", "", "c"), strict=True)], [], FRAME)
    assert [label.text for label in labels] == ["a", "c"]
    assert placed([((64.0, 24.0), "much too long a text for this corner" * 3, "red")], [], FRAME) == []


def test_a_line_crosses_or_not() -> None:
    box = Area(0, 0, 10, 10)
    assert box.crossed_by((-5, 5), (15, 5))
    assert box.crossed_by((5, -5), (5, 15))
    assert box.crossed_by((2, 2), (3, 3)), "inside"
    assert not box.crossed_by((-5, 11), (15, 11))
    assert not box.crossed_by((-5, 5), (-1, 5))
    assert not box.crossed_by((-2, 9), (2, 13))
