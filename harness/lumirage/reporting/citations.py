"""Writes a methods section for a paper, with its references as text and as BibTeX."""

from collections.abc import Iterable
from dataclasses import dataclass

from lumirage.reporting.report_inputs import Inputs


@dataclass(frozen=True)
class Reference:
    """One entry of the bibliography."""

    key: str
    text: str
    bibtex: str


HARNESS = Reference(
    "jena2026lumirage",
    "Jena R, Chaudhari P, Gee JC. The LUMirage. Medical Imaging with Deep Learning (MIDL), PMLR 315, 2026.",
    "@inproceedings{jena2026lumirage,\n  title = {The {LUMirage}},\n  author = {Jena, Rohit and Chaudhari, Pratik and "
    "Gee, James C.},\n  booktitle = {Medical Imaging with Deep Learning},\n  series = {Proceedings of Machine Learning "
    "Research},\n  volume = {315},\n  year = {2026}\n}",
)
BIDS = Reference(
    "gorgolewski2016bids",
    "Gorgolewski KJ et al. The brain imaging data structure. Scientific Data 3:160044, 2016.",
    "@article{gorgolewski2016bids,\n  title = {The brain imaging data structure, a format for organizing and describing "
    "outputs of neuroimaging experiments},\n  author = {Gorgolewski, Krzysztof J. and others},\n  journal = {Scientific "
    "Data},\n  volume = {3},\n  pages = {160044},\n  year = {2016},\n  doi = {10.1038/sdata.2016.44}\n}",
)
DICE = Reference(
    "dice1945",
    "Dice LR. Measures of the amount of ecologic association between species. Ecology 26:297-302, 1945.",
    "@article{dice1945,\n  title = {Measures of the amount of ecologic association between species},\n  author = {Dice, "
    "Lee R.},\n  journal = {Ecology},\n  volume = {26},\n  number = {3},\n  pages = {297--302},\n  year = {1945},\n"
    "  doi = {10.2307/1932409}\n}",
)
NODES = Reference(
    "snijders1999",
    "Snijders TAB, Borgatti SP. Non-parametric standard errors and tests for network statistics. "
    "Connections 22:161-170, 1999.",
    "@article{snijders1999,\n  title = {Non-parametric standard errors and tests for network statistics},\n  author = "
    "{Snijders, Tom A. B. and Borgatti, Stephen P.},\n  journal = {Connections},\n  volume = {22},\n  number = {2},\n"
    "  pages = {161--170},\n  year = {1999}\n}",
)
SKEWED = Reference(
    "hall1992",
    "Hall P. On the removal of skewness by transformation. J R Stat Soc B 54:221-228, 1992.",
    "@article{hall1992,\n  title = {On the removal of skewness by transformation},\n  author = {Hall, Peter},\n  journal = "
    "{Journal of the Royal Statistical Society: Series B},\n  volume = {54},\n  number = {1},\n  pages = {221--228},\n"
    "  year = {1992}\n}",
)
HOLM = Reference(
    "holm1979",
    "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 6:65-70, 1979.",
    "@article{holm1979,\n  title = {A simple sequentially rejective multiple test procedure},\n  author = {Holm, Sture},"
    "\n  journal = {Scandinavian Journal of Statistics},\n  volume = {6},\n  number = {2},\n  pages = {65--70},\n"
    "  year = {1979}\n}",
)
NDV = Reference(
    "liu2024ndv",
    "Liu Y et al. On finite difference Jacobian computation in deformable image registration. "
    "Int J Comput Vis 132:3678-3688, 2024.",
    "@article{liu2024ndv,\n  title = {On finite difference {Jacobian} computation in deformable image registration},\n"
    "  author = {Liu, Yihao and Chen, Junyu and Wei, Shuwen and Carass, Aaron and Prince, Jerry},\n  journal = "
    "{International Journal of Computer Vision},\n  volume = {132},\n  pages = {3678--3688},\n  year = {2024}\n}",
)


def references(inputs: Inputs) -> list[Reference]:
    """The references of the methods section, in order of citation."""
    found = _of_metrics([m.metric for m in inputs.measures])
    return found + ([NODES, SKEWED, HOLM] if "comparisons" in inputs.tables else [])


def study_references(metrics: Iterable[str]) -> list[Reference]:
    """The references of a study's methods section."""
    return [*_of_metrics(metrics), SKEWED, HOLM]


