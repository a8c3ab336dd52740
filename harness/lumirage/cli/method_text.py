"""What `methods list` and `methods show` print, in 80 columns."""

import textwrap
from collections.abc import Collection, Iterator, Sequence

from lumirage.core.command_answers import MethodFacts, WeightsFacts
from lumirage.core.model import GridNeeds, Method, Weights
from lumirage.methods.image_build import image_name
from lumirage.methods.method_list import Row, image_state
from lumirage.methods.weights import first_use, megabytes, missing_weights, needed_weights
from lumirage.planning.method_cards import MethodSource, variants

WIDTH = 80


def list_lines(rows: Sequence[Row]) -> Iterator[str]:
    """A header, a line a method, its variants indented below it."""
    lines = [("method", "kind", "device", "needs", "what")]
    for row in rows:
        name, what = (f"  {row.name}", row.changes) if row.variant_of else (row.name, row.summary)
        lines.append((name, row.kind, row.device, row.needs or "ready", what))
    widths = [max(len(cell) for cell in column) + 1 for column in zip(*(line[:-1] for line in lines), strict=True)]
    for line in lines:
        yield _line(line, widths)
    yield ""
    yield "ready: nothing has to be got. `evaluate` gets what a method needs by itself;"
    yield "`methods show NAME` prints all that is known of one."


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    text = "".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=False))
    return (text + _clipped(cells[-1], max(WIDTH - sum(widths), 1))).rstrip()


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def method_facts(source: MethodSource, images: Collection[str] | None) -> MethodFacts:
    """The card's facts and what of the method is here."""
    card = source.card
    return MethodFacts(
        card=card,
        variant_of=source.variant_of,
        dose_of=source.dose_of,
        image=image_name(source.folder, card),
        image_state=image_state(source.folder, card, images),
        variants={
            method.name: dict(card.variants[method.name.removeprefix(f"{card.name}-")]) for method in variants(card)
        },
        weights=tuple(_weights(card, item) for item in card.weights),
    )


def _weights(card: Method, item: Weights) -> WeightsFacts:
    kept = first_use(card, item.file)
    return WeightsFacts(
        **item.model_dump(),
        needed=item in needed_weights(card),
        here=item not in missing_weights(card) if item in needed_weights(card) else None,
        first_used=kept.first_used if kept else None,
        first_used_sha256=kept.sha256 if kept else None,
    )


def _frame(needs: GridNeeds) -> str:
    """The grid to which the harness brings a network's images."""
    if needs.orientation is None:
        return ""
    shape = "x".join(map(str, needs.shape)) if needs.shape else "the working grid's shape"
    spacing = f"{needs.spacing_mm:g} mm" if needs.spacing_mm else "the working grid's spacing"
    return f"{needs.orientation}, {shape}, {spacing}"


def show_lines(card: Method, facts: MethodFacts, word: str = "") -> Iterator[str]:
    """The same for a person. `word` is what --method takes for it, unless that is its name."""
    word = word or card.name
    of = f", variant of {facts.variant_of}" if facts.variant_of else ""
    yield f"{card.name} {card.version} ({card.kind}, device {card.device}{of})"
    yield from _paragraph("", card.summary)
    yield from _paragraph("image", f"{facts.image} ({facts.image_state})")
    if card.obtain:
        yield from _paragraph("obtain", card.obtain)
    for key, value in card.parameters.items():
        yield from _paragraph("parameters" if key == next(iter(card.parameters)) else "", f"{key}: {value}")
    for i, (name, changed) in enumerate(facts.variants.items()):
        words = ", ".join(f"{key}: {value}" for key, value in changed.items()) or "as the card"
        yield from _paragraph("" if i else "variants", f"{name}: {words}")
    for i, weights in enumerate(facts.weights):
        yield from _paragraph("" if i else "weights", _weights_words(weights))
    yield from _paragraph("frame", _frame(card.needs))
    yield from _paragraph("trained on", ", ".join(card.trained_on) or ("not stated" if card.kind == "deep" else ""))
    yield from _paragraph("licence", card.licence)
    yield from _paragraph("verified", card.verified)
    for i, place in enumerate(card.source):
        yield from _paragraph("" if i else "source", place)
    yield from _paragraph("cite", card.citation)
    number = next((name for name, value in card.parameters.items() if isinstance(value, int | float)), None)
    yield from _paragraph("use", f"lumirage-harness evaluate --method {word}")
    if number and not facts.dose_of:
        dose = f"{word}:{number}={card.parameters[number]}"
        yield from _paragraph("", f"lumirage-harness evaluate --method {dose}")


def _weights_words(item: WeightsFacts) -> str:
    here = {True: "here", False: "not here yet", None: "not needed"}[item.here]
    if item.sha256:
        known = f"SHA-256 {item.sha256}"
    elif item.first_used:
        known = f"no SHA-256 is published; compared with {item.first_used_sha256} of its first use, {item.first_used}"
    else:
        known = "no SHA-256 is published; it will be compared with that of its first use"
    return f"{item.file}, {megabytes(item.bytes)}, {item.licence}, {here}; {item.url}; {known}"


def _paragraph(title: str, text: str) -> Iterator[str]:
    if text:
        yield from (
            textwrap.wrap(
                f"{title:12}{text}", WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False, break_long_words=False
            )
            if title
            else textwrap.wrap(
                text,
                WIDTH,
                initial_indent=" " * 12,
                subsequent_indent=" " * 12,
                break_on_hyphens=False,
                break_long_words=False,
            )
        )
