"""The closing table and the effects for people: as many columns as there is room for, and every line in 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from lumirage.core.evaluation_answer import CompareAnswer, Effect, Estimate, EvaluationAnswer, MethodAnswer
from lumirage.core.precision import decimals_of

SHORTEST = 16
"""Columns that names have at least."""
SCALE = "-"
"""In the place of a rank: a reference is a scale."""
Column = tuple[str, list[str]]
"""A head and a cell a method."""


def title_of(answer: EvaluationAnswer) -> str:
    """What was evaluated, on how much."""
    size = f": {_counted(answer.n_pairs, 'pair')} of {_counted(answer.n_subjects, 'subject')}" if answer.n_pairs else ""
    return f"{answer.track} on {answer.dataset}{size}"


def closing_table(answer: EvaluationAnswer, width: int) -> Table:
    """Rank, first metric with its interval, failures, time and memory; more metrics where the width has room.

    A mean that is in part, or wholly, the failure policy's has an asterisk. --json and the report have everything.
    """
    methods = list(answer.methods.values())
    names = list(answer.methods)
    metrics = [_metric(answer, metric, with_interval=i == 0) for i, metric in enumerate(answer.metrics)]
    ranks = [("rank", [_place(method) for method in methods])] if any(m.rank for m in methods) else []
    costs: list[Column] = [
        ("failed", [f"{m.failed} of {m.runs}" if m.runs else "" for m in methods]),
        ("time (s)", [_number(m.wall_s, 1) for m in methods]),
        ("mem (GB)", [_number(m.peak_memory_bytes, 2, 1e9) for m in methods]),
    ]
    rest: list[Column] = [
        ("CPU (s)", [_number(m.cpu_s, 1) for m in methods]),
        ("device", [m.device for m in methods]),
    ]
    always: list[Column] = [*ranks, *metrics[:1], *costs]
    room = width - sum(_width(*column) for column in always)
    space = min(_width("method", names), max(room, SHORTEST))  # longer names go on in a second line
    kept = [*always, *_that_fit([*metrics[1:], *rest], room - space)]
    table = _empty_table(title_of(answer))
    for head, _ in ranks:
        table.add_column(head, no_wrap=True)
    table.add_column("method", overflow="fold", max_width=space)
    shown = [column for column in [*metrics, *costs, *rest] if column in kept]
    for head, _ in shown:
        table.add_column(head, justify="right", no_wrap=True)
    for i, name in enumerate(names):
        last = i + 1 < len(names) and not methods[i].reference and methods[i + 1].reference
        table.add_row(*(cells[i] for _, cells in ranks), name, *(cells[i] for _, cells in shown), end_section=last)
    return table


def _empty_table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _that_fit(columns: Sequence[Column], room: int) -> list[Column]:
    kept = []
    for column in columns:
        if _width(*column) <= room:
            room -= _width(*column)
            kept.append(column)
    return kept


def _width(head: str, cells: Iterable[str]) -> int:
    """Of a column, with what rich puts between two."""
    return max(map(len, (head, *cells))) + 2


def _metric(answer: EvaluationAnswer, metric: str, *, with_interval: bool) -> Column:
    found = [method.means.get(metric) for method in answer.methods.values()]
    decimals = _decimals([each for each in found if each])
    head = answer.metrics[metric].title
    interval = with_interval and any(each and each.ci_low is not None for each in found)
    return f"{head} [95 %]" if interval else head, [_estimate(each, decimals, interval=interval) for each in found]


def _estimate(found: Estimate | None, decimals: int, *, interval: bool) -> str:
    if found is None:
        return ""
    text = f"{found.mean:.{decimals}f}{'*' if found.filled else ''}"
    if not interval:
        return text
    if found.ci_low is None or found.ci_high is None:
        return text + " " * (2 * decimals + 9)
    return f"{text} [{found.ci_low:.{decimals}f}, {found.ci_high:.{decimals}f}]"


def _decimals(found: Sequence[Estimate]) -> int:
    """Decimals that show two digits of half of the median interval; three without intervals."""
    halves = sorted(
        (each.ci_high - each.ci_low) / 2
        for each in found
        if each.ci_low is not None and each.ci_high is not None and each.ci_high > each.ci_low
    )
    decimals = decimals_of(halves[len(halves) // 2], 2) if halves else None
    return 3 if decimals is None else decimals


def _place(method: MethodAnswer) -> str:
    if method.reference or method.rank is None:
        return SCALE if method.reference else ""
    return "gate" if method.rank.beyond_gate else method.rank.place


def _number(value: float | None, decimals: int, unit: float = 1.0) -> str:
    return "" if value is None else f"{value / unit:.{decimals}f}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def closing_lines(answer: EvaluationAnswer, width: int) -> Iterator[str]:
    """Below the table: notes, the headline, and where the report lies."""
    for note in answer.notes:
        yield from _wrapped(note, width)
    if answer.headline:
        yield ""
        yield from _wrapped(answer.headline, width)
    if answer.report:
        yield f"report: {answer.report}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def effects_table(answer: CompareAnswer) -> Table | None:
    """Every comparison in the first metric, but for those among references; None where there is none."""
    metric = next(iter(answer.metrics), "")
    scale = {name for name, method in answer.methods.items() if method.reference}
    rows = [
        each for each in answer.effects if each.metric == metric and each.method not in scale
        and (each.reference not in scale or each.reference == "affine")
    ]  # fmt: skip
    if not rows:
        return None
    confidence = f"{100 * rows[0].confidence:g} %"
    table = _empty_table(f"{answer.metrics[metric].title}: differences between methods")
    table.add_column("method", overflow="fold")
    table.add_column("minus", overflow="fold")
    for head in (f"difference [{confidence}]", "p (Holm)", "pairs"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict")
    decimals = _difference_decimals(rows)
    for each in rows:
        table.add_row(
            each.method, each.reference, _difference(each, decimals), _p(each.p_holm), str(each.n_pairs), _verdict(each)
        )
    return table


def _difference_decimals(rows: Sequence[Effect]) -> int:
    made = [
        Estimate(mean=e.difference, ci_low=e.ci_low, ci_high=e.ci_high, n_pairs=e.n_pairs, filled=0)
        for e in rows
        if e.difference is not None
    ]
    return _decimals(made)


def _difference(each: Effect, decimals: int) -> str:
    if each.difference is None:
        return "no value"
    text = f"{each.difference:+.{decimals}f}"
    if each.ci_low is None or each.ci_high is None:
        return text
    return f"{text} [{each.ci_low:+.{decimals}f}, {each.ci_high:+.{decimals}f}]"


def _p(value: float | None) -> str:
    return "" if value is None else "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _verdict(each: Effect) -> str:
    """Whether the method is better or worse than the other, or unclear: by its interval and Holm's correction over all."""
    if not each.better or (each.p_holm is not None and each.p_holm >= 1 - each.confidence):
        return "unclear"
    return "better" if each.better == "method" else "worse"
