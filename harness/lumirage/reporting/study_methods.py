"""The methods section of a study, made from its records: it states only what was done."""

from lumirage.core.study import Study
from lumirage.core.study_results import StudyResults
from lumirage.reporting.study_words import counted

_POLICIES = {
    "identity": "as zero displacement, or as the affine if that is worse",
    "worst": "as the worst value of its pair",
    "drop": "as absent",
}


def study_paragraphs(study: Study, results: StudyResults) -> list[str]:
    """Tracks, families, statistics."""
    return [_tracks(results), _families(results), _statistics(study, results)]


def _tracks(results: StudyResults) -> str:
    tracks = "; ".join(
        f"{facts.name} ({facts.track} on {facts.dataset_name}: {facts.people} people, {facts.pairs} pairs, "
        f"{counted(facts.conditions, 'condition')}, {facts.memory_bytes / 2**30:g} GiB of memory)"
        for facts in results.tracks
    )
    policies = {facts.policy for facts in results.tracks}
    failures = " ".join(
        f"A failed run counted {_POLICIES[policy]}" + ("." if len(policies) == 1 else f" on {_names(results, policy)}.")
        for policy in sorted(policies)
    )
    return (
        f"The study was carried out with the LUMIRAGE harness [jena2026lumirage] on {counted(len(results.tracks), 'track')} "
        f"of BIDS data [gorgolewski2016bids]: {tracks}. On a track every method was given the same images. {failures}"
    )


def _names(results: StudyResults, policy: str) -> str:
    return ", ".join(facts.name for facts in results.tracks if facts.policy == policy)


def _families(results: StudyResults) -> str:
    families = "; ".join(
        f"{results.family_titles.get(name, name)} ({', '.join(methods) or 'none was run'})"
        for name, methods in results.families.items()
    )
    return (
        f"Methods were taken together as {families}. The difference of two families on a pair is the mean of the first "
        "family's methods less that of the second's; all have the same weight, and only pairs with a value of every method "
        "count."
    )


def _statistics(study: Study, results: StudyResults) -> str:
    written = f"{counted(len(study.claims), 'claim')} with margins had been written down (hash {results.claims_hash})"
    return (
        f"{written}; each was tested in both directions, and p values were corrected by Holm [holm1979] over all claims and "
        "places. Intervals are of 95 %, from leaving out one subject at a time, longer on the side of skewed effects "
        "[hall1992]; the thinner ones also take the methods as a sample of methods like them. Where two tracks share people, "
        "the interaction is paired by person."
    )
