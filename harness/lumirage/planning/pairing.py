"""Pairs scans by the rule of the track. Pure, and independent of the order of files on disk."""

import csv
import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.model import Pair, Scan
from lumirage.core.track import IN_DATASET, Pairing
from lumirage.planning.session_order import Order, session_order


@dataclass(frozen=True)
class _Rule:
    """Which two scans may be a pair: the track's pairing, and the order of sessions."""

    pairing: Pairing
    order: Order

    def place(self, scan: Scan) -> int:
        """Position of the scan's session in time; scans without a session count as one session."""
        return self.order.get((scan.subject, scan.session or ""), 0)

    def fits(self, fixed: Scan, moving: Scan) -> bool:
        """Whether the two scans may be a pair."""
        return eligible(fixed, moving, self.pairing) and self._sessions_fit(fixed, moving)

    def _sessions_fit(self, fixed: Scan, moving: Scan) -> bool:
        if self.pairing.sessions == "any":
            return True
        alike = fixed.suffix != moving.suffix or _how(fixed) == _how(moving)
        if self.pairing.sessions == "within":
            return alike and fixed.session == moving.session
        later = fixed.subject != moving.subject or self.place(fixed) < self.place(moving)
        return alike and fixed.session != moving.session and later


def _how(scan: Scan) -> tuple[str, ...]:
    """How an image of one contrast was acquired: acquisition, contrast agent and reconstruction, from its name."""
    return tuple(_entity(scan, key) for key in ("acq", "ce", "rec"))


def _entity(scan: Scan, key: str) -> str:
    found = re.search(rf"_{key}-([0-9A-Za-z+]+)", scan.name)
    return found[1] if found else ""


def make_pairs(scans: Sequence[Scan], pairing: Pairing, order: Order | None = None) -> tuple[Pair, ...]:
    """The ordered pairs of a track; `order` is the order of sessions in time; without it, labels decide.

    Raises DataError if there is no pair, UsageError for an unknown scan.
    """
    rule = _Rule(pairing, session_order(scans)[0] if order is None else order)
    ordered = sorted(scans, key=lambda scan: scan.name)
    if pairing.sessions == "between":
        ordered.sort(key=lambda scan: (scan.subject, rule.place(scan)))
    pairs = _SCHEMES[pairing.scheme](ordered, rule)
    if not pairs:
        raise DataError(
            f"no pair: {len(ordered)} scans ({', '.join(s.name for s in ordered[:4]) or 'none'} ...) and pairing "
            f"'{pairing.scheme}' {pairing.subjects} subjects{_of_sessions(pairing)}, fixed {pairing.fixed or 'any'}, moving "
            f"{pairing.moving or 'as fixed'}; check the track's select and pairing against the dataset"
        )
    ids = [pair.id for pair in pairs]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise DataError(
            f"two pairs would have the id {twice}; rename scans so that their names differ in letters and digits"
        )
    return tuple(pairs)


def _of_sessions(pairing: Pairing) -> str:
    return "" if pairing.sessions == "any" else f", {pairing.sessions} sessions"


def located(pairing: Pairing, dataset: Path) -> Pairing:
    """The pairing with the path of its list resolved, if it is inside the dataset."""
    if pairing.file is None or not str(pairing.file).startswith(IN_DATASET):
        return pairing
    return pairing.model_copy(update={"file": dataset / str(pairing.file).removeprefix(IN_DATASET)})


def eligible(fixed: Scan, moving: Scan, pairing: Pairing) -> bool:
    """Whether two scans may be a pair."""
    same = fixed.subject == moving.subject
    return (
        fixed.name != moving.name
        and (pairing.subjects == "any" or same == (pairing.subjects == "within"))
        and fixed.suffix == (pairing.fixed or fixed.suffix)
        and moving.suffix == (pairing.moving or fixed.suffix)
    )


def _all(scans: Sequence[Scan], rule: _Rule) -> list[Pair]:
    return [Pair(fixed=f, moving=m) for f, m in itertools.permutations(scans, 2) if rule.fits(f, m)]


def _chain(scans: Sequence[Scan], rule: _Rule) -> list[Pair]:
    """Each scan with the next one that fits; within a subject the search wraps around.

    With sessions the next one is of the next session, the same run of it where there are several.
    """
    pairs = []
    for i, fixed in enumerate(scans):
        after = [*scans[i + 1 :], *(scans[:i] if rule.pairing.subjects == "within" else ())]
        fitting = [m for m in after if rule.fits(fixed, m)]
        if fitting and rule.pairing.sessions == "between":
            beside = [m for m in fitting if (m.subject, m.session) == (fitting[0].subject, fitting[0].session)]
            fitting = [m for m in beside if _entity(m, "run") == _entity(fixed, "run")] or beside
        pairs += [Pair(fixed=fixed, moving=moving) for moving in fitting[:1]]
    return pairs


