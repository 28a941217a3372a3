"""Sentences of few facts, ways to join two lists, and the report of searches by text and picture together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from covers.album import draw_album, load_documents
from evaluation.asking import Ranked
from evaluation.catalogue import Catalogue, NothingToEvaluateError, Title
from evaluation.pictures import mixed_queries, multimodal
from evaluation.pictures.joining import FUSIONS, OURS, join, join_all, share_by_range
from evaluation.pictures.mixed_queries import MixedQuery, build_mixed_queries
from evaluation.pictures.multimodal import BOTH, PICTURE, SERVED, TEXT, count_requests, evaluate_multimodal
from evaluation.pictures.sentences import MEMORIES, Memory, build_sentence
from evaluation.pictures.sets import SAMPLE
from search.pictures.request import MultimodalRequest, PictureRequest
from search.questions import Request


@pytest.fixture(scope="module")
def titles() -> list[Title]:
    """Sample titles as an index holds them."""
    documents = load_documents(SAMPLE)[::12]
    return [Title(document["title"].lower().replace(" ", "-"), document) for document in documents]


def test_sentences_tell_facts_and_no_names(titles: list[Title]) -> None:
    """The same seed says the same; no word of a name is among the labels; more memory makes a longer sentence."""
    for title in titles:
        two, three = (build_sentence(title, memory, seed="7") for memory in MEMORIES.values())
        assert two == build_sentence(title, MEMORIES["two facts"], seed="7")
        assert two
        assert three
        assert len(two) < len(three)
        assert any(two.startswith(genre) for genre in title.document["genres"])


def test_a_label_that_names_the_title_is_not_told() -> None:
    """Of the two labels the one in the title's name is left out, so it is too little for three facts."""
    title = Title(
        "x", {"title": "Baseball Days", "type": "MOVIE", "genres": ["sports"], "tags": ["baseball", "school"]}
    )
    assert build_sentence(title, MEMORIES["two facts"], seed="7") == "sports film about school"
    assert build_sentence(title, MEMORIES["three facts"], seed="7") is None


def test_a_title_that_says_too_little_has_no_sentence() -> None:
    """Rather none than one that anything fits."""
    for said in ({"genres": ["drama"]}, {"tags": ["a", "b"]}):
        assert build_sentence(Title("x", {"title": "X", **said}), Memory(genres=1, labels=1), seed="7") is None


@pytest.mark.parametrize("fusion", FUSIONS)
def test_weights_of_nought_and_one_are_one_side_alone(fusion: str) -> None:
    """And what both find comes first when both count."""
    text, picture = Ranked(("a", "b", "c"), (0.9, 0.8, 0.1)), Ranked(("d", "b", "e"), (0.9, 0.85, 0.1))
    joined = {
        weight: join_all([text], [picture], fusion, image_weight=weight, limit=3)[0] for weight in (0.0, 0.5, 1.0)
    }
    assert joined[0.0] == ("a", "b", "c")
    assert joined[1.0] == ("d", "b", "e")
    assert joined[0.5][0] == "b"


def test_shares_of_a_range_go_from_nought_to_one() -> None:
    """Equal scores are all found, and nothing gives nothing."""
    assert share_by_range(Ranked(("a", "b", "c"), (3.0, 2.0, 1.0))) == {"a": 1.0, "b": 0.5, "c": 0.0}
    assert share_by_range(Ranked(("a", "b"), (2.0, 2.0))) == {"a": 1.0, "b": 1.0}
    assert share_by_range(Ranked((), ())) == {}
    assert join({}, {}, image_weight=0.5, limit=3) == ()


def test_queries_are_made_of_drawn_covers_and_series_stay_in_one_half(tmp_path: Path) -> None:
    """A text of each memory and a picture of each change for every title; halves by series."""
    documents = [document for document in load_documents(SAMPLE) if document.get("franchise") == "Attack on Titan"]
    documents += load_documents(SAMPLE)[:6]
    for document in documents:
        draw_album(document, tmp_path)
    catalogue = Catalogue(Title(document["title"], document) for document in documents)
    queries = build_mixed_queries(catalogue, tmp_path, seed=7)
    assert {query.slug for query in queries} == {document["title"] for document in documents}
    assert len({query.half for query in queries if "Shingeki" in query.slug}) == 1
    for query in queries:
        assert set(query.texts) == set(MEMORIES)
        assert set(query.pictures) == set(mixed_queries.PICTURES)
        assert all(picture.data[:2] == b"\xff\xd8" for picture in query.pictures.values())
    again = build_mixed_queries(catalogue, tmp_path, seed=7)
    assert [query.pictures for query in queries] == [query.pictures for query in again]


def test_an_index_without_sample_titles_is_told() -> None:
    """Nothing to draw from."""
    with pytest.raises(NothingToEvaluateError, match="sample"):
        build_mixed_queries(Catalogue([Title("x", {"title": "Not a sample title"})]), Path(), seed=7)


