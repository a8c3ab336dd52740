"""specs/boutiques.json is what the command line says."""

import json
import os
from pathlib import Path

from lumirage.cli import app
from lumirage.cli.boutiques_descriptor import descriptor

FILE = Path(__file__).parents[3] / "specs" / "boutiques.json"


def test_the_descriptor_is_that_of_the_command_line():
    """Made anew with LUMIRAGE_REMAKE=1."""
    if os.environ.get("LUMIRAGE_REMAKE") == "1":
        FILE.write_text(descriptor(app))
    assert FILE.read_text() == descriptor(app)


def test_it_holds_what_boutiques_wants():
    content = json.loads(descriptor(app))
    keys = [entry["value-key"] for entry in content["inputs"]]
    assert len(set(keys)) == len(keys)
    assert content["command-line"].split()[1:] == keys
    assert {entry["type"] for entry in content["inputs"]} <= {"File", "String", "Number", "Flag"}
    by_id = {entry["id"]: entry for entry in content["inputs"]}
    assert by_id["participant_label"]["list"]
    assert by_id["method"]["optional"] is False
    assert by_id["analysis_level"]["value-choices"] == ["participant", "group"]
