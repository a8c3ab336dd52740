"""A plan in words: numbers with units for people, and the five lines that stand before an evaluation."""

from collections.abc import Iterator

from lumirage.core.condition_words import condition_words
from lumirage.flow.forecast.plan_overview import MethodPlan, PlanOverview

NOT_KNOWN = "not known"


def five_lines(plan: PlanOverview) -> list[str]:
    """What is about to be done: work, truth, grid, what is missing, what it will cost."""
    pairs, scans = counted(len(plan.pairs), "pair"), counted(plan.scans, "scan")
    to_do = f"{counted(plan.runs_to_do, 'run')} to do, {plan.runs_complete} complete"
    return [
        f"{plan.track} on {plan.dataset_name}: {pairs} of {scans}, {to_do}",
        f"measured by {'; '.join(_truth(plan)) or 'likeness of images alone: no labels, landmarks or true fields'}",
        f"working grid {'; '.join(grids(plan))}",
        f"missing: {'; '.join(_missing(plan)) or 'nothing'}",
        "; ".join([f"expected: {costs(plan)}", *filter(None, map(too_slow, plan.methods)), warnings(plan)]),
    ]


def counted(number: int, what: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def size(number: float | None, what: str = "") -> str:
    """Bytes for people; `what` is not known where there is no number."""
    if number is None:
        return f"{what}{NOT_KNOWN}"
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def duration(seconds: float | None) -> str:
    """Seconds for people."""
    if seconds is None:
        return NOT_KNOWN
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _truth(plan: PlanOverview) -> Iterator[str]:
    of = len(plan.pairs)
    for source in plan.label_sources:
        yield f"labels {source.source} ({source.pairs} of {counted(of, 'pair')}, {len(source.labels)} labels)"
    if plan.pairs_with_landmarks:
        yield f"landmarks ({plan.pairs_with_landmarks} of {counted(of, 'pair')})"
    if plan.pairs_with_true_field:
        yield f"true fields ({plan.pairs_with_true_field} of {counted(of, 'pair')})"


def grids(plan: PlanOverview) -> list[str]:
    """A condition each; those that have the same grids as one."""
    found: dict[str, list[str]] = {}
    for grid in plan.grids:
        if grid.smallest_shape is None or grid.largest_shape is None or grid.mean_voxels is None:
            words = f"{NOT_KNOWN} before the images are read"
        else:
            small, large = (" x ".join(map(str, shape)) for shape in (grid.smallest_shape, grid.largest_shape))
            words = small if small == large else f"{small} to {large}"
            words += f", {_spacing(grid.smallest_spacing_mm)} mm, {_voxels(grid.mean_voxels)}"
        found.setdefault(words, []).append(condition_words(grid.condition))
    return [words if len(found) == 1 else f"{', '.join(names)}: {words}" for words, names in found.items()]


def _voxels(many: float) -> str:
    return f"{many / 1e6:.1f} M voxels" if many >= 1e5 else f"{many / 1e3:.0f} thousand voxels"


def _spacing(spacing_mm: tuple[float, float, float] | None) -> str:
    values = spacing_mm or ()
    return " x ".join(f"{value:g}" for value in (values[:1] if len(set(values)) == 1 else values))


def lacking(method: MethodPlan) -> list[str]:
    """What is to be got before a method can start."""
    image = (
        [] if method.state == "here" else [f"image {method.image} {method.state}, {size(method.image_bytes, 'size ')}"]
    )
    weights = [f"weights {item.file} to fetch, {size(item.bytes)}, {item.licence}" for item in method.weights_missing]
    return image + weights


def _missing(plan: PlanOverview) -> list[str]:
    return list(dict.fromkeys(words for method in plan.methods for words in lacking(method)))


def costs(plan: PlanOverview) -> str:
    """CPU time, memory and disk."""
    disk = [plan.disk.prepared_bytes, plan.disk.answers_bytes]
    total = None if None in disk else sum(part for part in disk if part is not None)
    return (
        f"CPU time of the methods {duration(plan.cpu_s)}, memory of a container {size(plan.peak_memory_bytes)}, "
        f"disk {size(total)} of {size(plan.disk.free_bytes)} free"
    )


def too_slow(method: MethodPlan) -> str:
    """What is said of a method whose pairs are not expected to end within the limit; nothing of others."""
    cpu_s, limit = method.expected.cpu_s, method.limit_cpu_s
    if not (cpu_s and limit and method.runs_to_do) or cpu_s / method.runs_to_do <= limit:
        return ""
    return (
        f"{method.name} may not end in time: a pair takes about {duration(cpu_s / method.runs_to_do)} of CPU time, and "
        f"{duration(limit)} are allowed; --timeout allows more"
    )


def warnings(plan: PlanOverview) -> str:
    """How many, and that `dataset check` has more to say where not all images were read."""
    errors = sum(finding.severity == "error" for finding in plan.findings)
    found = f"{counted(errors, 'error')} and {counted(len(plan.findings) - errors, 'warning')} of `dataset check`"
    part = plan.scans_read < plan.scans and not plan.dataset_is_made_first
    return found + (f" (voxels of {plan.scans_read} of {plan.scans} scans were read)" if part else "")
