"""The zoo's page begins with what the cards say. LUMIRAGE_REMAKE=1 writes that anew."""

import os

from lumirage.core.layout import shipped
from lumirage.core.model import Method
from lumirage.core.records import read_yaml

HEAD = """# The zoo

One folder a method; the card `method.yaml` says the rest. Contract: [`specs/method-contract.md`](../specs/method-contract.md),
how to add one: [`docs/add-a-method.md`](../docs/add-a-method.md). This first table is made from the cards.

| method | version | variants | what | verified by us |
|---|---|---|---|---|
"""


def test_the_page_is_made_from_the_cards() -> None:
    folder = shipped("method_containers")
    cards = [read_yaml(path, Method) for path in sorted(folder.glob("*/method.yaml"))]
    rows = [
        f"| {card.name} | {card.version} | {', '.join(card.variants) or '-'} | {card.summary} | {card.verified} |"
        for card in cards
    ]
    wanted = HEAD + "\n".join(rows) + "\n"
    page = folder / "README.md"
    _, second, by_hand = page.read_text().partition("\n## ")
    if os.environ.get("LUMIRAGE_REMAKE") == "1":
        page.write_text(wanted + second + by_hand)
    assert page.read_text() == wanted + second + by_hand
