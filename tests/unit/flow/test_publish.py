"""A desk's ranking and site: what is published is listed first, and tells nothing of the truth."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up_desk import make_desk, values_of_teams

from lumirage.cli.leaderboard_commands import publish, rank_lines
from lumirage.core.challenge_results import ChallengeResults, Published
from lumirage.core.errors import DataError, UsageError
from lumirage.core.records import read_json
from lumirage.flow.challenge.desk import open_desk
from lumirage.flow.challenge.publish import Prepared, listing, prepare_site, write_site
from lumirage.flow.challenge.ranked_desk import rank_desk

TEST = {"phases": [{"name": "validation"}, {"name": "test", "shows": "own_pairs"}]}
OTHER_RULES = {"failures": {"policy": "worst"}}


@pytest.fixture(scope="module")
def desk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs, dice = values_of_teams()
    return make_desk(tmp_path_factory.mktemp("desk") / "d", dice, pairs, **TEST).layout.root


@pytest.fixture(scope="module")
def prepared(desk_folder: Path) -> Prepared:
    return prepare_site(rank_desk(open_desk(desk_folder)))


@pytest.fixture(scope="module")
def published(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(prepared, tmp_path_factory.mktemp("site")).root


def texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_bytes().decode(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_published_was_listed_with_its_size(prepared: Prepared, published: Path) -> None:
    lines = listing(prepared)
    record = read_json(published / "published.json", Published)
    on_disk = {str(p.relative_to(published)) for p in published.rglob("*") if p.is_file()} - {"published.json"}
    assert {file.path for file in record.files} == on_disk
    for file in record.files:
        content = (published / file.path).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        if "/assets/" not in file.path or file.path.startswith("public/"):
            assert any(line.split()[0] == file.path and f"{file.bytes:,}" in line for line in lines), file.path


def test_nothing_of_the_truth_is_in_the_folder(desk_folder: Path, published: Path) -> None:
    pairs, _ = values_of_teams()
    names = {name for pair in pairs for name in pair} | {"-".join(pair) for pair in pairs}
    for path, text in texts(published).items():
        assert not [name for name in names if name in text], path
        assert not re.search(r"KX\d\d91", text), path
        assert str(desk_folder) not in text, path
    assert not [path for path in texts(published) if path.endswith((".nii", ".nii.gz", ".parquet", ".npz", ".csv"))]


def test_teams_have_pages_apart_with_their_own_pairs_alone(published: Path) -> None:
    public = texts(published / "public")
    assert not [path for path in public if "teams" in path]
    assert not any("pair 1<" in text or "pair 2\t" in text for text in public.values())
    page = (published / "teams/leaver/index.html").read_text()
    assert "4 pairs: crashed" in page
    rows = [line.split("\t") for line in (published / "teams/leaver/pairs.tsv").read_text().splitlines()]
    assert rows[0][:4] == ["pair", "outcome", "as_it_counts", "median_of_teams"]
    assert [row[1] for row in rows[1:5]] == ["crashed"] * 4
    worst = [float(row[2]) for row in rows[5:]]
    assert worst == sorted(worst)  # the worst first
    assert len({row[0] for row in rows[1:]}) == 30
    assert "median of all teams" in page
    assert not [word for word in ("twin", "smooth", "rough") if word in page]


def test_a_phase_that_shows_means_alone_has_no_pair_on_any_page(tmp_path: Path) -> None:
    pairs, dice = values_of_teams()
    desk = make_desk(tmp_path / "d", dice, pairs)
    ranked = rank_desk(desk)
    prepared = prepare_site(ranked)
    assert not [path for path in prepared.files if path.endswith("pairs.tsv")]
    assert b"pair 1" not in prepared.files["teams/good/index.html"].replace(b"4 pairs", b"")
    assert b"This phase shows means alone" in prepared.files["teams/good/index.html"]
    podium = prepared.files["public/figures/podium.svg"]
    assert podium.count(b"<path") + podium.count(b"<circle") == 1 + 6  # the base line, and a key for each team: no pair
    assert podium.count(b"<rect") > 6
    assert "shows means alone" in listing(prepared)[-1]


def test_the_public_page_has_the_list_the_rules_and_all_figures(published: Path) -> None:
    page = (published / "public/index.html").read_text()
    results = ChallengeResults.model_validate_json((published / "public/results.json").read_text())
    places = {entry.team: entry.place for entry in results.declared.entries}
    assert (places["good"], places["twin"], places["identity"]) == ("1=", "1=", "")
    assert "good and twin share the first place" in page
    assert results.rules in page
    assert results.changes == ()
    for figure in ("ranks-in-draws", "podium", "significance"):
        assert f'id="figure-{figure}"' in page
        assert (published / f"public/figures/{figure}.png").read_bytes()[:4] == b"\x89PNG"
    assert "counts as doing nothing, or as the affine where that is worse" in page
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", page)  # opens offline
    for submission in results.submissions:
        assert submission.id in page
    shares = results.declared.rank_shares["poor"]
    assert sum(shares) == pytest.approx(1)
    assert shares[-1] == pytest.approx(1)


def test_the_team_that_leaves_out_its_hard_pairs_does_not_win_at_the_desk(prepared: Prepared) -> None:
    results = prepared.ranked.results
    lists = {of.scheme: of for of in (results.declared, *results.others)}
    assert list(lists) == ["subject-ranks", "lumir24", "lumir25", "learn2reg"]
    for of in lists.values():
        rank = {entry.team: entry.rank for entry in of.entries}
        assert rank["leaver"] > rank["good"]
    (cost,) = results.failures
    assert (cost.team, cost.failed, cost.of) == ("leaver", 4, 30)
    assert cost.rank_without_failures == 1
    assert cost.rank > 1


def test_another_scheme_can_be_asked_for(tmp_path: Path) -> None:
    pairs, dice = values_of_teams(4)
    desk = make_desk(tmp_path / "d", {team: dice[team] for team in ("identity", "good", "poor")}, pairs)
    results = rank_desk(desk, scheme="learn2reg").results
    assert results.declared.scheme == "learn2reg"
    assert {factor.factor for factor in results.declared.factors} == {"Dice", "Dice (30 %)", "HD95"}
    assert [entry.team for entry in results.declared.ranked] == ["good", "poor"]


def test_changed_rules_are_told_on_every_page(tmp_path: Path) -> None:
    pairs, dice = values_of_teams()
    desk = make_desk(tmp_path / "d", dice, pairs, **TEST)
    content = yaml.safe_load(desk.layout.challenge.read_text())
    desk.layout.challenge.write_text(yaml.safe_dump(content | OTHER_RULES))
    prepared = prepare_site(rank_desk(open_desk(desk.layout.root)))
    pages = {path: text.decode() for path, text in prepared.files.items() if path.endswith(".html")}
    assert len(pages) == 7
    for path, page in pages.items():
        assert "Rules were changed after the first submission" in page, path
        assert "failures changed after the first submission" in page.lower(), path
    assert json.loads(prepared.files["public/results.json"])["rules"] != open_desk(desk.layout.root).rules()


def test_a_name_in_the_title_stops_the_site_before_it_is_written(tmp_path: Path) -> None:
    pairs, dice = values_of_teams()
    desk = make_desk(tmp_path / "d", dice, pairs, title=f"Who aligns {pairs[0][0]}?", **TEST)
    with pytest.raises(DataError, match=rf"would reveal '{pairs[0][0]}'.*nothing was written"):
        prepare_site(rank_desk(desk))


def test_publishing_again_replaces_only_what_it_had_written(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty, and no published site"):
        write_site(prepared, tmp_path)
    out = tmp_path / "site"
    write_site(prepared, out)
    (out / "kept.txt").write_text("kept")
    fewer = {path: content for path, content in prepared.files.items() if path != "teams/poor/index.html"}
    write_site(replace(prepared, files=fewer), out)
    assert (out / "kept.txt").read_text() == "kept"
    assert not (out / "teams/poor/index.html").exists()
    assert (out / "teams/good/index.html").exists()


def test_without_scores_it_says_what_to_type(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "d", {"identity": np.full(30, 0.4)}, values_of_teams()[0])
    with pytest.raises(DataError, match="no scored submission; score them with 'lumirage-harness challenge run'"):
        rank_desk(desk)


def test_a_declared_metric_that_is_turned_round_is_refused(tmp_path: Path) -> None:
    pairs, dice = values_of_teams()
    turned = {"ranking": {"metrics": [{"metric": "dice_lumir", "better": "lower"}]}}
    with pytest.raises(UsageError, match="of dice_lumir higher is better"):
        rank_desk(make_desk(tmp_path / "d", dice, pairs, **turned))


def test_rank_prints_the_list_in_80_columns(prepared: Prepared) -> None:
    lines = rank_lines(prepared.ranked.results, ("slow",))
    table = lines[2:10]
    assert max(map(len, table)) <= 80
    assert [line.split()[:2] for line in table[1:3]] == [["1=", "good"], ["1=", "twin"]]
    assert table[-1].split()[:3] == ["-", "identity", "(sentinel)"]
    assert "leaver: lacks answers: shares no place" in lines
    assert lines[-1] == "not scored yet: slow"
    assert any(line.startswith("by scheme lumir24: first good, twin, agreement") for line in lines)
    (few,) = [line for line in lines if line.startswith("Only 6 people")]
    assert "share the first place" in few
    many = prepared.ranked.results.model_copy(update={"n_subjects": 10})
    assert len(rank_lines(many, ("slow",))) == len(lines) - 1
    assert b"Only 6 people" in prepared.files["public/index.html"]


def test_nothing_is_written_before_yes(desk_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="type the same command with --yes"):
        publish(desk_folder, tmp_path / "site")
    assert "public/index.html" in capsys.readouterr().out
    assert not (tmp_path / "site").exists()


def test_what_jitter_found_stands_on_the_public_page(tmp_path: Path) -> None:
    pairs, dice = values_of_teams(4)
    desk = make_desk(tmp_path / "d", {team: dice[team] for team in ("identity", "good", "poor")}, pairs)
    assert rank_desk(desk).results.jitter == ()
    rows = {"identity": (0.4, 0.4, np.nan, False), "good": (0.7, 0.42, 0.07, True), "poor": (0.5, 0.5, 0.98, False)}
    columns = ["mean_plain", "mean_jittered", "kept", "suspect"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("method").reset_index()
    table = table.assign(metric="dice_lumir", fell_share=0.5)
    table.to_csv(desk.layout.jitter_table, sep="\t", index=False, na_rep="n/a")
    prepared = prepare_site(rank_desk(desk))
    assert [(row.team, row.suspect) for row in prepared.ranked.results.jitter] == [("good", True), ("poor", False)]
    page = prepared.files["public/index.html"].decode()
    assert page.count("falls as remembered answers do") == 1
    assert "7 %" in page
    assert "public/tables/jitter.tsv" in prepared.files
