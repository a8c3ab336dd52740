"""The guard of instruction counts: what it counts, what it lets pass, and that it never passes unseen in CI."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import instruction_counts  # scripts are no package

DUMP = """\
events: Ir

ob=/usr/lib/libc.so.6
fl=malloc.c
fn=malloc
10 1000

ob=???
fl=???
fn=0x00000000165213b0
0 30
cob=/usr/lib/libc.so.6
cfn=malloc
calls=5 80
0 1000
0 4
"""


def test_only_compiled_code_is_counted_and_not_what_it_calls() -> None:
    assert instruction_counts.compiled_instructions(DUMP) == 34


def test_five_percent_pass_in_both_directions_and_six_do_not() -> None:
    stored = dict.fromkeys(("less", "more", "least", "most", "gone"), 100)
    found = {"less": 95, "more": 105, "least": 94, "most": 106, "new": 100}
    assert instruction_counts.changed_kernels(found, stored) == ["least", "most", "gone", "new"]


@pytest.mark.parametrize(("required", "flags"), [("1", []), ("", ["--remake"])])
def test_without_valgrind_it_fails_where_it_is_required(
    required: str, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LUMIRAGE_REQUIRE_VALGRIND", required)
    monkeypatch.setattr(sys, "argv", ["instruction_counts.py", *flags])
    with pytest.raises(SystemExit, match="NOT compared: valgrind, cc is missing"):
        instruction_counts.main()


def test_without_valgrind_it_says_so_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LUMIRAGE_REQUIRE_VALGRIND", raising=False)
    monkeypatch.setattr(sys, "argv", ["instruction_counts.py"])
    instruction_counts.main()
    assert "NOT compared: valgrind, cc is missing" in capsys.readouterr().out