class StubSearch:
    """Texts and pictures narrow a title down to five each, of which only the right one is in both."""

    def __init__(self, queries: Sequence[MixedQuery]) -> None:
        self.slugs = [query.slug for query in queries]
        self.by_text = {text: place for place, query in enumerate(queries) for text in query.texts.values()}
        self.by_picture = {
            picture.sha256: place for place, query in enumerate(queries) for picture in query.pictures.values()
        }

    def search(self, request: Request) -> Any:
        """Both together know the title."""
        if isinstance(request, MultimodalRequest):
            assert request.query is not None
            return _Answer([(self.slugs[self.by_text[request.query]], 1.0)])
        if isinstance(request, PictureRequest):
            assert request.picture is not None
            return self._near(self.by_picture[request.picture.sha256], step=1)
        return self._near(self.by_text[request.query], step=-1)  # type: ignore[union-attr,index]

    def _near(self, place: int, *, step: int) -> Any:
        others = [self.slugs[(place + step * away) % len(self.slugs)] for away in (2, 1, 0, 3, 4)]
        return _Answer(list(zip(others, (1.0, 0.95, 0.9, 0.1, 0.05), strict=True)))


class _Answer:
    def __init__(self, results: list[tuple[str, float]]) -> None:
        self._results = results

    def to_bytes(self) -> bytes:
        """As the service writes it."""
        return orjson.dumps({"results": [{"id": slug, "score": score} for slug, score in self._results]})


def make_queries(count: int) -> list[MixedQuery]:
    """Texts and pictures that say nothing, and halves by turns."""
    picture = mixed_queries.QueryPicture
    return [
        MixedQuery(
            f"title-{place}",
            place % 2,
            {name: f"{name} {place}" for name in MEMORIES},
            {name: picture(f"{name} {place}", b"", 1, 1) for name in mixed_queries.PICTURES},
        )
        for place in range(count)
    ]


def test_both_sides_find_what_neither_finds_alone() -> None:
    """The gain is that over the better single one, the weight is chosen on one half, and all answers are counted."""
    queries, told = make_queries(40), []
    report = evaluate_multimodal(StubSearch(queries), queries, seed=7, progress=told.append)
    assert sum(told) == count_requests(queries)
    assert report.titles == 40
    assert len(report.conditions) == len(MEMORIES) * len(mixed_queries.PICTURES)
    first = report.conditions[0]
    assert first.section.queries == 20
    for alone in (TEXT, PICTURE):
        assert first.section.means[alone]["success@1"] == 0.0
        assert first.section.means[alone]["ndcg@10"] == pytest.approx(0.5)
    assert first.section.means[BOTH]["success@1"] == first.section.means[SERVED]["success@1"] == 1.0
    assert first.gain["ndcg@10"] == pytest.approx(1.0)
    assert set(first.section.tests) == {BOTH, SERVED}
    assert list(first.curve) == list(multimodal.WEIGHTS)
    ours = next(choice for choice in report.choices if choice.fusion == OURS)
    assert ours.weight == 0.5
    assert ours.chosen_on == pytest.approx(1.0)
    assert orjson.loads(orjson.dumps(report.to_json()))["titles"] == 40


def test_plots_are_written_and_repeatable(tmp_path: Path) -> None:
    """SVG and PNG, the same figures giving the same SVG; other endings and folders that are not there are refused."""
    from core.errors import InvalidInputError
    from evaluation.pictures.plot import check_plot_path, save_plot

    queries = make_queries(6)
    report = evaluate_multimodal(StubSearch(queries), queries, seed=7, progress=lambda _: None)
    for name in ("a.svg", "b.svg", "c.png"):
        check_plot_path(tmp_path / name)
        save_plot(report, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"weight of the picture" in (tmp_path / "a.svg").read_bytes()
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    for path in (tmp_path / "x.pdf", tmp_path / "none" / "x.svg"):
        with pytest.raises(InvalidInputError, match="--plot"):
            check_plot_path(path)


def test_ties_between_weights_go_to_both_alike() -> None:
    """Curves that are flat choose the middle."""
    flat = {weight: {"ndcg@10": np.ones(4)} for weight in multimodal.WEIGHTS}
    assert multimodal.choose_weight({("a", "b"): flat}, np.array([True, True, False, False])) == 0.5


def test_other_fusions_are_tested_against_the_search() -> None:
    """The search's own fusion differs from itself by nothing."""
    queries = make_queries(20)
    report = evaluate_multimodal(StubSearch(queries), queries, seed=7, progress=lambda _: None)
    by_name = {choice.fusion: choice for choice in report.choices}
    assert set(by_name) == set(FUSIONS)
    assert by_name[OURS].test.difference == 0.0
    assert [choice.reported_on for choice in report.choices] == sorted(
        (choice.reported_on for choice in report.choices), reverse=True
    )
