"""The BIDS App form as words of a command."""

import pytest

from lumirage.cli import app
from lumirage.cli.bids_app import words_of_command


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("B O participant -m greedy", "participant -m greedy -- B O"),
        (
            "B O participant --participant-label 01 02 --method greedy",
            "participant --participant-label 01 --participant-label 02 --method greedy -- B O",
        ),
        (
            "B O participant --participant_label sub-01 --session_label 1 2 -m x",
            "participant --participant-label sub-01 --session-label 1 --session-label 2 -m x -- B O",
        ),
        ("-m greedy --skip_bids_validation B O participant", "participant -m greedy --skip-bids-validation -- B O"),
        ("B O participant --participant-label=01 -w /w", "participant --participant-label 01 -w /w -- B O"),
        ("B O participant -j4 -m x", "participant -j4 -m x -- B O"),
        ("B O -mgreedy participant", "participant -mgreedy -- B O"),
        ("-mgreedy B O group", "group O -mgreedy"),
        (
            "B O --participant-label 01 02 participant -m x",
            "participant --participant-label 01 --participant-label 02 -m x -- B O",
        ),
        ("B O --session-label 1 group", "group O --session-label 1"),
        ("B O group", "group O"),
        ("B O group --workers 2", "group O --workers 2"),
        ("evaluate -m group B O", "evaluate -m group B O"),
        ("group O", "group O"),
        ("B participant", "B participant"),
        ("--version", "--version"),
    ],
)
def test_words(typed: str, command: str):
    assert words_of_command(typed.split(), app) == command.split()


def test_a_path_with_blanks_stays_one_word():
    assert words_of_command(["my data", "out", "group"], app) == ["group", "out"]
