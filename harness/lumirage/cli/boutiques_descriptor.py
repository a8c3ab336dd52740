"""The Boutiques descriptor of the BIDS App, made from the command line itself; `specs/boutiques.json` is its text."""

import json
from typing import Any, get_args, get_type_hints

import typer

from lumirage import __version__
from lumirage.cli.bids_app import LEVELS, SEVERAL

LEFT_OUT = ("help", "bids_dir", "out", "json", "dry_run")


def descriptor(app: typer.Typer) -> str:
    """The descriptor as JSON, schema 0.5 (https://boutiques.github.io)."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    function = next(command.callback for command in app.registered_commands if command.name == LEVELS[0])
    kinds = get_type_hints(function)
    options = [_input(one, kinds[one.name]) for one in commands[LEVELS[0]].params if one.name not in LEFT_OUT]
    places = [
        _place("bids_dir", "BIDS dataset", "File"),
        _place("output_dir", "Output folder", "File"),
        _place("analysis_level", "Level", "String") | {"value-choices": list(LEVELS)},
    ]
    content = {
        "name": "lumirage-harness",
        "description": "Runs, measures, scores and compares methods of deformable image registration on BIDS datasets.",
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": " ".join(["lumirage-harness", *(entry["value-key"] for entry in [*places, *options])]),
        "container-image": {"type": "docker", "image": "lumirage/harness"},
        "inputs": [*places, *options],
        "output-files": [
            {"id": "results", "name": "Results", "path-template": "[OUTPUT_DIR]", "description": "BIDS derivative"}
        ],
        "error-codes": [
            {"code": 1, "description": "finished, but some pairs failed"},
            {"code": 2, "description": "usage"},
            {"code": 65, "description": "bad data"},
            {"code": 69, "description": "something that is needed is not there"},
            {"code": 70, "description": "internal"},
            {"code": 75, "description": "try again"},
        ],
        "tags": {"toolType": ["BIDS App"], "domain": ["neuroinformatics", "mri"]},
    }
    return json.dumps(content, indent=1) + "\n"


def _place(identity: str, name: str, kind: str) -> dict[str, Any]:
    return {"id": identity, "name": name, "type": kind, "value-key": f"[{identity.upper()}]", "optional": False}


def _input(param: Any, kind: Any) -> dict[str, Any]:  # Any: typer brings a click of its own, and types are annotations
    """One option. Those after which several values may stand are lists; other lists repeat their flag."""
    kinds = {kind, *get_args(kind)}
    flag = next(name for name in param.opts if name.startswith("--"))
    entry: dict[str, Any] = {
        "id": param.name,
        "name": param.name.replace("_", " "),
        "type": "Flag" if param.is_flag else "Number" if {int, float} & kinds else "String",
        "description": param.help,
        "command-line-flag": flag,
        "value-key": f"[{param.name.upper()}]",
        "optional": not param.required,
    }
    if int in kinds:
        entry["integer"] = True
    if flag in SEVERAL or param.name == "method":
        entry["list"] = True
    return entry
