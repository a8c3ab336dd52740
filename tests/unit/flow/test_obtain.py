"""An image that only its authors give out: evaluate, build and pull say the same, and none sends the user to another."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lumirage.cli.method_commands import build, prefetch, pull
from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.layout import shipped
from lumirage.core.model import Method
from lumirage.core.records import read_yaml
from lumirage.core.screen import Silent
from lumirage.flow.method_setup import install
from lumirage.flow.method_setup.at_hand import methods_at_hand
from lumirage.flow.method_setup.install import MethodInstaller

CARDS = [read_yaml(path, Method) for path in sorted(shipped("method_containers").glob("*/method.yaml"))]


class Empty:
    """A runtime that has no image."""

    name = "docker"

    def prepare(self, image: str) -> None:
        """Nothing."""

    def resolve(self, reference: str) -> Any:
        raise UnavailableError(f"image {reference} is not on this machine; build it, or pull it")


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> MethodInstaller:
    def refuse(*_: str) -> str:
        raise AssertionError("nothing may be pulled")

    monkeypatch.setattr(install, "pull_to_engine", refuse)
    monkeypatch.setattr(install, "missing_weights", lambda _: ())
    installer = MethodInstaller(Empty(), (), Silent())  # type: ignore[arg-type]
    monkeypatch.setattr(install, "method_installer", lambda *_, **__: installer)
    return installer


@pytest.mark.parametrize("name", [card.name for card in CARDS if card.obtain])
def test_one_answer(empty: MethodInstaller, name: str) -> None:
    card = next(card for card in CARDS if card.name == name)
    source = empty.find(name)
    answers = []
    for asked in (
        lambda: empty.use(source),
        lambda: build(name),
        lambda: pull(name),
        lambda: prefetch([name], "docker"),
    ):
        with pytest.raises(UnavailableError) as refused:
            asked()
        answers.append(str(refused.value))
    assert set(answers) == {f"the image {card.image} of {name} is not on this machine. {card.obtain}"}


def test_offline_no_command_is_named_that_would_not_bring_it(empty: MethodInstaller) -> None:
    forbidden = replace(empty, offline=True)
    with pytest.raises(UnavailableError) as refused:
        forbidden.install([empty.find("sitreg"), empty.find("synthmorph")])
    said = str(refused.value)
    assert f"sitreg: image sitreg:lumir24. {empty.find('sitreg').card.obtain}\n" in said
    assert said.endswith("get the rest where there is a network, with\n  lumirage-harness methods prefetch synthmorph")
    with pytest.raises(UnavailableError) as refused:
        forbidden.install([empty.find("sitreg")])
    assert str(refused.value).endswith(f"sitreg: image sitreg:lumir24. {empty.find('sitreg').card.obtain}")
    assert {name: at_hand.state for name, at_hand in methods_at_hand(forbidden, ["sitreg", "synthmorph"]).items()} == {
        "sitreg": "from its authors",
        "synthmorph": "to pull",
    }


def test_an_image_that_is_published_nowhere_is_not_looked_for_in_a_registry(empty: MethodInstaller) -> None:
    for name in ("greedy", "multiGradICON"):
        with pytest.raises(UsageError, match=f"methods build {name}"):
            pull(name)
    with pytest.raises(UsageError, match="methods pull synthmorph"):
        build("synthmorph")


def test_every_image_of_others_is_published_or_says_how_it_is_got() -> None:
    foreign = [card for card in CARDS if card.image]
    # on a public registry; built from the folder of uniGradICON
    assert {card.name for card in foreign if not card.obtain} == {"synthmorph", "multiGradICON"}
    assert all(card.source for card in CARDS), "each card names the places of its facts"


def test_what_is_there_is_taken(monkeypatch: pytest.MonkeyPatch, empty: MethodInstaller) -> None:
    from lumirage.running.runtimes.runtime_interface import Image

    monkeypatch.setattr(Empty, "resolve", lambda _, reference: Image(reference, "sha256:there"))
    assert empty.use(empty.find("sitreg")).digest == "sha256:there"
    assert Path(empty.find("sitreg").folder or "").name == "sitreg"
