"""Methods by name: the cards in method_containers/ and in the folders of LUMIRAGE_METHODS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import shipped
from lumirage.core.model import Method
from lumirage.core.records import read_yaml

CARD = "method.yaml"


@dataclass(frozen=True)
class MethodSource:
    """A method and the folder it is built from; none for an image that stands alone."""

    card: Method
    folder: Path | None


def method_folders(extra: Sequence[Path] = ()) -> Iterator[Path]:
    """Folders that hold a card: those given first, then the shipped ones."""
    for root in (*extra, shipped("method_containers")):
        if (root / CARD).is_file():
            yield root
        elif root.is_dir():
            yield from sorted(card.parent for card in root.glob(f"*/{CARD}"))


def all_methods(extra: Sequence[Path] = ()) -> dict[str, MethodSource]:
    """Every method and variant by its name. A folder given first hides a later one of the same name."""
    found: dict[str, MethodSource] = {}
    for folder in method_folders(extra):
        card = read_yaml(folder / CARD, Method)
        for method in (card, *variants(card)):
            found.setdefault(method.name, MethodSource(method, folder))
    return found


def variants(card: Method) -> Iterator[Method]:
    """The card's variants as methods of their own, named NAME-SUFFIX."""
    for suffix, changed in card.variants.items():
        unknown = sorted(set(changed) - set(card.parameters))
        if unknown:
            raise UsageError(f"{card.name}: variant '{suffix}' sets {unknown}, which are not parameters of the card")
        yield card.model_copy(
            update={"name": f"{card.name}-{suffix}", "parameters": card.parameters | changed, "variants": {}}
        )


def find_method(name: str, extra: Sequence[Path] = ()) -> MethodSource:
    """The method of a name, case-insensitive, or of a folder. Raises UsageError with the nearest names."""
    folder = Path(name)
    if (folder / CARD).is_file():
        return MethodSource(read_yaml(folder / CARD, Method), folder.resolve())
    known = all_methods(extra)
    for key, source in known.items():
        if key.lower() == name.lower():
            return source
    raise UsageError(f"unknown method '{name}'{nearest(name, known)}")
