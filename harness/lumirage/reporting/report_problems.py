"""The report always comes out: what of it cannot be made says why in its place, and the rest goes on."""

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from lumirage.core.errors import DISK_FULL, LumirageError

T = TypeVar("T")


@dataclass
class ReportProblems:
    """Collects what could not be made, in words."""

    told: list[str] = field(default_factory=list)

    def attempt(self, what: str, make: Callable[[], T], otherwise: Callable[[str], T]) -> T:
        """What `make` gives; where it cannot, what `otherwise` makes of the reason. A full disk still ends the report."""
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
