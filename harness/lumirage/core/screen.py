"""Who watches a long piece of work: a terminal, a log or nobody."""

from typing import Literal, Protocol

Unit = Literal["", "bytes"]
"""What progress is counted in; empty: things."""


class Screen(Protocol):
    """Takes what a person who waits wants to know."""

    def say(self, text: str) -> None:
        """A line."""

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """`done` of `total`, under the name `what`; `total` is 0 where it is not known."""


class Silent:
    """Nobody watches."""

    def say(self, text: str) -> None:
        """Nothing."""

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """Nothing."""
