"""The reference of tracks says of every field what it means, its values and default, and has an example that is valid."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from record_fields import field_rows
from references import pages, said_of_track

from lumirage.core.model import Method
from lumirage.core.track import Track

ROWS = {row.path: row for row in field_rows(Track)}
SAID = said_of_track()


def test_every_field_has_a_meaning_and_an_example() -> None:
    assert set(SAID) == set(ROWS)
    assert [path for path, row in ROWS.items() if not (row.meaning or SAID[path].meaning)] == []


def track_with(path: str, value: Any) -> Track:
    content: dict[str, Any] = {"name": "x"}
    if path.startswith("pairing."):  # each scheme needs its own field
        scheme = {"count": "random", "seed": "all", "target": "star", "file": "list"}.get(path.split(".")[1])
        content["pairing"] = {"scheme": scheme} if scheme else {}
    here = content
    *outer, last = path.split(".")
    for name in outer:
        here = here.setdefault(name, {})
    here[last] = value
    return Track.model_validate(content)


@pytest.mark.parametrize("path", ROWS)
def test_examples_are_valid(path: str) -> None:
    example = yaml.safe_load(SAID[path].example)
    assert track_with(path, example) != Track(name="y")
    with pytest.raises(ValidationError):
        track_with(path, object())


def test_ranges_that_a_function_checks_are_those_that_are_told() -> None:
    for path, wrong, right in (
        ("prepare.spacing_mm", (0, 10_001), (0.01, 10_000)),
        ("prepare.shape", ([1, 1, 0], [1, 1, 10_001]), ([1, 1, 1], [1, 1, 10_000])),
    ):
        assert SAID[path].range == "each above 0, at most 10,000"
        for value in wrong:
            with pytest.raises(ValidationError):
                track_with(path, value)
        for value in right:
            track_with(path, value)


def test_units_ranges_and_defaults_come_from_the_record() -> None:
    assert ROWS["limits.pair_timeout_s"].unit == "s"
    assert ROWS["limits.memory_bytes"].unit == "bytes"
    assert ROWS["prepare.oblique_deg"].range == "-180 or more, at most 180"
    assert ROWS["prepare.bias_field"].range == "0 or more, below 1"
    assert ROWS["pairing.scheme"].kind.startswith("one of `all`, `chain`")
    assert ROWS["presets"].default == '`["strict"]`'
    assert ROWS["name"].default == "required"
    paths = [row.path for row in field_rows(Method)]
    assert "weights[].sha256" in paths
    assert "needs.spacing_mm" in paths


def test_pages_name_every_command_and_method() -> None:
    made = pages()
    assert "### dataset import" in made["reference/command-line.md"]
    assert "`--participant-label`" in made["reference/command-line.md"]
    assert "| `greedy` | iterative | cpu |" in made["reference/methods.md"]
    assert "### track" in made["reference/json.md"]
    assert "### methods list" in made["reference/json.md"].split("## Records on disk")[0]
