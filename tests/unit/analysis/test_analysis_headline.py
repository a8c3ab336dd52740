"""The headline says what the tables say, and no more."""

import itertools

import numpy as np
import pandas as pd
import pytest
from score_tables import pairs_of, scores

from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes
from lumirage.analysis.headline import digits
from lumirage.analysis.power import detectable, power_of, power_table
from lumirage.analysis.ranking import AGGREGATE, RankSettings, rank
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.verdicts import verdicts

NAN = float("nan")
FAST = Resampling(draws=200, seed=1)
PAIRS = pairs_of("all", 5)


def made(**gains: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.02, len(PAIRS))
    found = {"identity": base - 0.1, "affine": base}
    return found | {name: base + gain + rng.normal(0, 0.005, len(PAIRS)) for name, gain in gains.items()}


def told(table: pd.DataFrame, references: tuple[str, ...] = ()) -> str:
    found = verdicts(
        compare(table, CompareSettings(FAST)),
        rank(table, RankSettings(FAST)),
        condition_changes(table, ChangeSettings(FAST)),
        "identity",
        references,
    )
    return " ".join(one.sentence for one in found if one.kind == "headline")


def test_one_is_first_and_the_others_lie_behind():
    text = told(scores(PAIRS, made(greedy=0.3, syn=0.2, demons=0.1)))
    assert text.startswith("greedy is first; it is 0.30")
    assert "Dice better than the affine alone; syn is 0.099 Dice worse" in text
    assert "demons is 0.20 Dice worse" in text
    assert "20 pairs of 5 people detect a difference of 0.0" in text


def test_who_cannot_be_told_apart_shares_the_place():
    text = told(scores(PAIRS, made(greedy=0.3, syn=0.3, demons=0.1)))
    assert "share the first place; both are 0.3" in text
    assert "demons is 0.2" in text


def test_a_reference_is_a_scale_and_no_winner():
    text = told(scores(PAIRS, made(oracle=0.4, greedy=0.3)), ("oracle",))
    assert "oracle" not in text
    assert text.startswith("greedy reaches 0.798 Dice; it is 0.302 Dice better")


def test_failures_are_the_news():
    values = made(greedy=0.3, syn=0.1)
    values["syn"][:3] = NAN
    text = told(scores(PAIRS, values))
    assert text.startswith("syn failed on 3 of 20 pairs. greedy is first")


def test_nobody_answered():
    text = told(scores(PAIRS, made() | {"greedy": np.full(len(PAIRS), NAN)}))
    assert text.startswith("greedy failed on 20 of 20 pairs. No method has a place")


def test_worse_than_the_affine_is_said():
    assert "it is 0.200 Dice worse than the affine alone" in told(scores(PAIRS, made(greedy=-0.2)))


def test_one_pair_gives_no_interval_and_says_so():
    text = told(scores(PAIRS[:1], {k: v[:1] for k, v in made(greedy=0.3).items()}))
    assert "1 pair of 2 people give no interval" in text


def test_millimetres_are_better_when_there_are_fewer():
    values = {name: 5 - 5 * gain for name, gain in made(greedy=0.3, syn=0.1).items()}
    text = told(scores(PAIRS, values, metric="hd95_mm", unit="mm"))
    assert text.startswith("greedy is first; it is 1.5")
    assert "HD95 (mm) better than the affine alone" in text


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [(0.2871, 0.013, "0.29"), (0.2871, 0.0013, "0.287"), (-12.34, 2.0, "12"), (0.2871, NAN, "0.29"), (0.1, 0.0, "0.1")],
)
def test_digits_are_those_that_the_interval_allows(value: float, half: float, text: str):
    assert digits(value, half) == text


def test_references_alone_compete_with_nobody():
    text = told(scores(PAIRS, made(oracle=0.4)), ("oracle",))
    assert text.startswith("Only references were evaluated, which are a scale: no method competes.")


def test_folding_beyond_the_gate_is_news():
    folds = {name: np.full(len(PAIRS), 7.0 if name == "folds" else 0.0) for name in made(folds=0, greedy=0)}
    both = [scores(PAIRS, made(folds=0.4, greedy=0.3)), scores(PAIRS, folds, metric="det_le0_percent", source="")]
    text = told(pd.concat(both))
    assert text.startswith("folds folds too much to be ranked. greedy reaches 0.7")