def _random(scans: Sequence[Scan], rule: _Rule) -> list[Pair]:
    every = _all(scans, rule)
    count = min(rule.pairing.count or 0, len(every))
    return sorted(random.Random(rule.pairing.seed).sample(every, count), key=lambda pair: pair.id)


def _to(scans: Sequence[Scan], rule: _Rule) -> list[Pair]:
    """All scans to the target: the target is fixed."""
    targets = [find_scan(rule.pairing.target or "", scans)]
    return [Pair(fixed=f, moving=m) for f in targets for m in scans if rule.fits(f, m)]


def _star(scans: Sequence[Scan], rule: _Rule) -> list[Pair]:
    """The target to all scans: one atlas is moving."""
    targets = [find_scan(rule.pairing.target or "", scans)]
    return [Pair(fixed=f, moving=m) for m in targets for f in scans if rule.fits(f, m)]


def _list(scans: Sequence[Scan], rule: _Rule) -> list[Pair]:
    if rule.pairing.file is None or not rule.pairing.file.is_file():
        raise UsageError(
            f"pairing.file: {rule.pairing.file}: no such file; 'lumirage-harness dataset import' writes "
            "sourcedata/pairs-NAME.tsv for each list of pairs in a challenge's dataset JSON"
        )
    with rule.pairing.file.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    if rows and not {"fixed", "moving"} <= set(rows[0]):
        raise UsageError(f"{rule.pairing.file}: needs the columns 'fixed' and 'moving', found {list(rows[0])}")
    return [Pair(fixed=find_scan(r["fixed"], scans), moving=find_scan(r["moving"], scans)) for r in rows]


_SCHEMES: dict[str, Callable[[Sequence[Scan], _Rule], list[Pair]]] = {
    "all": _all,
    "chain": _chain,
    "random": _random,
    "star": _star,
    "to": _to,
    "list": _list,
}


def find_scan(word: str, scans: Sequence[Scan]) -> Scan:
    """The scan with a name, or the only scan of a subject. Raises UsageError with the nearest names."""
    word = word.removeprefix("sub-") if "_" not in word else word
    found = [s for s in scans if word in (s.name, s.subject, s.label)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{word}' is {len(found)} scans: {', '.join(s.name for s in found)}; give one name in full")
    raise UsageError(f"no scan '{word}'{nearest(word, [s.name for s in scans])}")


def choose(
    pairs: Sequence[Pair],
    wanted: Sequence[str],
    subjects: Sequence[str],
    limit: int | None,
    sessions: Sequence[str] = (),
) -> tuple[Pair, ...]:
    """The pairs to execute now: those of `--pair`, of `--participant-label` and `--session-label` (the fixed scan's), the
    first LIMIT."""
    chosen = list(pairs)
    if wanted:
        chosen = [_pair_of(words, pairs) for words in wanted]
    if subjects:
        labels = {s.removeprefix("sub-") for s in subjects}
        absent = sorted(labels - {p.fixed.subject for p in pairs} - {p.moving.subject for p in pairs})
        if absent:
            raise UsageError(f"no participant {absent}{nearest(absent[0], {p.fixed.subject for p in pairs})}")
        chosen = [p for p in chosen if p.fixed.subject in labels]
    if sessions:
        names = {s.removeprefix("ses-") for s in sessions}
        absent = sorted(names - {p.fixed.session or "" for p in pairs})
        if absent:
            raise UsageError(f"no session {absent}{nearest(absent[0], {p.fixed.session or 'none' for p in pairs})}")
        chosen = [p for p in chosen if p.fixed.session in names]
    return tuple(chosen if limit is None else chosen[:limit])


def _pair_of(words: str, pairs: Sequence[Pair]) -> Pair:
    fixed, comma, moving = words.partition(",")
    if not comma:
        raise UsageError(f"--pair {words}: expected two scans, FIX,MOV, such as sub-01,sub-02")
    scans = list({s.name: s for p in pairs for s in (p.fixed, p.moving)}.values())
    wanted = (find_scan(fixed.strip(), scans).name, find_scan(moving.strip(), scans).name)
    for pair in pairs:
        if (pair.fixed.name, pair.moving.name) == wanted:
            return pair
    raise UsageError(
        f"--pair {words}: the track does not pair these; it has {len(pairs)} pairs, see pairs.tsv or --dry-run"
    )


def pairs_tsv(pairs: Sequence[Pair]) -> str:
    """The pair list as a table."""
    rows = [("pair", "fixed", "moving", "fixed_subject", "moving_subject", "fixed_session", "moving_session")]
    for p in pairs:
        sessions = (p.fixed.session or "n/a", p.moving.session or "n/a")
        rows.append((p.id, p.fixed.name, p.moving.name, p.fixed.subject, p.moving.subject, *sessions))
    return "".join("\t".join(row) + "\n" for row in rows)
