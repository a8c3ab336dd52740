"""Whether a folder lies in memory: what a method writes to a tmpfs counts as its memory, and against its limit."""

from pathlib import Path

MOUNTS = Path("/proc/mounts")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def in_memory(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Whether a folder, which need not exist yet, is on a tmpfs; False if that is not known."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    # the table escapes blanks and the like as octal numbers; of two mounts on one place the later one is seen
    table = {Path(_plain(words[1])): words[2] for line in lines if len(words := line.split()) > 2}
    place = folder.resolve()
    return next((table[each] in IN_MEMORY for each in (place, *place.parents) if each in table), False)


def _plain(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