@pytest.mark.parametrize("seed", range(6, 12))
def test_the_first_place_is_shared_as_in_the_ranking(seed: int):
    """Few pairs and many methods: some differences have an interval without 0, and are not told after correction."""
    rng = np.random.default_rng(seed)
    pairs = pairs_of("chain", 5)
    base = rng.normal(0.5, 0.02, len(pairs))
    gains = {"a": 0.3, "b": 0.29, "c": 0.27, "d": 0.2, "e": 0.1}
    values = {n: base + g + rng.normal(0, 0.01, len(pairs)) for n, g in gains.items()}
    table = scores(pairs, values | {"identity": base - 0.1, "affine": base})
    ranks = rank(table, RankSettings(FAST))
    rows = ranks[(ranks["scheme"] == AGGREGATE) & (ranks["policy"] == "identity") & ranks["method"].isin(list(gains))]
    first = set(rows.loc[rows["rank"].rank() == 1, "place"])
    sharing = set(rows.loc[rows["place"].isin(first), "method"])
    text = told(table).split(";")[0]
    assert ("share the first place" in text) == (len(sharing) > 1)
    assert set(text.replace(",", "").split()) & set(gains) == sharing


@pytest.mark.parametrize("layout", ["chain", "all"])
def test_what_can_be_detected_is_what_the_power_table_says(layout: str):
    """Two methods: the median of the first against the second and of the second against the affine."""
    pairs = pairs_of(layout, 6)
    rng = np.random.default_rng(3)
    base = rng.normal(0.4, 0.05, len(pairs))
    gains = {"greedy": 0.2, "demons": 0.1}
    table = scores(pairs, {n: base + g + rng.normal(0, 0.02, len(pairs)) for n, g in gains.items()} | {"affine": base})
    neighbours = ({"greedy", "demons"}, {"demons", "affine"})
    rows = power_table(table)[["method", "reference", "smallest_seen"]].itertuples(index=False)
    near = [row.smallest_seen for row in rows if {row.method, row.reference} in neighbours]
    assert len(near) == 2
    shown = float(told(table).split(" detect a difference of ")[1].split()[0])
    assert shown == pytest.approx(np.mean(near), rel=0.35)


def test_what_is_detected_has_the_power_that_is_told():
    assert power_of(detectable(0.02, 7), 0.02, 7) == pytest.approx(0.8, abs=1e-9)


def test_many_equals_are_counted_not_listed():
    text = told(scores(PAIRS, made(**{f"m{k}": 0.3 for k in range(8)})))
    assert text.startswith("8 methods share the first place; all are 0.")


def test_two_that_are_the_same_do_not_set_the_limit_of_what_could_be_shown():
    values = made(greedy=0.3) | {"as-affine": made()["affine"]}
    text = told(scores(PAIRS, values))
    assert "a difference of 0 Dice" not in text
    assert "people detect a difference of 0.0" in text


def test_values_on_some_pairs_only_are_said():
    """Pairs that were not run yet: no failure, and the means are of other pairs."""
    values = made(greedy=0.3, syn=0.1, demons=0.1)
    table = scores(PAIRS, values)
    table = table[~(table["method"].isin(["syn", "demons"]) & table["pair"].isin(sorted(set(table["pair"]))[:15]))]
    text = told(table)
    assert set(text.split(" have values on only 5 of 20 pairs. greedy ")[0].split(" and ")) == {"syn", "demons"}
    assert "failed" not in text


def test_who_does_nothing_is_named_among_equals():
    """Three pairs of six people, as an evaluation that was cut short: the same as the affine is said, 0 is no limit."""
    pairs = [(f"s{2 * k}", f"s{2 * k + 1}") for k in range(3)]
    base = np.array([0.42, 0.45, 0.38])
    gains = np.array([0.02, 0.3, 0.2])
    values = {"identity": base - 0.3, "affine": base, "syn": base + gains, "still": base}
    text = told(scores(pairs, values))
    assert "still is the same as the affine alone" in text
    assert "it is unclear whether syn is better than the affine alone" in text
    assert "a difference of 0 Dice" not in text
    assert "people detect a difference of" in text


