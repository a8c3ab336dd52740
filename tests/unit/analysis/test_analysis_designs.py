import numpy as np
import pytest
from score_tables import pairs_of

from lumirage.analysis.designs import NOBODY, DesignKind, detect_design


def detect(pairs):
    return detect_design([f for f, _ in pairs], [m for _, m in pairs])


@pytest.mark.parametrize(
    ("pairs", "kind", "units"),
    [
        (pairs_of("chain", 6), DesignKind.CHAIN, 6),
        ([("a", "b"), ("b", "c")], DesignKind.CHAIN, 3),
        ([("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")], DesignKind.CHAIN, 4),
        (pairs_of("all", 5), DesignKind.ALL_PAIRS, 5),
        ([("a", "b"), ("b", "c"), ("a", "c")], DesignKind.ALL_PAIRS, 3),
        (pairs_of("star", 6), DesignKind.TO_TEMPLATE, 6),
        ([(b, a) for a, b in pairs_of("star", 6)], DesignKind.STAR, 6),
        ([("x", "a"), ("b", "x"), ("x", "c"), ("d", "x")], DesignKind.STAR, 4),
        (pairs_of("within", 4), DesignKind.WITHIN, 4),
        (pairs_of("separate", 8), DesignKind.SEPARATE, 4),
        ([("a", "b"), ("b", "a")], DesignKind.SEPARATE, 1),
        ([("a", "b"), ("a", "c"), ("b", "d"), ("c", "e"), ("a", "e")], DesignKind.OTHER, 5),
        ([("a", "a"), ("a", "b"), ("b", "c")], DesignKind.OTHER, 3),
    ],
)
def test_design_is_named_and_its_units_counted(pairs, kind, units):
    design = detect(pairs)
    assert design.kind is kind
    assert len(design.units) == units
    assert design.n_pairs == len(pairs)
    assert design.bootstrap_defined == (units >= 3)


def test_order_of_pairs_does_not_matter():
    pairs = pairs_of("chain", 7)
    assert detect(pairs[::-1]).kind is DesignKind.CHAIN
    assert detect(pairs[::-1]).units == detect(pairs).units


def test_star_resamples_the_leaves_alone_and_says_so():
    design = detect(pairs_of("star", 5))
    assert design.centre == "atlas"
    assert "atlas" not in design.units
    assert (design.units_of_pair[:, 1] == NOBODY).all()
    assert "conditional on atlas" in design.note
    assert not design.crossed


def test_two_scans_of_one_subject_weigh_once():
    design = detect(pairs_of("within", 4))
    np.testing.assert_array_equal(design.units_of_pair, [[0, NOBODY], [1, NOBODY], [2, NOBODY], [3, NOBODY]])


def test_too_few_units_are_refused_in_words():
    assert "no interval" in detect([("a", "b"), ("b", "a")]).note


def test_a_centre_is_said_to_be_the_fixed_image_only_where_it_is():
    to_template = detect([("atlas", s) for s in "abcd"])
    star = detect([("atlas", "a"), ("b", "atlas"), ("atlas", "c"), ("d", "atlas")])
    assert (to_template.kind, star.kind) == (DesignKind.TO_TEMPLATE, DesignKind.STAR)
    assert "the fixed image of every pair" in to_template.note
    assert "the fixed image" not in star.note


def test_a_cycle_of_three_has_no_centre():
    assert detect([("a", "b"), ("b", "a"), ("a", "c")]).centre == ""
