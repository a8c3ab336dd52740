"""Parts of a tree held by several, the whole by one."""

import subprocess
import sys
from pathlib import Path

import pytest

from lumirage.core.errors import BusyError
from lumirage.running.participant_locks import lock_participants
from lumirage.running.tree_lock import lock_exclusively


def test_disjoint_parts_go_together_and_equal_ones_do_not(tmp_path: Path):
    whole, a, b = tmp_path / ".lock", tmp_path / ".lock-a", tmp_path / ".lock-b"
    with lock_participants(whole, [a]):
        with lock_participants(whole, [b]):
            pass
        with pytest.raises(BusyError), lock_participants(whole, [b, a]):
            pass
        with pytest.raises(BusyError), lock_exclusively(whole):
            pass
        with lock_participants(whole, [b]):
            pass
    with lock_exclusively(whole), pytest.raises(BusyError, match="as a whole"), lock_participants(whole, [a]):
        pass
    with lock_exclusively(whole):
        pass


def test_a_killed_holder_lets_go(tmp_path: Path):
    code = (
        "import sys, os, signal; from pathlib import Path; from lumirage.running.participant_locks import lock_participants\n"
        "p = Path(sys.argv[1])\n"
        "with lock_participants(p / '.lock', [p / '.lock-a']): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    with lock_exclusively(tmp_path / ".lock"), lock_exclusively(tmp_path / ".lock-a"):
        pass


def test_a_holder_that_died_is_not_named_for_those_who_share(tmp_path: Path):
    whole = tmp_path / ".lock"
    whole.write_text('{"pid": 1, "user": "dead", "host": "h", "since": "s", "command": "c"}')
    with lock_participants(whole, []), pytest.raises(BusyError, match="another harness"), lock_exclusively(whole):
        pass
