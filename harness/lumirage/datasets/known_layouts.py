"""Reads datasets in their original layouts: neurite's OASIS, UltraCortex, PRIME-DE with nBEST's labels, plain folders."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lumirage.core.errors import DataError, UsageError
from lumirage.datasets.import_plan import ENDINGS, Incoming, IncomingScan, bids_label, images_in, stem

_OASIS = re.compile(r"^OASIS_OAS\d_(?P<subject>\d{4})_(?P<session>MR\d)$")
_ULTRACORTEX = re.compile(r"^sub-(?P<subject>[0-9A-Za-z]+)_ses-(?P<session>[0-9A-Za-z]+)")
_TISSUE_NAMES = {1: "CSF", 2: "grey matter", 3: "white matter"}


def plan_oasis_neurite(source: Path) -> Incoming:
    """neurite-oasis v1.0: OASIS_OAS1_0001_MR1/aligned_norm.nii.gz with aligned_seg35 and aligned_seg4.

    The affinely aligned images are used, as is common. Names come from seg35_labels.txt and seg4_labels.txt.
    """
    folders = [(folder, parts) for folder in sorted(source.glob("OASIS_OAS*")) if (parts := _OASIS.match(folder.name))]
    scans = []
    for folder, parts in folders:
        labels = {kind: path for kind in ("seg35", "seg4") if (path := _nifti(folder / f"aligned_{kind}"))}
        image = _nifti(folder / "aligned_norm")
        if image is not None:
            scans.append(IncomingScan(parts["subject"], "T1w", image, session=parts["session"], labels=labels))
    lacking = len(folders) - len(scans)
    return Incoming(
        name="neurite OASIS",
        scans=tuple(scans),
        label_names={kind: _lookup_table(source / f"{kind}_labels.txt") for kind in ("seg35", "seg4")},
        notes=(f"{lacking} folders have no aligned_norm.nii.gz.",) if lacking else (),
    )


def plan_ultracortex(source: Path) -> Incoming:
    """UltraCortex (OpenNeuro ds005216): BIDS except for derivatives/manual_segmentation/sub-3_ses-1_seg.nii.

    The twelve people with manual labels are imported; with their skull-stripped image if derivatives/skullstrips has it.
    """
    scans = []
    stripped = 0
    for label_map in images_in(source / "derivatives" / "manual_segmentation"):
        parts = _ULTRACORTEX.match(label_map.name)
        if parts is None:
            raise DataError(f"{label_map}: expected a name such as sub-3_ses-1_seg.nii")
        name = parts[0]
        image = _nifti(source / "derivatives" / "skullstrips" / f"{name}_skullstrip")
        stripped += image is not None
        raw = source / f"sub-{parts['subject']}" / f"ses-{parts['session']}" / "anat" / f"{name}_T1w"
        image = image or _nifti(raw)
        if image is None:
            raise DataError(
                f"{raw}.nii: no such file, nor {name}_skullstrip in derivatives/skullstrips; fetch one of them"
            )
        labels = {"manual": label_map}
        scans.append(IncomingScan(parts["subject"], "T1w", image, session=parts["session"], labels=labels))
    note = f"{stripped} of {len(scans)} images are skull-stripped, the others as acquired."
    return Incoming(name="UltraCortex", scans=tuple(scans), notes=(note,))


def plan_primede(source: Path) -> Incoming:
    """PRIME-DE macaques after nBEST: brain_cerebrum/X.nii.gz with brain_tissue/X, brain_subcortical/X and brain_mask/X.

    Without these folders, the sites' raw trees: site-*/sub-*/[ses-*/]anat/*_T1w.nii.gz, which have no labels.
    """
    cerebra = images_in(source / "brain_cerebrum")
    scans = tuple(_nbest_scan(source, image) for image in cerebra) or tuple(_site_scans(source))
    note = () if cerebra else ("Raw images only: run nBEST for labels, or score without them.",)
    return Incoming("PRIME-DE", scans, label_names={"tissue": _TISSUE_NAMES}, notes=note)


def _nbest_scan(source: Path, image: Path) -> IncomingScan:
    labels = {
        kind: path for kind in ("tissue", "subcortical") if (path := _nifti(source / f"brain_{kind}" / stem(image)))
    }
    parts = dict(part.split("-", 1) for part in stem(image).split("_") if "-" in part)
    subject = bids_label(parts.get("site", "") + parts["sub"]) if "sub" in parts else bids_label(stem(image))
    session = bids_label(parts["ses"]) if "ses" in parts and "sub" in parts else None
    mask = _nifti(source / "brain_mask" / stem(image))
    return IncomingScan(subject, "T1w", image, session=session, labels=labels, mask=mask)


def _site_scans(source: Path) -> Iterator[IncomingScan]:
    """The subject's label with the site in it: subjects of two sites may share a number."""
    roots = sorted(source.glob("site-*")) or [source]
    for root in roots:
        site = root.name.removeprefix("site-") if root is not source else ""
        for image in sorted([*root.glob("sub-*/anat/*_T1w.nii*"), *root.glob("sub-*/ses-*/anat/*_T1w.nii*")]):
            parts = dict(part.split("-", 1) for part in stem(image).split("_") if "-" in part)
            yield IncomingScan(
                subject=bids_label(site + parts.get("sub", "")),
                suffix="T1w",
                image=image,
                session=parts.get("ses"),
                acquisition=parts.get("acq"),
                run=parts.get("run"),
            )


