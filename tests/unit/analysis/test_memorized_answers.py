"""Who loses answers on jittered grids is named; who only loses a little, or fails a pair, is not."""

import numpy as np
import pandas as pd
import pytest

from lumirage.analysis.memorized_answers import jitter_changes


def table(values: dict[str, list[float]], metric: str = "dice_nearest_fg") -> pd.DataFrame:
    rows = [
        {"method": m, "pair": f"p{i}", "metric": metric, "preset": "strict", "source": "s", "label": None, "value": v}
        for m, of in values.items()
        for i, v in enumerate(of)
    ]
    return pd.DataFrame(rows)


NOTHING = {"identity": [0.4, 0.5, 0.45], "affine": [0.5, 0.6, 0.55]}
PLAIN = {"honest": [0.7, 0.8, 0.75], "table": [0.9, 0.95, 0.9], "weak": [0.51, 0.6, 0.55]}
LATER = {"honest": [0.69, 0.8, 0.74], "table": [0.5, 0.6, 0.55], "weak": [0.5, 0.61, 0.56]}


def test_a_remembered_answer_is_named_as_such() -> None:
    found = jitter_changes(table(NOTHING | PLAIN), table(NOTHING | LATER)).set_index("method")
    assert list(found.index) == ["honest", "table", "weak"]
    assert found["suspect"].to_dict() == {"honest": False, "table": True, "weak": False}
    assert found.loc["table", "gain_plain"] == pytest.approx(np.mean([0.4, 0.35, 0.35]))
    assert found.loc["table", "kept"] == pytest.approx(0)
    assert "remembered answers suspected" in found.loc["table", "note"]
    assert found.loc["honest", "change"] == pytest.approx(-0.02 / 3)


def test_a_failed_run_counts_as_doing_nothing() -> None:
    later = LATER | {"table": [np.nan, np.nan, 0.9], "honest": [0.7, np.nan, 0.75]}
    found = jitter_changes(table(NOTHING | PLAIN), table(NOTHING | later)).set_index("method")
    assert found["failed_jittered"].to_dict() == {"honest": 1, "table": 2, "weak": 0}
    assert found.loc["table", "kept"] == pytest.approx(0.35 / 1.1)
    assert not found["suspect"].any(), "it kept one pair of three, which is not most of them"


def test_where_honest_methods_fall_too_nobody_is_suspected() -> None:
    later = LATER | {"honest": [0.55, 0.6, 0.55]}
    found = jitter_changes(table(NOTHING | PLAIN), table(NOTHING | later), honest=["honest"])
    assert not found["suspect"].any()


def test_a_distance_is_better_where_it_is_lower() -> None:
    def upside(values: dict[str, list[float]]) -> dict[str, list[float]]:
        return {m: [10 * (1 - v) for v in of] for m, of in values.items()}

    plain, later = upside(NOTHING | PLAIN), upside(NOTHING | LATER)
    found = jitter_changes(table(plain, "hd95_mm"), table(later, "hd95_mm")).set_index("method")
    assert found["suspect"].to_dict() == {"honest": False, "table": True, "weak": False}
    assert found.loc["table", "change"] > 0
