"""Parts of a tree held by several, the whole by one."""

import subprocess
import sys
from pathlib import Path

import pytest

from lumirage.core.errors import BusyError
from lumirage.running.participant_locks import held_in_part
from lumirage.running.tree_lock import held


def test_disjoint_parts_go_together_and_equal_ones_do_not(tmp_path: Path):
    whole, a, b = tmp_path / ".lock", tmp_path / ".lock-a", tmp_path / ".lock-b"
    with held_in_part(whole, [a]):
        with held_in_part(whole, [b]):
            pass
        with pytest.raises(BusyError), held_in_part(whole, [b, a]):
            pass
        with pytest.raises(BusyError), held(whole):
            pass
        with held_in_part(whole, [b]):
            pass
    with held(whole), pytest.raises(BusyError, match="as a whole"), held_in_part(whole, [a]):
        pass
    with held(whole):
        pass


def test_a_killed_holder_lets_go(tmp_path: Path):
    code = (
        "import sys, os, signal; from pathlib import Path; from lumirage.running.participant_locks import held_in_part\n"
        "p = Path(sys.argv[1])\n"
        "with held_in_part(p / '.lock', [p / '.lock-a']): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    with held(tmp_path / ".lock"), held(tmp_path / ".lock-a"):
        pass


def test_a_holder_that_died_is_not_named_for_those_who_share(tmp_path: Path):
    whole = tmp_path / ".lock"
    whole.write_text('{"pid": 1, "user": "dead", "host": "h", "since": "s", "command": "c"}')
    with held_in_part(whole, []), pytest.raises(BusyError, match="another harness"), held(whole):
        pass
