"""Who watches a long piece of work: a terminal, a log or nobody."""

from typing import Protocol


class Screen(Protocol):
    """Takes what a person who waits wants to know."""

    def say(self, text: str) -> None:
        """A line."""

    def progress(self, what: str, done: int, total: int) -> None:
        """`done` of `total`, under the name `what`."""


class Silent:
    """Nobody watches."""

    def say(self, text: str) -> None:
        """Nothing."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Nothing."""
