"""`avs eval` against a real index with the fake encoder, and the imitated fusions against the engine's own."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.services import ApiServices
from cli.exits import Exit
from cli.main import run
from evaluation import recall
from evaluation.asking import ask_all
from evaluation.fusing import CandidateLists, Recipe
from evaluation.trying import DEPTH
from search.plan import Fusion
from search.ranking import TEXT_RRF_K
from search.request import SearchRequest

Eval = Callable[..., tuple[int, Any]]
QUERIES = ("a boy pilots a robot", "romance at school", "detective and murder", "cooking in the sea")
VECTORS = ("title_vector", "genre_vector", "lexical_sparse")


def ignore(_: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def data(index: Any, tmp_path: Path) -> Path:
    """Shared data in miniature: each title is recommended with the second next one, and told in other words."""
    titles = [document for document in index.documents.values() if document.external_ids.get("mal")]
    ids = [int(document.external_ids["mal"]) for document in titles]
    pairs = [(first, second, 3 + place % 20) for place, (first, second) in enumerate(zip(ids, ids[2:], strict=False))]
    told = [(number, f"Somebody tells of {', '.join(title.tags[:9])} quite differently indeed. The end.")
            for number, title in zip(ids, titles, strict=True)]  # fmt: skip
    root = tmp_path / "data"
    _write(root / "gold/mal-recommendations/edges_2024-01-08.csv", _to_csv(("mal_id_a", "mal_id_b", "votes"), pairs))
    snapshots = root / "snapshots"
    _write(snapshots / "mal-2021-synopsis-turing/anime_data.csv.gz", _to_csv(("code", "synopsis"), told))
    empty = _to_csv(("mal_id", "synopsis"), [])
    _write(snapshots / "anilist-2026-leorigasaki/anilist_seasonal_20260822.sfw.csv.gz", empty)
    _write(snapshots / "kitsu-2026-animestream/catalog.json.gz", orjson.dumps({"catalog": []}))
    _write(snapshots / "mal-2025-synopsis-gphat/output.json.gz", b"[]")
    return root


@pytest.fixture
def evaluate(
    build_env: Callable[..., dict[str, str]],
    worker: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Eval:
    """Run `avs eval ...` in this process; answers the exit code and what was printed, JSON as a value."""
    for name, value in build_env(AVS_HOME=str(tmp_path / "no-stack")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def evaluate(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run(["eval", *arguments])
        captured = capsys.readouterr()
        if code:
            return code, captured.err
        return code, orjson.loads(captured.out) if "--json" in arguments else captured.out

    return evaluate


def test_search_prints_every_group_and_the_same_figures_again(evaluate: Eval, data: Path) -> None:
    """Known items, descriptions and attributes by four methods; a second run repeats the first."""
    arguments = ("search", "--data", str(data), "--queries", "60", "--json")
    code, report = evaluate(*arguments)
    assert code == Exit.OK
    assert set(report["sections"]) == {"known-item", "description", "attributes", "all"}
    for section in report["sections"].values():
        assert set(section["methods"]) == {"dense only", "lexical only", "hybrid", "default"}
        assert section["best_single"] in ("dense only", "lexical only")
        assert all(0 <= value <= 1 for means in section["methods"].values() for value in means.values())
        assert set(section["against_best_single"]) == {"hybrid", "default"}
    # The titles are found by their own names, or nothing that is printed here means anything.
    assert report["success@1_by_kind"]["title"]["lexical only"] > 0.5
    assert evaluate(*arguments) == (code, report)


def test_similar_reports_the_half_that_weights_are_not_chosen_on(evaluate: Eval, data: Path) -> None:
    """Baselines without vectors are beside those with, in both halves."""
    code, report = evaluate("similar", "--data", str(data), "--queries", "40", "--json")
    assert code == Exit.OK
    assert set(report["sections"]) == {"chosen on", "reported on"}
    assert {"popularity", "genre overlap", "tag overlap", "title_vector", "default"} <= set(
        report["sections"]["reported on"]["methods"]
    )
    assert sum(section["queries"] for section in report["sections"].values()) == 40


def test_weights_are_chosen_for_each_fusion(evaluate: Eval, data: Path) -> None:
    """What was chosen is never worse than the present weights on the half that it was chosen on."""
    for kind in ("search", "similar"):
        code, report = evaluate(kind, "--data", str(data), "--queries", "30", "--choose", "--json")
        assert code == Exit.OK
        choices = report["choices"]
        assert set(choices) == {"present", "rrf", "dbsf", "linear"}
        present = choices["present"]
        assert choices[present["fusion"]]["ndcg@10_chosen_on"] >= present["ndcg@10_chosen_on"]


def test_recall_is_measured_where_there_are_graphs(evaluate: Eval, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small index is searched exactly, so nothing is missed; too few points are told instead of measured."""
    code, message = evaluate("recall", "--queries", "20")
    assert (code, "no vector has 1000 points" in message) == (Exit.FAILED, True)
    monkeypatch.setattr(recall, "POINTS_MIN", 100)
    code, report = evaluate("recall", "--queries", "20", "--json")
    assert code == Exit.OK
    assert report["recall@10"]["title_vector"]["by_stored"] == 1.0
    assert report["recall@10"]["title_vector"]["by_text"] == 1.0
    assert [plan["dimension"] for plan in report["memory"]] == [64, 1_024]


