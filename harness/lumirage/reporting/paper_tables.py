"""Tables of an evaluation as LaTeX for a paper: chosen columns, units in the heads, digits by precision, booktabs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lumirage.core.errors import UsageError, nearest
from lumirage.core.evaluation_answer import CompareAnswer, Effect, Estimate, EvaluationAnswer, MethodAnswer
from lumirage.core.metrics import title
from lumirage.core.precision import decimals_of
from lumirage.reporting.report_tables import escape_latex

TABLES = ("methods", "effects")
COSTS = {"failed": "Failed", "time": "Time (s)", "cpu": "CPU time (s)", "memory": "Memory (GB)", "device": "Device"}
"""Columns of the table of methods that are no metric, besides `rank` and `n`."""
INTERVAL = "95\\,\\% CI"
_NONE = "--"


@dataclass(frozen=True)
class PaperTable:
    """What is wanted. No columns: rank, all metrics, failures, time, memory. No digits: those that the intervals allow."""

    table: str = "methods"
    columns: tuple[str, ...] = ()
    digits: int | None = None
    caption: str = ""
    label: str = "tab:lumirage"
    intervals: bool = True


def paper_table(answer: CompareAnswer, wanted: PaperTable) -> str:
    """The LaTeX of one table; it needs the package booktabs. Raises UsageError for an unknown table or column."""
    if wanted.table not in TABLES:
        raise UsageError(f"unknown table '{wanted.table}'{nearest(wanted.table, TABLES)}")
    if wanted.table == "effects":
        return _effects(answer, wanted)
    columns = [_column(answer, name, wanted) for name in wanted.columns or _usual(answer)]
    heads = ["Method", *(head for head, _, _ in columns)]
    align = "l" + "".join(align for _, align, _ in columns)
    lines: list[str] = []
    scale = False
    for name, method in answer.methods.items():
        if method.reference and not scale and lines:
            lines.append("\\midrule")
        scale = method.reference
        lines.append(" & ".join([escape_latex(name), *(cell(method) for _, _, cell in columns)]) + " \\\\")
    return _framed(heads, align, lines, wanted, wanted.caption or escape_latex(_caption(answer, wanted)))


def _usual(answer: EvaluationAnswer) -> list[str]:
    ranked = any(method.rank for method in answer.methods.values())
    return [*(["rank"] if ranked else []), *answer.metrics, "failed", "time", "memory"]


Cell = Callable[[MethodAnswer], str]


def _column(answer: EvaluationAnswer, name: str, wanted: PaperTable) -> tuple[str, str, Cell]:
    """Head, alignment, and the cell of a method."""
    plain: dict[str, tuple[str, str, Cell]] = {
        "rank": ("Rank", "l", _rank),
        "n": ("Pairs", "r", lambda m: str(max((each.n_pairs for each in m.means.values()), default=0)) or _NONE),
        "failed": (COSTS["failed"], "r", lambda m: f"{m.failed}/{m.runs}" if m.runs else _NONE),
        "time": (COSTS["time"], "r", lambda m: _number(m.wall_s, 1)),
        "cpu": (COSTS["cpu"], "r", lambda m: _number(m.cpu_s, 1)),
        "memory": (COSTS["memory"], "r", _memory),
        "device": (COSTS["device"], "l", lambda m: escape_latex(m.device) or _NONE),
    }  # fmt: skip
    if name in plain:
        return plain[name]
    metric = _metric(answer, name, tuple(plain))
    found = [method.means[metric] for method in answer.methods.values() if metric in method.means]
    digits = _digits([(each.ci_low, each.ci_high) for each in found]) if wanted.digits is None else wanted.digits
    interval = wanted.intervals and metric == next(iter(answer.metrics))
    head = escape_latex(_upper(title(metric))) + (f" [{INTERVAL}]" if interval else "")
    return head, "r", lambda m: _estimate(m.means.get(metric), digits, interval=interval)


def _memory(method: MethodAnswer) -> str:
    return _number(None if method.peak_memory_bytes is None else method.peak_memory_bytes / 1e9, 2)


def _metric(answer: EvaluationAnswer, name: str, others: Sequence[str]) -> str:
    """The metric that a column's name means: its own name, the field's, or how one of them begins."""
    lower = name.lower()
    for test in (
        lambda m: m == name,
        lambda m: title(m).lower().partition(" (")[0] == lower,
        lambda m: m.startswith(lower) or title(m).lower().startswith(lower),
    ):
        if found := next(filter(test, answer.metrics), None):
            return found
    known = [*answer.metrics, *others]
    raise UsageError(f"the table has no column '{name}'{nearest(name, known)}")


def _rank(method: MethodAnswer) -> str:
    if method.rank is None:
        return _NONE
    return "gate" if method.rank.beyond_gate else escape_latex(method.rank.place) or _NONE


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}".replace("-", "$-$")


def _estimate(found: Estimate | None, digits: int, *, interval: bool) -> str:
    if found is None:
        return _NONE
    star = "$^*$" if found.filled else ""
    text = _number(found.mean, digits) + star
    if not interval or found.ci_low is None:
        return text
    return f"{text} [{_number(found.ci_low, digits)}, {_number(found.ci_high, digits)}]"


def _digits(intervals: Sequence[tuple[float | None, float | None]]) -> int:
    """Decimals that show two digits of half of the median interval; three without intervals."""
    halves = sorted((high - low) / 2 for low, high in intervals if low is not None and high is not None)
    found = decimals_of(halves[len(halves) // 2], 2) if halves else None
    return 3 if found is None else found


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _caption(answer: EvaluationAnswer, wanted: PaperTable) -> str:
    """What a reader has to know: data, what the means are over, how failures count, what shares a rank."""
    first = next(iter(answer.metrics), "")
    metric = answer.metrics[first] if first else None
    parts = [f"{answer.track} on {answer.dataset}: means over {answer.n_pairs} pairs of {answer.n_subjects} subjects"]
    source = f", labels {metric.source}" if metric and metric.source else ""
    parts[0] += f" (scores {metric.preset}{source}, LUMIRAGE harness {answer.harness})" if metric else ""
    if wanted.intervals:
        parts.append("95 % intervals from resampling subjects")
    if any(method.rank and "=" in method.rank.place for method in answer.methods.values()):
        parts.append("methods that share a rank (=) cannot be distinguished")
    if any(each.filled for method in answer.methods.values() for each in method.means.values()):
        parts.append(f"an asterisk marks means in which failed runs count by the policy {answer.policy}")
    if any(method.reference for method in answer.methods.values()):
        parts.append("below the line: references, which are not ranked")
    return "; ".join(parts) + "."


def _effects(answer: CompareAnswer, wanted: PaperTable) -> str:
    """Paired differences in one metric: the first, or the one that `columns` names."""
    if len(wanted.columns) > 1:
        raise UsageError("the table of effects is of one metric: give one to --columns")
    metric = _metric(answer, wanted.columns[0], ()) if wanted.columns else next(iter(answer.metrics), "")
    scale = {name for name, method in answer.methods.items() if method.reference}
    rows = [
        each for each in answer.effects
        if each.metric == metric and each.method not in scale and (each.reference not in scale or each.reference == "affine")
    ]  # fmt: skip
    digits = _digits([(each.ci_low, each.ci_high) for each in rows]) if wanted.digits is None else wanted.digits
    head = f"Difference in {title(metric)}"
    heads = ["Method", "Minus", f"{escape_latex(head)} [{INTERVAL}]", "$p$ (Holm)", "$d_z$", "Pairs"]
    lines = [" & ".join(_effect_cells(each, digits)) + " \\\\" for each in rows]
    text = (
        f"{answer.track} on {answer.dataset}: paired differences, method minus the other, with intervals from resampling "
        f"subjects; failed runs count by the policy {answer.policy}."
    )
    return _framed(heads, "llrrrr", lines, wanted, wanted.caption or escape_latex(text))


def _effect_cells(each: Effect, digits: int) -> list[str]:
    difference = _number(each.difference, digits)
    if each.ci_low is not None:
        difference += f" [{_number(each.ci_low, digits)}, {_number(each.ci_high, digits)}]"
    p = _NONE if each.p_holm is None else "$<$0.001" if each.p_holm < 0.001 else f"{each.p_holm:.3f}"
    names = [escape_latex(each.method), escape_latex(each.reference)]
    return [*names, difference, p, _number(each.d_z, 2), str(each.n_pairs)]


def _framed(heads: Sequence[str], align: str, lines: Sequence[str], wanted: PaperTable, caption: str) -> str:
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{caption}}}",
            f"\\label{{{wanted.label}}}",
            f"\\begin{{tabular}}{{{align}}}",
            "\\toprule",
            " & ".join(heads) + " \\\\",
            "\\midrule",
            *lines,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )
