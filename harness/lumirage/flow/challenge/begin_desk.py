"""Begins a desk: a folder with a challenge.yaml that says what to write."""

from pathlib import Path

from lumirage.core.desk_layout import DeskLayout
from lumirage.core.errors import UsageError
from lumirage.core.layout import write_text

TEMPLATE = """# The rules of this challenge. All that decides a result is hashed with the first submission: change it before.
schema_version: 1
name: {name}
title: {name}
contact: ''

# An official evaluation configuration (FILE.json), a folder of them (FOLDER/), or a track (name or FILE.yaml).
# Paths are relative to this folder.
configuration: {configuration}
# BIDS dataset: needed for a track, and to run images under an official configuration.
{dataset}
phases:
# shows: aggregates, or own_pairs; late: mark, or refuse; pairs: [ids], none: all. Dates are UTC.
- {{name: validation, shows: aggregates}}
{presets}
ranking:
  scheme: {scheme}  # lumir24, lumir25, learn2reg, or subject-ranks
failures:
  policy: identity     # a failed pair counts as doing nothing; or worst, or drop
  incomplete: partial  # a submission with some valid answers is taken in part; or refuse
counts: last           # of each team the last submission; or every
baselines: []          # methods, as for --method: in every list, marked
"""


def begin_desk(folder: Path, configuration: str, dataset: str) -> DeskLayout:
    """Write challenge.yaml into a new or empty folder. Raises UsageError where a desk is there already."""
    layout = DeskLayout(folder)
    if layout.challenge.exists():
        raise UsageError(f"{layout.challenge} is there already; edit it, or give another folder")
    official = configuration.endswith((".json", "/"))
    text = TEMPLATE.format(
        name="".join(c for c in layout.root.name if c.isalnum() or c in "._-").lstrip("._-") or "challenge",
        configuration=configuration,
        dataset=f"dataset: {dataset}" if dataset else "# dataset: bids",
        presets="presets: [lumir25]  # or lumir24, learn2reg"
        if official
        else "# presets: [strict]  # none: the track's",
        scheme="lumir25" if official else "subject-ranks",
    )
    write_text(layout.challenge, text)
    return layout