def test_tables_are_printed_without_json(evaluate: Eval, data: Path) -> None:
    """The same for people."""
    code, text = evaluate("search", "--data", str(data), "--queries", "9")
    assert code == Exit.OK
    assert "success@1" in text
    assert "lexical only" in text


@pytest.mark.parametrize("command", ["search", "similar"])
def test_a_wrong_folder_is_told_at_once(evaluate: Eval, tmp_path: Path, command: str) -> None:
    """With the option's name, before anything is asked."""
    code, message = evaluate(command, "--data", str(tmp_path / "nowhere"))
    assert code == Exit.USAGE
    assert "--data" in message
    code, message = evaluate("recall", "--storage", str(tmp_path / "nowhere"))
    assert code == Exit.USAGE
    assert "--storage" in message


def test_without_an_index_there_is_nothing_to_evaluate(
    evaluate: Eval, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alias that nothing stands behind is told in one line."""
    monkeypatch.setenv("QDRANT_COLLECTION_NAME", "nobody_indexed_this")
    code, message = evaluate("similar", "--data", str(data))
    assert code == Exit.FAILED
    assert "nothing is indexed yet" in message


@pytest.mark.parametrize("fusion", list(Fusion))
def test_the_imitated_fusion_ranks_as_the_engine_does(api: ApiServices, worker: None, fusion: Fusion) -> None:
    """Weights chosen on the imitation are weights for the engine: the same titles in the same order."""
    weights = dict.fromkeys(VECTORS, 1.0) | ({} if fusion is Fusion.DBSF else {"lexical_sparse": 2.0})
    lists = {name: ask_all(api.search, [_ask(query, {name: 1.0}, DEPTH) for query in QUERIES], progress=ignore)
             for name in VECTORS}  # fmt: skip
    imitated = CandidateLists(lists, [{"any": 1}] * len(QUERIES), popularity={})
    requests = [_ask(query, weights, 10, fusion=fusion.value) for query in QUERIES]
    engine = ask_all(api.search, requests, progress=ignore)
    recipe = Recipe(fusion, weights, rrf_k=TEXT_RRF_K, popularity=0.0)
    if fusion is not Fusion.MAX:
        assert imitated.rank(recipe) == [found.slugs for found in engine]
        return
    # The best of both leaves the ties of each list as they are, and the engine has an order of its own for them.
    for slugs, found in zip(imitated.rank(recipe), engine, strict=True):
        scores = dict(zip(found.slugs, found.scores, strict=True))
        assert [scores.get(slug, found.scores[-1]) for slug in slugs] == pytest.approx(found.scores, abs=1e-6)
        assert len(scores.keys() - set(slugs)) <= 1


def _ask(query: str, weights: dict[str, float], limit: int, *, fusion: str | None = None) -> SearchRequest:
    return SearchRequest(
        query=query, vectors=weights, fusion=fusion, boost=0.0, expand=False, limit=limit, fields=("id",)
    )


def _to_csv(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
