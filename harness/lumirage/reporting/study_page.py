"""Writes the page of a study: claims first, then methods by tracks, differences of families, and curves. Opens offline."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import write_text
from lumirage.core.metrics import title
from lumirage.core.model import SENTINELS, Method
from lumirage.core.study import StudyRecord
from lumirage.core.study_layout import StudyLayout
from lumirage.core.study_results import ClaimResult, CostOnTrack, FamilyDifference, StudyResults
from lumirage.core.track import REFERENCE
from lumirage.reporting.citations import Reference, study_references
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.figures import ReportFigure, file_name, save_figures
from lumirage.reporting.method_looks import Look, looks_of
from lumirage.reporting.page_templates import ASSETS, render
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.report_tables import to_latex, to_tsv
from lumirage.reporting.scene import Scene, numbers_of, to_svg
from lumirage.reporting.study_figures import claim_figure, curve_figure, family_forest
from lumirage.reporting.study_methods import study_paragraphs
from lumirage.reporting.study_tables import printed_tables, study_tables
from lumirage.reporting.study_words import found_at, left_out_sentences, rule, tally, verdict_words


@dataclass(frozen=True)
class StudyPage:
    """What is shown."""

    layout: StudyLayout
    record: StudyRecord
    results: StudyResults
    costs: tuple[CostOnTrack, ...]
    changes: tuple[str, ...]
    """A sentence for each change of what decides the claims, after they were first written down."""

    @property
    def cards(self) -> dict[str, Method]:
        """Method -> its card, of all tracks."""
        evaluations = (read_evaluation(self.layout.track(facts.name)) for facts in self.results.tracks)
        return {name: use.card for evaluation in evaluations for name, use in evaluation.methods.items()}


@dataclass(frozen=True)
class ClaimCard:
    """One claim on the page."""

    result: ClaimResult
    rule: str
    verdict: str
    found: tuple[str, ...]
    cautions: tuple[str, ...]
    """What the numbers of its tracks cannot say, as their datasets have it."""
    figure: dict[str, Any]


def write_study_page(page: StudyPage) -> list[str]:
    """Write the page with its tables and figures; gives what could not be made. The rest is written all the same."""
    folder, problems = page.layout.report, ReportProblems()
    for name in ("figures", "tables", "assets"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "assets").mkdir(parents=True)
    for source in ASSETS:
        shutil.copyfile(source, folder / "assets" / source.name)
    for name, table in study_tables(page.results, page.costs).items():
        write_text(page.layout.table(name), to_tsv(table))
    for name, table in printed_tables(page.results, page.costs).items():
        write_text(folder / "tables" / f"{name}.tex", to_latex(table, f"{page.results.title}: {name}"))
    drawn = list(_figures(page, problems))
    save_figures(drawn, folder / "figures", problems)
    write_text(page.layout.page, render("study.html.j2", **_context(page, drawn), problems=problems.told))
    return list(dict.fromkeys(problems.told))


def _figures(page: StudyPage, problems: ReportProblems) -> Iterator[ReportFigure]:
    results, titles = page.results, page.results.family_titles
    looks = _looks(page)
    wanted: list[tuple[str, str, Callable[[float], Scene]]] = [
        ("claims", one.claim.id, partial(claim_figure, one, titles))
        for one in results.claims
        if any(at.difference.value is not None for at in one.places)
    ]
    wanted += [("families", pick, partial(family_forest, rows, titles)) for pick, rows in _forests(results).items()]
    for facts in results.tracks:
        rows = [row for row in results.matrix if row.place.track == facts.name]
        if len({row.spacing_mm for row in rows if row.spacing_mm is not None}) > 1:
            sized = [row for row in rows if row.spacing_mm is not None]
            wanted.append(("resolution", facts.name, partial(curve_figure, sized, looks, "spacing_mm")))
        flat = [row for row in rows if row.place.condition == REFERENCE and row.folds_percent is not None]
        if flat and any(row.mean is not None for row in flat):
            wanted.append(("regularity", facts.name, partial(curve_figure, flat, looks, "folds")))
    for section, pick, draw in wanted:
        figure = problems.attempt(
            f"figure {section} of {pick}",
            lambda section=section, pick=pick, draw=draw: ReportFigure(section, draw(WIDE), draw(NARROW), pick),  # type: ignore[misc]
            lambda _: None,
        )
        if figure is not None:
            yield figure


def _looks(page: StudyPage) -> dict[str, Look]:
    references = {*SENTINELS, *(name for name, card in page.cards.items() if card.kind == "reference")}
    return looks_of(list(dict.fromkeys(row.method for row in page.results.matrix)), references)


def _forests(results: StudyResults) -> dict[str, list[FamilyDifference]]:
    """Measure, as a reader picks it -> its differences, those that sum the tracks up first."""
    found: dict[str, list[FamilyDifference]] = {}
    for of in results.differences:
        if of.difference.value is not None:
            found.setdefault(title(of.metric) + (f", labels of {of.source}" if of.source else ""), []).append(of)
    summed = [title(row.metric) for row in results.matrix]
    return dict(sorted(found.items(), key=lambda item: (title(item[1][0].metric) not in summed, item[0])))


def _context(page: StudyPage, drawn: list[ReportFigure]) -> dict[str, Any]:
    results = page.results
    shown = [_shown(figure) for figure in drawn]
    methods = list(dict.fromkeys(row.method for row in results.matrix))
    cells = {(row.place.track, row.method): row for row in results.matrix if row.place.condition == REFERENCE}
    return {
        "page": page,
        "study": page.record.study,
        "results": results,
        "told": left_out_sentences(results),
        "tally": tally(results),
        "claims": [_card(one, shown, results) for one in results.claims],
        "figures": {s: [f for f in shown if f["section"] == s] for s in ("families", "resolution", "regularity")},
        "methods": methods,
        "looks": _looks(page),
        "cells": cells,
        "costs": {(cost.track, cost.method): cost for cost in page.costs},
        "best": _best(page),
        "cards": page.cards,
        "paragraphs": study_paragraphs(page.record.study, results),
        "references": _references(page),
        "title_of": title,
        "assets": "assets/",
        "inline": None,
    }


def _card(one: ClaimResult, shown: list[dict[str, Any]], results: StudyResults) -> ClaimCard:
    titles = results.family_titles
    figure = next((f for f in shown if f["section"] == "claims" and f["pick"] == one.claim.id), {})
    found = tuple(found_at(one, at, titles) for at in one.places)
    measured = {place.track for place in one.claim.places}
    cautions = dict.fromkeys(facts.caution for facts in results.tracks if facts.name in measured and facts.caution)
    return ClaimCard(one, rule(one.claim, titles), verdict_words(one), found, tuple(cautions), figure)


def _shown(figure: ReportFigure) -> dict[str, Any]:
    svg: dict[str, Markup] = {"wide": to_svg(figure.wide), "narrow": to_svg(figure.narrow)}
    return {
        **svg,
        "section": figure.section,
        "pick": figure.pick,
        "file": file_name(figure.wide),
        "title": figure.wide.title,
        "numbers": numbers_of(figure.wide),
    }


def _best(page: StudyPage) -> dict[str, set[str]]:
    """Track -> the methods that share its first place."""
    found: dict[str, set[str]] = {}
    for row in page.results.matrix:
        if row.place.condition == REFERENCE and row.rank.rstrip("=") == "1":
            found.setdefault(row.place.track, set()).add(row.method)
    return found


def _references(page: StudyPage) -> list[Reference]:
    return study_references([row.metric for row in page.results.matrix])
