"""Where messages and progress of long work go: a terminal, a log or nowhere."""

from typing import Literal, Protocol

Unit = Literal["", "bytes"]
"""The unit of `done` and `total`; empty for a number of items."""


class Screen(Protocol):
    """Shows messages and progress to a waiting user."""

    def say(self, text: str) -> None:
        """Show one line."""

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """Show that `done` of `total` are done, under the name `what`. `total` is 0 if it is not known."""


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def progress(self, what: str, done: int, total: int, unit: Unit = "") -> None:
        """Nothing."""
