"""What the shell offers after Tab for the values of options; it reads names of files only, so that it answers at once."""

import os
from pathlib import Path

RUNTIMES = ("auto", "docker", "apptainer", "local")


def method_names(incomplete: str) -> list[str]:
    """Names of methods; variants are not offered, because their names are inside the cards."""
    from lumirage.core.layout import shipped

    roots = [Path(part) for part in os.environ.get("LUMIRAGE_METHODS", "").split(os.pathsep) if part]
    cards = (card for root in (*roots, shipped("method_containers")) for card in root.glob("*/method.yaml"))
    return _beginning(incomplete, {card.parent.name for card in cards})


def track_names(incomplete: str) -> list[str]:
    """Names of the shipped tracks."""
    from lumirage.core.layout import shipped

    return _beginning(incomplete, {path.stem for path in (shipped("specs") / "tracks").glob("*.yaml")})


def runtime_names(incomplete: str) -> list[str]:
    """Names of the runtimes."""
    return _beginning(incomplete, set(RUNTIMES))


def _beginning(incomplete: str, names: set[str]) -> list[str]:
    return sorted(name for name in names if name.lower().startswith(incomplete.lower()))