class Tables:
    """The rows that a headline is made of, and what each of its parts must agree with."""

    def __init__(self, table: pd.DataFrame, methods: tuple[str, ...], failed: str) -> None:
        rows = compare(table, CompareSettings(FAST))
        self.rows = rows[~rows["literature"].astype(bool) & (rows["policy"] == "identity")].to_dict("records")
        ranks = rank(table, RankSettings(FAST))
        same = (ranks["scheme"] == AGGREGATE) & (ranks["policy"] == "identity") & ranks["method"].isin(methods)
        places = ranks[same].sort_values("rank")
        self.methods, self.failed, self.order = methods, failed, list(places["method"])
        self.first = list(places.loc[places["place"] == places["place"].iloc[0], "method"])
        self.true = {
            " failed on ": lambda part: part == failed,
            " first": lambda part: self.named(part) == self.first,
            "of these only ": lambda part: self.named(part) == [m for m in self.first if self.better(m)],
            "none is shown ": lambda _: not any(map(self.better, self.first)),
            "taken by ": lambda part: all(self.excludes_0(name) for name in self.named(part)),
            " worse": self.behind,
            " better than the affine alone": self.above_affine,
            " people detect ": self.limit,
        }

    def named(self, part: str) -> list[str]:
        return [word for word in part.replace(",", " ").split() if word in self.methods]

    def between(self, method: str, reference: str) -> dict[str, object]:
        (row,) = [row for row in self.rows if {row["method"], row["reference"]} == {method, reference}]
        return row

    def better(self, method: str) -> bool:
        row = self.between(method, "affine")
        return row["better"] == "method" and not row["p_holm"] >= 0.05

    def excludes_0(self, method: str) -> bool:
        row = self.between(method, "affine")
        return row["ci_low"] > 0 or row["ci_high"] < 0

    def above_affine(self, part: str) -> bool:
        """`it is .1 Dice better ...`, or `both are .1 to .2 Dice better ...`."""
        sizes = [abs(self.between(name, "affine")["difference"]) for name in self.first]
        told = [float(word) for word in part.split() if word.replace(".", "").isdigit()]
        return all(map(self.better, self.first)) and told in (
            pytest.approx([max(sizes)], abs=0.006), pytest.approx([min(sizes), max(sizes)], abs=0.006)
        )  # fmt: skip

    def limit(self, part: str) -> bool:
        """The median of what is detected between neighbours in the list, to one digit."""
        rows = [self.between(a, b) for a, b in itertools.pairwise([*self.order, "affine"])]
        found = [detectable(row["se"], row["n_units"] - 1) for row in rows]
        told = float(part.split(" a difference of ")[1].split(maxsplit=1)[0])
        return part.startswith("4 pairs of 5 people") and told == pytest.approx(np.median(found), rel=0.35)

    def behind(self, part: str) -> bool:
        method, _, size = part.split()[:3]
        difference = abs(self.between(method, self.first[0])["difference"])
        return method not in self.first and float(size) == pytest.approx(difference, abs=0.006)


@pytest.mark.parametrize("seed", range(4))
def test_every_part_of_the_headline_is_true_by_the_tables(seed: int):
    rng = np.random.default_rng(seed)
    pairs = pairs_of("chain", 5)
    base = rng.normal(0.5, 0.02, len(pairs))
    gains = {"a": 0.1, "b": 0.05 + 0.04 * (seed % 2), "c": 0.02, "d": 0.0}
    values = {n: base + g + rng.normal(0, 0.01, len(pairs)) for n, g in gains.items()}
    values["d"][:1] = NAN
    table = scores(pairs, values | {"identity": base - 0.1, "affine": base})
    tables = Tables(table, tuple(gains), f"d failed on 1 of {len(pairs)} pairs")
    parts = [part for one in told(table).removesuffix(".").split(". ") for part in one.split("; ")]
    for part in parts:
        kinds = [kind for kind in tables.true if kind in f" {part} "]
        assert kinds, f"nothing checks '{part}'"
        assert tables.true[kinds[0]](part), part
