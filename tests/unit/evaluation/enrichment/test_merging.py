"""Cases with truth that was kept out, the three methods, and the report of them."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from click.testing import CliRunner

from cli import merge_evaluation
from cli.merge_evaluation import build_merge_tables, evaluate_merges
from core.errors import InvalidInputError
from enrichment.merging import MergeModel, SourceClaims
from evaluation.enrichment.default_model import build_default_model
from evaluation.enrichment.held_out import Case, Evidence, TrueList, build_cases, is_for_learning
from evaluation.enrichment.merge_methods import SourceOrder, decide, learn_source_order
from evaluation.enrichment.merging import evaluate_merging
from evaluation.enrichment.snapshots import SNAPSHOTS, Observation, load_observations

FINISHED = {"status": "FINISHED"}


def see(snapshot: str, source: str, year: int, **facts: Any) -> Observation:
    """What a snapshot says."""
    return Observation(snapshot, SourceClaims(source, datetime(year, 1, 1, tzinfo=UTC), facts))


def build_title(*, older: Any = "TV", kitsu: Any = "TV", last: Any = "TV", catalogue: Any = "TV") -> list[Observation]:
    """A title as four sites see its type."""
    return [
        see("mal-2021b", "jikan", 2021, type=older),
        see("kitsu-2026", "kitsu", 2026, type=kitsu),
        see("mal-2025", "jikan", 2025, type=last, **FINISHED),
        see("catalogue", "catalogue", 2026, type=catalogue),
    ]


def cases_of(seen: Sequence[Observation], field: str = "type") -> list[Case]:
    """The cases of one field of one title."""
    return [case for case in build_cases({1: seen}) if case.field == field]


def test_what_witnesses_say_is_kept_from_the_inputs() -> None:
    """Neither the last snapshot nor the other site is given, only what was said before and elsewhere."""
    (case,) = cases_of(build_title(older="ONA"))
    assert case.evidence is Evidence.LATER
    assert case.truth == "TV"
    assert case.witnesses == ("mal-2025", "catalogue")
    assert [(one.source, one.facts["type"]) for one in case.inputs] == [("jikan", "ONA"), ("kitsu", "TV")]


def test_witnesses_that_disagree_make_no_truth() -> None:
    """And a truth is no case where fewer than two sources are left to merge."""
    assert cases_of(build_title(last="ONA")) == []
    assert cases_of(build_title(kitsu=None)) == []


def test_titles_that_are_not_finished_are_no_cases() -> None:
    """Their facts still change."""
    seen = [one for one in build_title() if one.snapshot != "mal-2025"]
    assert cases_of([*seen, see("mal-2025", "jikan", 2025, type="TV", status="ONGOING")]) == []


def test_two_other_sites_are_independent_witnesses() -> None:
    """MyAnimeList is given like any other then, with its last snapshot; a copy is no witness for its original."""
    seen = [*build_title(), see("bangumi-data", "bangumi", 2026, type="TV")]
    independent = [case for case in cases_of(seen) if case.evidence is Evidence.INDEPENDENT]
    assert [case.witnesses for case in independent] == [("catalogue", "bangumi-data")]
    assert {one.source for one in independent[0].inputs} == {"jikan", "kitsu"}
    assert len(independent[0].inputs) == 3


def test_a_first_day_witnesses_a_season() -> None:
    """A site that has days only agrees or disagrees with what another says outright."""
    seen = [
        see("mal-2021b", "jikan", 2021, season="SPRING", **FINISHED),
        see("kitsu-2026", "kitsu", 2026, season="WINTER"),
        see("catalogue", "catalogue", 2026, season="SPRING"),
        see("bangumi-data", "bangumi", 2026, aired={"start": "2012-04-07"}),
    ]
    (case,) = cases_of(seen, "season")
    assert case.truth == "SPRING"
    assert case.witnesses == ("catalogue", "bangumi-data")


def test_of_lists_only_what_witnesses_agree_on_is_judged() -> None:
    """What one of two has is doubtful; what neither has is wrong."""
    seen = [
        see("mal-2021b", "jikan", 2021, genres=["action", "drama", "horror"]),
        see("anime-planet-2023", "anime-planet", 2023, genres=["action", "mystery"]),
        see("mal-2025", "jikan", 2025, genres=["action", "drama"], **FINISHED),
        see("kitsu-2026", "kitsu", 2026, genres=["action"]),
    ]
    (case,) = cases_of(seen, "genres")
    assert case.truth == TrueList(frozenset({"action"}), frozenset({"drama"}))
    outcomes = decide(case, MergeModel(), SourceOrder({"genres": ("anime-planet",)}))
    # action, horror and mystery; by half of the sources all are taken, by Anime-Planet alone two.
    assert outcomes[0].right == (True, True, True)
    assert sorted(one.right[:2] for one in outcomes) == [(False, False), (False, True), (True, True)]
    assert [one.conflict for one in outcomes] == [False, True, True]


def test_methods_are_judged_against_the_truth() -> None:
    """A tie of heads goes to the newest word; the best single source is the one that was right on the learning half."""
    (case,) = cases_of(build_title(kitsu="ONA"))
    order = learn_source_order([case])
    assert order.by_field["type"] == ("jikan", "kitsu")
    (outcome,) = decide(case, MergeModel(), order)
    assert outcome.conflict
    assert outcome.right[:2] == (False, True)
    assert 0 <= outcome.sure <= 1


def build_observations() -> dict[int, list[Observation]]:
    """Titles on which Kitsu errs half of the time, in both halves."""
    return {number: build_title(kitsu="ONA" if number % 2 else "TV", older="TV") for number in range(1, 301)}


def test_the_report_compares_the_methods_on_the_other_half() -> None:
    """Learned on one half, tested on the other: ours follows the source that is right, a vote does not."""
    observations = build_observations()
    report = evaluate_merging(observations, seed=7)
    tested = [number for number in observations if not is_for_learning(number)]
    result = next(one for one in report.results if one.field == "type")
    assert report.learned_from == len(observations) - len(tested)
    assert report.tested_on == result.overall.n == len(tested)
    assert result.conflicting is not None
    assert result.conflicting.accuracy == {"majority": 0.0, "best single": 1.0, "truth discovery": 1.0}
    assert result.conflicting.p_values["majority"] < 0.001
    assert result.conflicting.p_values["best single"] == 1.0
    assert result.overall.interval == (1.0, 1.0)
    assert result.conflicting.hindsight == result.conflicting.oracle == 1.0
    assert report.to_json() == evaluate_merging(observations, seed=7).to_json()
    assert sum(one.n for one in report.calibration) == len(tested)
    assert len(build_merge_tables(report)) == len({one.evidence for one in report.results}) + 2


def test_the_report_says_what_could_be_known() -> None:
    """The oracle: somebody says what is true. Hindsight: the best of two sources is followed throughout."""
    kinds = [{"kitsu": "ONA"}, {"kitsu": "ONA"}, {"older": "ONA"}, {"older": "ONA", "kitsu": "OVA"}]
    observations = {number: build_title(**kinds[number % 4]) for number in range(1, 201)}
    seen = [number % 4 for number in observations if not is_for_learning(number)]
    report = evaluate_merging(observations, seed=7)
    row = next(one for one in report.results if one.field == "type").conflicting
    assert row is not None
    assert row.n == len(seen)
    assert row.oracle == pytest.approx(1 - seen.count(3) / len(seen))
    assert row.hindsight == pytest.approx((seen.count(0) + seen.count(1)) / len(seen))
    assert row.to_json()["oracle"] == round(row.oracle, 4)


def test_the_default_model_has_no_source_that_is_only_a_witness() -> None:
    """bangumi-data is never asked by a service."""
    observations = {
        key: [*seen, see("bangumi-data", "bangumi", 2026, type="TV")] for key, seen in build_observations().items()
    }
    model = build_default_model(observations)
    assert model.titles == 300
    assert {"jikan", "kitsu", "catalogue"} == set(model.fields["type"].sources)
    assert not any("bangumi" in pair for pair in model.fields["type"].copies)


RECORD = {
    "sources": [
        "https://myanimelist.net/anime/1",
        "https://anidb.net/anime/23",
        "https://anime-planet.com/anime/bebop",
    ],
    "title": "Bebop",
    "type": "TV",
    "episodes": 26,
    "status": "FINISHED",
    "animeSeason": {"season": "SPRING", "year": 1998},
    "genres": ["Drama"],
}
ANIDB = (
    b'<animetitles><anime aid="23"><title xml:lang="ja" type="official">X</title>'
    b'<title xml:lang="en" type="syn">Y</title></anime></animetitles>'
)
BANGUMI = {
    "title": "X",
    "type": "web",
    "lang": "ja",
    "begin": "1998-04-03T00:00:00.000Z",
    "sites": [{"site": "mal", "id": "1"}],
}
RATING = "R - 17+"
ROWS: dict[str, dict[str, str]] = {
    "mal-2016": {"anime_id": "1", "genre": "Action, Space", "type": "TV", "episodes": "26"},
    "mal-2021a": {
        "code": "1", "type": "TV", "rating": RATING, "studios": "Sunrise", "premiered": "Spring 1998",
        "genres": "action",
    },
    "mal-2021b": {
        "anime_id": "1", "English name": "Bebop", "Japanese name": "Unknown", "Type": "TV", "Episodes": "26",
        "Aired": "Apr 3, 1998 to Apr 24, 1999", "Premiered": "Spring 1998", "Studios": "Sunrise", "Source": "Original",
        "Duration": "24 min. per ep.", "Rating": RATING, "Genres": "Action",
    },
    "mal-2021c": {"episode": "26", "link": "https://myanimelist.net/anime/1/B", "season": "Spring 1998"},
    "mal-2025": {
        "mal_id": "1", "title_english": "B", "title_japanese": "", "type": "TV", "status": "Finished Airing",
        "source": "Original", "episodes": "26.0", "aired": "Apr 3, 1998", "duration": "24 min", "rating": RATING,
        "premiered": "spring", "studios": "Sunrise", "genres": "Action", "explicit_genres": "", "themes": "Space",
        "demographics": "",
    },
    "anilist-2026": {
        "mal_id": "1.0", "type": "TV_SHORT", "status": "FINISHED", "source": "ORIGINAL", "episodes": "26.0",
        "duration": "24.0", "english_title": "B", "japanese_title": "", "start_date": "1998-04-03", "end_date": "",
        "main_studios": "Sunrise", "studios": "", "season": "SPRING 1998", "genres": "Action",
    },
    "anime-planet-2023": {
        "Title": "B", "genres": " , Action , Original Work", "Poster": "https://x/anime/primary/bebop-1-190x285.jpg?t=1",
    },
}  # fmt: skip


def write_table(row: dict[str, str]) -> bytes:
    """A compressed table of one row."""
    text = io.StringIO()
    table = csv.DictWriter(text, row)
    table.writeheader()
    table.writerow(row)
    return gzip.compress(text.getvalue().encode())


def write_data(data: Path) -> None:
    """The smallest files of all snapshots."""
    kitsu = {"mal_id": 1, "kitsu_id": "1", "subtype": "TV", "episodeCount": 26, "genres": ["Action"], "ageRating": "PG"}
    contents = {name: write_table(row) for name, row in ROWS.items()} | {
        "kitsu-2026": gzip.compress(
            orjson.dumps({"catalog": [kitsu, kitsu | {"_mergedSeasons": 2, "episodeCount": 1}]})
        ),
        "bangumi-data": zstandard.compress(orjson.dumps(BANGUMI)),
        "anidb-titles": gzip.compress(ANIDB),
    }
    files = {snapshot.path: contents[snapshot.name] for snapshot in SNAPSHOTS}
    files["catalogue/anime-39k.jsonl.zst"] = zstandard.compress(orjson.dumps(RECORD) + b"\n")
    files["providers/index.csv"] = b"provider,provider_id,mal_id,title,kind,file\n"
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)


def test_all_snapshots_are_read_by_one_id(tmp_path: Path) -> None:
    """Each in our words; the catalogue without what it has from one site; rows that a crawler joined are left out."""
    write_data(tmp_path)
    seen = {one.snapshot: one.claims for one in load_observations(tmp_path)[1]}
    assert set(seen) == {snapshot.name for snapshot in SNAPSHOTS} | {"catalogue"}
    assert seen["mal-2021b"].facts["aired"] == {"start": "1998-04-03", "end": "1999-04-24"}
    assert {one.facts["episodes"] for one in seen.values() if "episodes" in one.facts} == {26}
    assert "genres" not in seen["catalogue"].facts
    assert "rating" not in seen["kitsu-2026"].facts
    assert seen["anidb-titles"].facts == {"title_japanese": "X"}
    assert seen["bangumi-data"].facts == {"type": "ONA", "aired": {"start": "1998-04-03"}, "title_japanese": "X"}
    assert seen["anime-planet-2023"].facts["source"] == "original"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As one of another form is."""
    write_data(tmp_path)
    path = tmp_path / SNAPSHOTS[0].path
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(InvalidInputError, match=r"mal-2016.*cannot be read: KeyError"):
        load_observations(tmp_path)
    path.unlink()
    with pytest.raises(InvalidInputError, match=r"mal-2016.*is not there"):
        load_observations(tmp_path)


def test_the_command_prints_a_report_or_writes_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, JSON, or a file that the package can read."""
    monkeypatch.setattr(merge_evaluation, "load_observations", lambda _: build_observations())
    run = CliRunner().invoke
    shown = run(evaluate_merges, ["--data", str(tmp_path), "--json"], standalone_mode=False)
    assert orjson.loads(shown.stdout)["results"][0]["field"] == "type"
    assert "two sites agree" in run(evaluate_merges, ["--data", str(tmp_path)], standalone_mode=False).stdout
    file = tmp_path / "model.json"
    run(evaluate_merges, ["--data", str(tmp_path), "--learn", str(file)], standalone_mode=False, catch_exceptions=False)
    assert MergeModel.from_json(orjson.loads(file.read_bytes())).titles == 300
