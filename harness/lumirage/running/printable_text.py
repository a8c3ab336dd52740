"""Makes the output of a method safe for records, logs and screens."""

import re

_STRANGE = re.compile(
    r"[^\S\n\t ]"  # other white space
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # control codes, which a terminal obeys
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # they reorder what a person sees
    "|[\ud800-\udfff]"  # half a character: cannot be written as UTF-8
)


def readable(text: str) -> str:
    """The text with control codes, reordering marks and lone surrogates escaped; it can be encoded and is safe to print."""
    return _STRANGE.sub(lambda found: repr(found.group())[1:-1], text)
