"""How many digits a number deserves: those that its interval allows."""

import math

MOST_DECIMALS = 4


def decimals_of(half: float, digits: int = 1) -> int | None:
    """Decimals that show `digits` digits of half an interval; None where there is no interval."""
    if math.isnan(half) or half <= 0 or math.isinf(half):
        return None
    return min(max(0, digits - 1 - math.floor(math.log10(half))), MOST_DECIMALS)


def rounded(value: float, half: float, digits: int = 1) -> str:
    """A number with the decimals that half of its interval allows; without an interval, with one digit more than that."""
    decimals = decimals_of(half, digits)
    return f"{value:.{digits + 1}g}" if decimals is None else f"{value:.{decimals}f}"