def _of_metrics(metrics: Iterable[str]) -> list[Reference]:
    names = [metric.lower() for metric in metrics]
    found = [HARNESS, BIDS]
    found += [DICE] if any(n.startswith("dice") for n in names) else []
    return found + ([NDV] if any(n.startswith(("ndv", "nd_")) for n in names) else [])


def paragraphs(inputs: Inputs) -> list[str]:
    """The methods section, made from the records: it states only what this evaluation did."""
    found = [_design(inputs), _preparation(inputs), _execution(inputs), _scoring(inputs)]
    return [*found, _statistics(inputs)] if "comparisons" in inputs.tables else found


def _design(inputs: Inputs) -> str:
    track, pairs = inputs.evaluation.track, list(inputs.pairs.values())
    subjects = {s.subject for p in pairs for s in (p.fixed, p.moving)}
    methods = ", ".join(f"{name} {use.card.version}" for name, use in inputs.evaluation.methods.items())
    sessions = "" if track.pairing.sessions == "any" else f", {track.pairing.sessions} sessions"
    return (
        f"Registration methods ({methods}) were compared on {len(pairs)} ordered pairs of {len(subjects)} subjects of "
        f"{inputs.evaluation.dataset_name} (BIDS [gorgolewski2016bids]; pairing: {track.pairing.scheme}, "
        f"{track.pairing.subjects} subjects{sessions}) with the LUMIRAGE harness {inputs.evaluation.harness} "
        "[jena2026lumirage]. "
        "Two sentinels were scored beside them: identity (nothing done) and affine (the preparation's affine alone)."
    )


def _preparation(inputs: Inputs) -> str:
    p = inputs.evaluation.track.prepare
    spacing = " x ".join(f"{s:g}" for s in p.spacing_mm) + " mm" if p.spacing_mm else "the fixed image's spacing"
    shape = f", {' x '.join(map(str, p.shape))} voxels" if p.shape else ""
    aligned = {"none": "without linear alignment", "rigid": "after rigid alignment", "affine": "after affine alignment"}
    return (
        f"Every method was given the same images: {p.orientation} orientation at {spacing}{shape}, {aligned[p.affine]} "
        f"of the moving to the fixed image, intensities: {p.intensity}."
    )


def _execution(inputs: Inputs) -> str:
    limits = inputs.evaluation.track.limits
    isolated = len(inputs.runs) and bool(inputs.runs["isolated"].all())
    on_gpu = sorted(set(inputs.runs.loc[inputs.runs["device"] == "gpu", "method"].astype(str)))
    gpus = f"; {', '.join(on_gpu)} had a GPU" if on_gpu else ""
    return (
        f"Each method ran {'isolated, without network,' if isolated else 'not isolated'} by runtime "
        f"{inputs.evaluation.runtime} with {limits.cpus} CPU(s), "
        f"{limits.memory_bytes / 2**30:g} GiB of memory and at most {limits.pair_timeout_s:g} s a pair{gpus}. "
        "Times are from the begin to the end of a pair on the clock of the harness."
    )


def _scoring(inputs: Inputs) -> str:
    metrics = ", ".join(dict.fromkeys(m.title for m in inputs.measures))
    cites = ("; Dice coefficient [dice1945]" if any("dice" in m.metric for m in inputs.measures) else "") + (
        "; non-diffeomorphic volume [liu2024ndv]" if any(m.metric.startswith("ndv") for m in inputs.measures) else ""
    )
    policy = {
        "identity": "A failed run counted as zero displacement, or as the affine if that is worse.",
        "worst": "A failed run got the worst value of its pair.",
        "drop": "Pairs of failed runs were dropped and counted.",
    }
    return (
        f"Answers were scored by {metrics}{cites}. Labels were interpolated once, nearest neighbour, from the native "
        f"moving labels. {policy[inputs.evaluation.track.on_failure]}"
    )


def _statistics(inputs: Inputs) -> str:
    table = inputs.tables["comparisons"]
    table = table[~table["literature"].astype(bool)]
    draws, seed = (sorted(set(table[c].dropna())) for c in ("draws", "seed"))
    designs = ", ".join(sorted(set(table["design"].dropna().astype(str))))
    return (
        f"Design of the pairs: {designs}. Effects are mean paired differences with intervals from resampling "
        f"subjects ({', '.join(map(str, draws))} draws, seed {', '.join(map(str, seed))}; weight of a pair w_i w_j, "
        "standard error and t [snijders1999], longer on the side of skewed effects [hall1992]). p-values are corrected by Holm "
        "[holm1979] over methods and tracks."
    )
