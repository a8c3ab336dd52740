"""What the user asked for: the options of the command line as one record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lumirage.core.track import Track

DeviceChoice = Literal["auto", "cpu", "gpu"]
"""What methods are to compute on; auto: a GPU where the method can use one and there is one."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What the user typed."""

    methods: tuple[str, ...]
    bids: Path | None = None
    out: Path | None = None
    track: str | Track | None = None
    """Name, file, or the track itself."""
    labels: tuple[str, ...] = ()
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    bids_filter: Path | None = None
    skip_validation: bool = False
    work: Path | None = None
    pairs: tuple[str, ...] = ()
    limit: int | None = None
    runtime: str = "auto"
    jobs: int = 1
    batch: int = 1
    repeats: int = 1
    jitter: bool = False
    """Also run every pair on a grid turned and shifted by a little: a condition of its own."""
    seed: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    device: DeviceChoice = "auto"
    offline: bool = False
    executor: str = "here"
    slurm: tuple[str, ...] = ()
    write_sbatch: Path | None = None