def plan_folder(source: Path, pattern: str, side_patterns: Mapping[str, str], suffix: str) -> Incoming:
    """Any folder of NIfTI files, by a pattern.

    pattern: the images' paths under `source` with `{subject}` and, if wanted, `{session}` and `{suffix}`; `*` matches
    anything within a name. side_patterns: the same for `labels` and `mask`. suffix: used if the pattern has none.
    Raises UsageError for a pattern that cannot work.
    """
    expression = _expression(pattern)
    scans, lacking = [], 0
    for path in sorted(p for p in source.rglob("*") if p.name.endswith(ENDINGS)):
        found = expression.fullmatch(path.relative_to(source).as_posix())
        if found is None:
            continue
        words = found.groupdict()
        side = {kind: _fill(source, side_patterns[kind], words) for kind in side_patterns}
        lacking += sum(file is None for file in side.values())
        labels = {"labels": file} if (file := side.get("labels")) is not None else {}
        session = bids_label(words["session"]) if "session" in words else None
        scans.append(
            IncomingScan(
                subject=bids_label(words["subject"]),
                suffix=words.get("suffix", suffix),
                image=path,
                session=session,
                labels=labels,
                mask=side.get("mask"),
            )
        )
    notes = (f"{lacking} label maps or masks were not found.",) if lacking else ()
    return Incoming(name=source.resolve().name, scans=tuple(scans), notes=notes)


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    wanted = {"{subject}": r"(?P<subject>[^/]+?)", "{session}": r"(?P<session>[^/]+?)", "*": "[^/]*?"}
    wanted["{suffix}"] = r"(?P<suffix>[0-9A-Za-z]+)"
    for part in parts[1::2]:
        if part not in wanted:
            raise UsageError(f"pattern {pattern!r}: unknown {part}; use {{subject}}, {{session}}, {{suffix}} and *")
    if "{subject}" not in parts:
        raise UsageError(f"pattern {pattern!r}: must contain {{subject}}, such as '{{subject}}/T1.nii.gz'")
    seen: set[str] = set()
    text = ""
    for part in parts:
        # A word that occurs twice must match the same text both times.
        again = f"(?P={part[1:-1]})" if part in seen and part != "*" else wanted.get(part)
        text += again if again is not None and part in wanted else re.escape(part)
        seen.add(part)
    return re.compile(text)


def _fill(source: Path, pattern: str, words: Mapping[str, str]) -> Path | None:
    """The first file that a side pattern names for these words."""
    try:
        return next(iter(sorted(source.glob(pattern.format(**words)))), None)
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(f"pattern {pattern!r}: uses a word that the images' pattern lacks ({error})") from error


def _nifti(stem_path: Path) -> Path | None:
    return next((p for end in ENDINGS if (p := stem_path.with_name(stem_path.name + end)).is_file()), None)


def _lookup_table(path: Path) -> dict[int, str]:
    """A table in FreeSurfer's format: number, name, colour; other lines are comments. Empty if there is no file."""
    if not path.is_file():
        return {}
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) > 1 and row[0].isdigit() and int(row[0]) != 0}
