"""Publishes a phase: everything is made in memory, looked through for what must not leave the desk, listed, then written."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import lumirage
from lumirage.core.challenge_results import Published, PublishedFile
from lumirage.core.desk_layout import PublishedSite
from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import written_aside
from lumirage.core.records import read_json, write_json
from lumirage.flow.challenge.ranked_desk import RankedPhase

if TYPE_CHECKING:
    import pandas as pd

SHORTEST_SECRET = 4
"""Shorter names of subjects are found in any page."""
TEXTS = (".html", ".json", ".tsv", ".svg")


@dataclass(frozen=True)
class Prepared:
    """A site that is not written yet."""

    ranked: RankedPhase
    files: dict[str, bytes]
    """Path relative to the site -> content."""

    @property
    def teams(self) -> list[str]:
        """The teams that have a folder."""
        return sorted({path.split("/")[1] for path in self.files if path.startswith("teams/")})


def prepare_site(ranked: RankedPhase) -> Prepared:
    """Make all pages. Raises DataError if a name of a pair, an image or a subject were in one of them."""
    from lumirage.flow.challenge.team_pages import team_pages  # late: matplotlib
    from lumirage.reporting.challenge_page import PairRanks, public_files
    from lumirage.reporting.team_page import team_files

    results = ranked.results
    pairs = PairRanks(
        ranked.values.loc[list(ranked.teams)].to_numpy(),
        ranked.pair_ranks,
        ranked.phase.shows == "own_pairs",
        ranked.teams,
    )
    files = {PublishedSite.public(name): content for name, content in public_files(results, pairs).items()}
    for page in team_pages(ranked):
        files |= {PublishedSite.of_team(page.team, n): c for n, c in team_files(results, page).items()}
    _look_through(files, secrets_of(ranked.scores, {e.team for e in results.declared.entries}))
    return Prepared(ranked, dict(sorted(files.items())))


def secrets_of(scores: "pd.DataFrame", entries: set[str]) -> set[str]:
    """Names of pairs, images and subjects that must not be in a published file."""
    names = {str(name) for column in ("pair", "fixed", "moving") for name in scores[column].dropna().unique()}
    names |= {str(name) for column in ("fixed_subject", "moving_subject") for name in scores[column].dropna().unique()}
    return {name for name in names if len(name) >= SHORTEST_SECRET and name not in entries}


def _look_through(files: dict[str, bytes], secrets: set[str]) -> None:
    found = list(_leaks(files, secrets))
    if found:
        path, secret = found[0]
        raise DataError(
            f"{path} would reveal '{secret}', which names a pair, an image or a subject ({len(found)} such places); nothing "
            "was written: take it out of the title, the summary, the contact or the teams' names in this challenge"
        )


def _leaks(files: dict[str, bytes], secrets: set[str]) -> Iterator[tuple[str, str]]:
    # Digits inside of longer numbers are no name; html and svg escape some letters.
    wanted = {re.escape(s) for s in secrets} | {
        re.escape(s.replace("&", "&amp;").replace("<", "&lt;")) for s in secrets
    }
    if not wanted:
        return
    pattern = re.compile(
        r"(?<![0-9A-Za-z.])(?:" + "|".join(sorted(wanted, key=len, reverse=True)) + r")(?![0-9A-Za-z])"
    )
    for path, content in files.items():
        if path.endswith(TEXTS) and (match := pattern.search(content.decode())):
            yield path, match.group()


def listing(prepared: Prepared) -> list[str]:
    """A line for each file, or for the same files of all teams: what it is, its size."""
    lines = ["for everybody:"]
    lines += [
        f"  {path:44} {len(content):>9,} bytes"
        for path, content in prepared.files.items()
        if path.startswith("public/")
    ]
    lines.append(f"for each of {len(prepared.teams)} teams alone, not to be put on the same site:")
    for team in prepared.teams:
        own = {p: c for p, c in prepared.files.items() if p.startswith(f"teams/{team}/") and "/assets/" not in p}
        lines += [f"  {path:44} {len(content):>9,} bytes" for path, content in own.items()]
    shows = "means alone" if prepared.ranked.phase.shows == "aggregates" else "means, and teams their own pairs"
    lines.append(
        f"phase {prepared.ranked.phase.name} shows {shows}; no label, no name of a pair or image is in these files"
    )
    return lines


def write_site(prepared: Prepared, out: Path) -> PublishedSite:
    """Write a prepared site in place of the last one in `out`. Raises UsageError for a folder with other files."""
    site = PublishedSite(out.absolute())
    if site.listing.is_file():
        _remove_last(site)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: not empty, and no published site; name a new folder")
    for path, content in prepared.files.items():
        with written_aside(site.root / path) as aside:
            aside.write_bytes(content)
    results = prepared.ranked.results
    files = tuple(
        PublishedFile(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in prepared.files.items()
    )
    write_json(
        site.listing,
        Published(
            harness=lumirage.__version__, name=results.name, phase=results.phase, rules=results.rules_now, files=files
        ),
    )
    return site


def _remove_last(site: PublishedSite) -> None:
    """Remove what the last listing names, so that no page of a team that is gone stays."""
    last = read_json(site.listing, Published)
    site.listing.unlink()
    for file in last.files:
        path = (site.root / file.path).resolve()
        if path.is_relative_to(site.root.resolve()):
            path.unlink(missing_ok=True)
