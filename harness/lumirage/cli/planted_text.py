"""Says what `dataset plant` made."""

import shlex
import textwrap
from pathlib import Path

from lumirage.core.planted_words import CAUTION
from lumirage.datasets.planting import PlantAnswer, Planted


def print_planted(planted: Planted, out: Path, *, as_json: bool) -> None:
    """Sizes, exactness, what was left out, what the dataset cannot say, and the next command."""
    records = planted.records
    if as_json:
        answer = PlantAnswer(
            out=str(out), pairs=dict(records), kept=planted.kept, left_out=dict(planted.left_out), caution=CAUTION
        )
        print(answer.model_dump_json(indent=1))
        return
    kept = f", {planted.kept} of them already there" if planted.kept else ""
    print(f"made {out}: {len(records)} pairs{kept}")
    rms = [record.displacement_mm["rms"] for record in records.values()]
    low, high = zip(*(record.jacobian_determinant for record in records.values()), strict=True)
    residual = max(record.inverse_residual_mm for record in records.values())
    print(f"displacement in the head {min(rms):.2f} to {max(rms):.2f} mm (root mean square)")
    print(f"Jacobian determinant {min(low):.2f} to {max(high):.2f}; inverse exact to {residual:.1g} mm")
    for name, why in planted.left_out.items():
        print(f"left out: {name}: {why}")
    made = [name for name, record in records.items() if record.made_mask]
    if made:
        print(
            f"{len(made)} scans have no mask and a background that is not 0: the head, found by brightness, is theirs"
        )
    print(textwrap.fill(CAUTION, 110))
    print(f"next: lumirage-harness evaluate --track planted --method greedy --dry-run {shlex.quote(str(out))}")
