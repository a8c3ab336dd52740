"""`lumirage-harness challenge rank` and `publish`: the leaderboard of a challenge's phase."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.core.errors import UsageError

if TYPE_CHECKING:
    from lumirage.core.challenge_results import ChallengeResults, ListedTeam
    from lumirage.flow.challenge.ranked_desk import RankedPhase

DeskFolder = Annotated[Path, typer.Argument(metavar="DESK", help="folder of a challenge, with challenge.yaml")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON, and nothing else")]
PhaseName = Annotated[str, typer.Option("--phase", metavar="NAME", help="default: the last phase with scores")]


def rank(
    desk: DeskFolder,
    scheme: Annotated[
        str,
        typer.Option(
            "--scheme", metavar="NAME", help="subject-ranks, lumir24, lumir25 or learn2reg; default: the declared one"
        ),
    ] = "",
    phase: PhaseName = "",
    json: Json = False,
) -> None:
    """Rank the teams as declared, with what the list depends on. Nothing is written."""
    ranked = _ranked(desk, phase, scheme)
    if json:
        print(ranked.results.model_dump_json(indent=1))
        return
    print("\n".join(rank_lines(ranked.results, ranked.waiting)))


def publish(
    desk: DeskFolder,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="folder of the pages; default DESK/site")] = None,
    phase: PhaseName = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="write what is listed")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list what would be published, and stop")] = False,
) -> None:
    """Write the public page and a page for each team. What would be published is listed first; --yes writes it."""
    from lumirage.flow.challenge.publish import listing, prepare_site, write_site

    ranked = _ranked(desk, phase, "")
    for team in ranked.waiting:
        print(f"not scored yet, so not in the list: {team}")
    prepared = prepare_site(ranked)
    print("\n".join(listing(prepared)))
    if dry_run:
        print("nothing was written (--dry-run)")
        return
    if not yes:
        raise UsageError("nothing was written; look through the list above, then type the same command with --yes")
    site = write_site(prepared, out or ranked.desk.layout.site)
    print(f"public page: {site.root / site.public('index.html')}")
    print(f"pages of teams: {site.root / 'teams'}; send each team its own folder, and publish none of them")


def _ranked(desk: Path, phase: str, scheme: str) -> "RankedPhase":
    from lumirage.flow.challenge.desk import open_desk
    from lumirage.flow.challenge.ranked_desk import rank_desk

    return rank_desk(open_desk(desk), phase, scheme)


def rank_lines(results: "ChallengeResults", waiting: tuple[str, ...] = ()) -> list[str]:
    """The list in 80 columns, and what it depends on."""
    from lumirage.core.metrics import title

    head = f"{'place':>5}  {'team':26} {'score':>8} {title(results.metric)[:13]:>13} {'failed':>6} {'ranks':>8} {'first':>5}"
    lines = [results.title, f"{results.phase_text}: {results.n_pairs} pairs of {results.n_subjects} people"]
    lines += [*(f"RULES CHANGED: {change}" for change in results.changes), head]
    lines += [_line(entry) for entry in results.declared.entries]
    lines += [
        f"{entry.team}: {entry.note}" for entry in results.declared.entries if entry.kind == "team" and entry.note
    ]
    lines.append(f"scheme {results.declared.scheme}; {'; '.join(results.declared.notes)}")
    lines += [results.of_few_people] if results.of_few_people else []
    for beside in results.beside:
        first = [team for team, place in beside.places.items() if place.rstrip("=") == "1"]
        tau = "" if beside.kendall_tau is None else f", agreement {beside.kendall_tau:.2f}"
        lines.append(f"by {beside.varies} {beside.name}: first {', '.join(first)}{tau}")
    lines += [f"not scored yet: {team}" for team in waiting]
    return lines


def _line(entry: "ListedTeam") -> str:
    kind = "" if entry.kind == "team" else f" ({entry.kind})"
    kind += " (late)" * entry.late
    ranks = "" if entry.rank_low is None else f"{entry.rank_low:g} to {entry.rank_high:g}"
    first = "" if entry.first_share is None else f"{100 * entry.first_share:.0f} %"
    score, value = ("-" if v is None else f"{v:.4f}" for v in (entry.score, entry.value))
    name = f"{entry.team}{kind}"
    return (
        f"{entry.place or '-':>5}  {name[:26]:26} {score:>8} {value:>13} {entry.failed or '':>6} {ranks:>8} {first:>5}"
    )
