"""Makes what a method printed readable for a person."""

EVENTS = "@lumirage"
"""The beginning of lines that a method prints for the harness."""


def last_words(log_tail: str) -> str:
    """The last line that a method printed, without control characters: often the reason why it failed."""
    lines = [line for line in log_tail.splitlines() if line.strip() and not line.startswith(EVENTS)]
    return "".join(c for c in lines[-1].strip()[:200] if c.isprintable()) if lines else ""
