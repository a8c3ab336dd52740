"""Which methods the words after --method are: the same one twice is one, two of one name are refused."""

import shutil
from pathlib import Path

import pytest

from lumirage.core.errors import UsageError
from lumirage.core.layout import shipped
from lumirage.flow.plan import methods_named
from lumirage.planning.method_cards import MethodSource, find_method


class Cards:
    """Finds methods as a plan does; has no runtime."""

    def find(self, word: str) -> MethodSource:
        return find_method(word)


def named(*words: str) -> list[str]:
    return list(methods_named(words, Cards()))  # type: ignore[arg-type]


def test_the_same_method_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped("method_containers"))
    assert named("greedy", "GREEDY", "./greedy", "greedy-fine", "greedy:sigma=3") == [
        "greedy", "greedy-fine", "greedy-sigma3",
    ]  # fmt: skip


@pytest.mark.parametrize("dose", ["", ":sigma=3"])
def test_a_folder_with_the_name_of_another_method_is_refused(
    dose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shipped("method_containers") / "greedy", tmp_path / "greedy")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"'greedy{dose}' and './greedy{dose}' are two methods with the name greedy"):
        named(f"greedy{dose}", f"./greedy{dose}")
    assert named(f"./greedy{dose}") == ["greedy-sigma3" if dose else "greedy"]
