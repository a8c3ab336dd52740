"""The user as whom a container runs, and who may reach its output."""

import os
from pathlib import Path

from lumirage.core.model import Method

NOBODY = 65534
"""Owner of what containers write when the harness is root. Else it is the harness' own user."""
OWN_USER = "not held: the user that the image names, who may be root within, without capabilities"
"""Written into the record in place of what the runtime promises."""


def own_user(method: Method) -> bool:
    """Whether an image works only as its own user: LUMIR 2024's template installs into the home of root, which no other
    user can read. The template of 2025 works as any user.

    The consequences are in docs/decisions/0006.md.
    https://github.com/JHU-MedImage-Reg/LUMIR_L2R, Test_phase_submission/DockerImage_Template/Dockerfile
    """
    return method.contract == "lumir" and method.lumir_year == 2024


def hand_over(out: Path, method: Method) -> tuple[int, int] | None:
    """Give the output folder to the user as whom the method runs; gives that user, who is never root. None: the one that
    the image names; then the folder is open to all, in one that nobody else of this machine can enter."""
    places = (out, *out.iterdir())
    if own_user(method) or not hasattr(os, "getuid"):
        out.parent.chmod(0o700)  # what root within leaves there may be setuid
        for place in places:
            place.chmod(0o777)
        return None
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    for place in places:
        os.chown(place, NOBODY, NOBODY)
    return NOBODY, NOBODY
