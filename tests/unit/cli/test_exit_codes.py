"""What `main` makes of an exception: the status that the command ends with, and what it says."""

import errno
import subprocess
import sys

import pytest

CALL = """
import lumirage.cli as cli
from lumirage.core.errors import BusyError
def fail(**_):
    raise {error}
cli.app = fail
cli.main()
"""


def ended(error: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(error=error), "status"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), **environment},
    )
    return done.returncode, done.stderr


def test_a_crash_of_the_harness_is_not_taken_for_failed_pairs():
    """1 means: finished, some pairs failed."""
    code, said = ended("KeyError('x')")
    assert code == 70
    first, *rest = said.splitlines()
    assert "internal error (KeyError" in first
    assert rest[-1] == "KeyError: 'x'"
    assert any("in fail" in line for line in rest)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (f"OSError({errno.ENOSPC}, 'No space left on device', '/out/x')", 75),
        (f"OSError({errno.EDQUOT}, 'Disk quota exceeded', '/out/x')", 75),
        (f"OSError({errno.EACCES}, 'Permission denied', '/out/x')", 70),
        ("BusyError('/out/x is in use')", 75),
    ],
)
def test_what_a_user_can_mend_is_said_without_a_traceback(error: str, code: int):
    found, said = ended(error)
    assert found == code
    assert "/out/x" in said
    assert "Traceback" not in said
    shown = ended(error, LUMIRAGE_DEBUG="1")
    assert shown[0] == code
    assert "Traceback" in shown[1]
