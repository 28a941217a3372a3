"""Plans with pictures are decided purely: what is compared, what is the same search, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import InvalidInputError
from core.query_picture import QueryPicture
from core.settings import Settings
from search.pictures.planning import build_multimodal_plan, build_picture_plan, choose_picture_query, choose_sides
from search.pictures.questions import build_pictures_plan
from search.pictures.request import MultimodalRequest, PictureRequest
from search.plan import Fusion, PictureQuery, SearchPlan
from search.planning import build_search_plan
from search.questions import Question, choose_item, name_request
from search.ranking import CANDIDATE_DEPTHS, PICTURE_WEIGHTS, SIDE_WEIGHTS
from search.request import SearchRequest

SETTINGS = Settings(_env_file=None, title_pictures="mean")
GROUPED = SETTINGS.model_copy(update={"title_pictures": "group"})
ONE, OTHER = QueryPicture("a" * 64, b"one", 4, 4), QueryPicture("b" * 64, b"other", 4, 4)


def plan(settings: Settings = SETTINGS, **more: Any) -> SearchPlan:
    """The plan of a search by picture."""
    request = PictureRequest(**{"picture": ONE, **more})
    return build_picture_plan(request, settings, choose_picture_query(request, settings))


def both(**more: Any) -> SearchPlan:
    """The plan of a search by both."""
    return build_multimodal_plan(MultimodalRequest(**{"query": "robots", "picture": ONE, **more}), SETTINGS)


def test_a_picture_is_compared_with_all_picture_vectors() -> None:
    """By default with those of the table, by the best cosine, and nothing is boosted."""
    made = plan()
    assert {vector.name: vector.weight for vector in made.vectors} == PICTURE_WEIGHTS
    assert (made.fusion, made.popularity, made.is_listing) == (Fusion.MAX, 0.0, False)
    assert plan(vectors={"image_vector": 2.0}).fusion is Fusion.MAX
    assert plan(fusion="linear").fusion is Fusion.LINEAR


def test_whatever_changes_the_answer_changes_the_fingerprint() -> None:
    """Other contents, words, ways to count pictures, weights and options: no two share a cache entry."""
    plans = [
        plan(),
        plan(picture=OTHER),
        plan(picture=None, query="a red coat"),
        plan(GROUPED),
        plan(vectors={"image_vector": 1.0}),
        plan(fusion="rrf"),
        plan(min_score=0.5),
        plan(boost=1.0),
        plan(include_adult=True),
        build_pictures_plan(PictureRequest(picture=ONE), PictureQuery(sha256=ONE.sha256)),
        build_picture_plan(PictureRequest(), SETTINGS, PictureQuery(picture_id="x")),
        both(),
        both(picture=OTHER),
        both(query="robot"),
        both(text_weight=0.9),
        both(vectors={"image_vector": 1.0}),
        both(min_score=0.5),
        build_search_plan(SearchRequest(query="robots", limit=10), SETTINGS),
    ]
    assert len({one.fingerprint for one in plans}) == len(plans)


def test_equal_searches_have_equal_fingerprints() -> None:
    """Only the shares of weights count, and the bytes that travel are known by the hash of what was sent."""
    assert both(text_weight=1, image_weight=3).fingerprint == both(text_weight=0.5, image_weight=1.5).fingerprint
    smaller = QueryPicture(ONE.sha256, b"smaller", 2, 2)
    assert plan(picture=smaller).fingerprint == plan().fingerprint


def test_weights_are_shares_and_have_defaults() -> None:
    """They add up to 1; one that is not said is as measured."""
    side = both().beside
    assert side is not None
    assert (side.text_weight, side.image_weight) == pytest.approx([one / sum(SIDE_WEIGHTS) for one in SIDE_WEIGHTS])
    heavy = both(text_weight=3 * SIDE_WEIGHTS[1]).beside
    assert heavy is not None and heavy.text_weight == pytest.approx(0.75)


def test_both_sides_look_at_the_same_titles_equally_deep() -> None:
    """Filters hold for both, a page of one list is chosen from, and options of the whole are no options of a side."""
    made = both(filters={"genres": "drama"}, limit=50, offset=100, sort=("year", "desc"), min_score=0.3, explain=True)
    side = made.beside
    assert side is not None
    assert side.plan.filter == made.filter and side.plan.candidates == made.candidates
    assert (side.plan.min_score, side.plan.sort, side.plan.explain) == (None, None, False)
    assert made.min_score == 0.3 and made.by_picture == side.plan
    assert {vector.name for vector in made.all_vectors} >= {"title_vector", "image_vector"}


def test_the_whole_list_of_a_cursor_is_as_deep_on_both_sides() -> None:
    """Whatever its page shows, the candidates of the picture are as many as those of the text."""
    request = MultimodalRequest(query="robots", picture=ONE, limit=5, cursor="*")
    question = Question(build_multimodal_plan(request, SETTINGS), {}, "*", "name", ONE)
    whole = question.whole
    assert whole.by_picture is not None and whole.by_picture.candidates == whole.candidates == CANDIDATE_DEPTHS[-1]
    diverse = both(diversity=0.5, limit=100)
    assert diverse.by_picture is not None and diverse.by_picture.candidates == diverse.candidates > 128


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"query": "x"}, SearchRequest),
        ({"query": "x", "picture": ONE, "image_weight": 0.0}, SearchRequest),
        ({"query": "x", "vectors": {"title_vector": 1.0, "image_vector": 1.0}}, SearchRequest),
        ({"picture": ONE}, PictureRequest),
        ({"query": "x", "picture": ONE, "text_weight": 0.0}, PictureRequest),
        ({"query": "x", "picture": ONE}, MultimodalRequest),
    ],
)
def test_a_side_that_does_not_count_is_left_out(given: dict[str, Any], kind: type[Any]) -> None:
    """The other side alone is the very same request as a search by it, options and all."""
    chosen = choose_sides(MultimodalRequest(**given, limit=7, filters={"genres": "drama"}))
    assert type(chosen) is kind
    assert (chosen.limit, chosen.filters) == (7, {"genres": "drama"})
    if kind is SearchRequest:
        assert set(chosen.vectors or {"title_vector"}) == {"title_vector"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "query"),
        ({"text_weight": 0.0, "image_weight": 0.0, "query": "x", "picture": ONE}, "image_weight"),
        ({"query": "x", "text_weight": 0.0}, "text_weight"),
        ({"picture": ONE, "image_weight": 0.0}, "image_weight"),
        ({"query": "x", "text_weight": float("nan")}, "text_weight"),
        ({"query": "x", "vectors": {"image_vector": 1.0}}, "vectors.image_vector"),
        ({"picture": ONE, "vectors": {"title_vector": 1.0}}, "vectors.title_vector"),
    ],
)
def test_nothing_to_search_by_is_refused(given: dict[str, Any], field: str) -> None:
    """The field that is to blame is named."""
    with pytest.raises(InvalidInputError) as caught:
        choose_sides(MultimodalRequest(**given))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"picture": None}, "query"),
        ({"query": "x"}, "query"),
        ({"picture": None, "query": " "}, "query"),
        ({"vectors": {"title_vector": 1.0}}, "vectors.title_vector"),
        ({"vectors": {}}, "vectors"),
        ({"boost": 9.0}, "boost"),
        ({"limit": 0}, "limit"),
    ],
)
def test_wrong_searches_by_picture_are_refused(given: dict[str, Any], field: str) -> None:
    """None, two, or what belongs to texts."""
    with pytest.raises(InvalidInputError) as caught:
        plan(**given)
    assert caught.value.field == field


def test_grouped_pictures_have_no_lists_to_fuse() -> None:
    """TITLE_PICTURES=group takes max only, which is what it does."""
    assert plan(GROUPED, fusion="max").is_grouped
    with pytest.raises(InvalidInputError, match="TITLE_PICTURES"):
        plan(GROUPED, fusion="rrf")


def test_a_cursor_belongs_to_its_picture() -> None:
    """Another content is another search; the bytes that travel make no difference, nor does the size of a page."""
    first = name_request(PictureRequest(picture=ONE, limit=5))
    assert name_request(PictureRequest(picture=QueryPicture(ONE.sha256, b"smaller", 2, 2), limit=9)) == first
    assert name_request(PictureRequest(picture=OTHER, limit=5)) != first


def test_what_is_encoded_is_what_the_plan_compares() -> None:
    """The picture, the words, or nothing where the vector is in the index."""
    assert choose_item(PictureRequest(picture=ONE), plan()) is ONE
    words = choose_item(PictureRequest(query="red"), plan(picture=None, query="red"))
    assert getattr(words, "text", None) == "red"
    stored = build_picture_plan(PictureRequest(), SETTINGS, PictureQuery(picture_id="x"))
    assert choose_item(PictureRequest(), stored) is None
