"""Which methods get a GPU: by --device, the cards, what is here, and what the runtime can give."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.model import Method
from lumirage.flow import plan as flow
from lumirage.flow.request import DeviceChoice, EvaluationRequest
from lumirage.planning.jobs import GpuUse
from lumirage.planning.method_cards import MethodSource


@dataclass
class Heard:
    """A screen that remembers."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, *_: object) -> None:
        """Nothing."""


def sources(*devices: str) -> list[MethodSource]:
    cards = [Method.model_validate({"name": f"m{i}", "version": "1", "summary": "", "kind": "deep", "device": d})
             for i, d in enumerate(devices)]  # fmt: skip
    return [MethodSource(card, None) for card in cards]


def chosen(monkeypatch: pytest.MonkeyPatch, *devices: str, gpus: int, wanted: DeviceChoice = "auto", refusal: str = "",
           executor: str = "here") -> tuple[GpuUse, list[str]]:  # fmt: skip
    here = SimpleNamespace(gpus=tuple(f"GPU-{i}" for i in range(gpus)))
    monkeypatch.setattr(flow, "resources_here", lambda _: here)
    runtime, screen = SimpleNamespace(gpu_refusal=lambda: refusal), Heard()
    request = EvaluationRequest(methods=(), device=wanted, executor=executor)
    return flow.gpu_use(request, sources(*devices), runtime, screen), screen.lines  # type: ignore[arg-type]


def test_a_method_that_can_use_a_gpu_gets_one_where_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, "either", "cpu", gpus=1) == ("able", [])
    assert chosen(monkeypatch, "either", "cpu", gpus=0) == ("needed", [])


def test_an_engine_that_gives_no_gpu_is_told_and_the_cpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    use, lines = chosen(monkeypatch, "either", gpus=1, refusal="install the toolkit")
    assert use == "needed"
    assert lines == ["a GPU is here, and methods run on the CPU all the same: install the toolkit"]


def test_cpu_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, "either", gpus=1, wanted="cpu")[0] == "none"
    with pytest.raises(UsageError, match="m1 cannot work without a GPU"):
        chosen(monkeypatch, "either", "gpu", gpus=1, wanted="cpu")


def test_gpu_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, "either", "cpu", gpus=1, wanted="gpu", refusal="says the engine")[0] == "able"
    with pytest.raises(UnavailableError, match="no GPU"):
        chosen(monkeypatch, "either", gpus=0, wanted="gpu")
    with pytest.raises(UsageError, match="can use a GPU"):
        chosen(monkeypatch, "cpu", gpus=1, wanted="gpu")


def test_the_nodes_of_a_cluster_are_not_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, "either", gpus=1, executor="slurm")[0] == "needed"
    assert chosen(monkeypatch, "either", gpus=0, executor="slurm", wanted="gpu")[0] == "able"
