"""The phantom that is taken when no dataset is named: made once, in the cache."""

from collections.abc import Iterator
from pathlib import Path

from lumirage.core.layout import cache_root
from lumirage.core.model import Pair, Scan
from lumirage.core.screen import Screen
from lumirage.core.track import Track
from lumirage.planning.pairing import make_pairs

NAME = "LUMIRAGE phantom"
SUBJECTS = ("01", "02", "03", "04")
CONTRASTS = ("T1w", "T2w")


def demo_folder() -> Path:
    """Where it lies, made or not."""
    return cache_root() / "phantom-4x2mm-seed0"


def made_demo(screen: Screen) -> Path:
    """The dataset, made now where it is not there yet."""
    folder = demo_folder()
    if folder.is_dir():
        screen.say(f"no BIDS_DIR was given: the phantom in {folder} is taken")
        return folder
    screen.say(f"no BIDS_DIR was given: a phantom is made in {folder}, once")
    from lumirage.datasets.phantom import PhantomSpec, make_phantom

    spec = PhantomSpec(subjects=len(SUBJECTS), spacing_mm=2.0, contrasts=CONTRASTS, seed=0)
    make_phantom(folder, spec, screen)
    return folder


def demo_pairs(track: Track) -> tuple[Pair, ...]:
    """The pairs that a track will find in it, once it is made."""
    scans = [scan for scan in _scans(demo_folder()) if scan.suffix in (track.select.suffixes or CONTRASTS)]
    return tuple(pair.model_copy(update={"truth": _truth(pair)}) for pair in make_pairs(scans, track.pairing))


def _scans(folder: Path) -> Iterator[Scan]:
    for subject in SUBJECTS:
        side = folder / f"derivatives/phantom/sub-{subject}/anat/sub-{subject}"
        for suffix in CONTRASTS:
            yield Scan(
                name=f"sub-{subject}_{suffix}",
                subject=subject,
                suffix=suffix,
                image=folder / f"sub-{subject}/anat/sub-{subject}_{suffix}.nii.gz",
                labels={"phantom": side.with_name(f"{side.name}_seg-phantom_dseg.nii.gz")},
                mask=side.with_name(f"{side.name}_desc-brain_mask.nii.gz"),
                landmarks=side.with_name(f"{side.name}_desc-phantom_landmarks.tsv"),
            )


def _truth(pair: Pair) -> Path:
    fixed, moving = pair.fixed.subject, pair.moving.subject
    name = f"sub-{fixed}_from-sub{moving}_to-sub{fixed}_mode-image_xfm.nii"
    return demo_folder() / f"derivatives/truth/sub-{fixed}/anat" / name
