"""Who is a reference: a scale beside the methods, which never competes, so it has no rank, no verdict and no win.

References are the sentinels, which are scored without a container, and the methods whose card says `kind: reference`:
the oracle, which knows the true field, and zero displacement.
"""

from lumirage.core.model import SENTINELS
from lumirage.core.track import Evaluation


def references_of(evaluation: Evaluation) -> tuple[str, ...]:
    """The names of the references of an evaluation, the sentinels first."""
    return (*SENTINELS, *(name for name, use in evaluation.methods.items() if use.card.kind == "reference"))
