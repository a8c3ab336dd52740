"""Keeps the report going if a part fails: the part is replaced by the reason, and the rest is made."""

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from lumirage.core.errors import DISK_FULL, LumirageError

T = TypeVar("T")


@dataclass
class ReportProblems:
    """Collects the parts that failed, as text."""

    told: list[str] = field(default_factory=list)

    def attempt(self, what: str, make: Callable[[], T], otherwise: Callable[[str], T]) -> T:
        """The result of `make`; if it fails, that of `otherwise` with the reason. A full disk still ends the report."""
        try:
            return make()
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            if os.environ.get("LUMIRAGE_DEBUG"):
                traceback.print_exception(error)
            why = _why(error)
            self.told.append(f"{what}: {why}")
            return otherwise(why)


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())[:300] or "no message"
    return text if isinstance(error, LumirageError) else f"{type(error).__name__}: {text}"
