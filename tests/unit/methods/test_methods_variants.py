"""docs/variants.md: a row for every method and variant, with the date of its last start or the reason why there is none."""

import re
from datetime import date

from lumirage.core.layout import shipped
from lumirage.planning.method_cards import all_methods


def test_every_variant_was_started_or_says_why_not() -> None:
    page = (shipped("method_containers").parent / "docs" / "variants.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    table = {row[0]: row[1:] for row in rows[1:]}
    assert len(rows) - 1 == len(table), "a row each"
    assert list(table) == list(all_methods()), "the cards' order"
    for name, (started, outcome, place) in table.items():
        if re.fullmatch(r"\d{4}-\d\d-\d\d", started):
            assert date.fromisoformat(started) >= date(2026, 11, 1)
            assert outcome == "ok", f"{name}: mend it"
            assert place, name
        else:
            assert started == "never", name
            assert re.search(r"image|weights", outcome), f"{name}: what is missing?"
