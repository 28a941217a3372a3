"""What an answer is kept by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.recipe import EmbeddingRecipe, RecipeSet
from core.settings import Settings
from search.executor import build_answer_key
from search.live import LiveIndex
from search.planning import build_search_plan
from search.questions import Question
from search.request import SearchRequest

_RECIPE = EmbeddingRecipe("fake", "1", 4, 1)
_LIVE = LiveIndex("titles_1", RecipeSet(_RECIPE, _RECIPE, _RECIPE), "titles_1:x:1")


def ask(query: str, *, shown: dict[str, Any] | None = None, limit: int = 20) -> Question:
    """A question as the service builds it."""
    plan = build_search_plan(SearchRequest(query=query, limit=limit), Settings(_env_file=None))
    return Question(plan, shown or {}, None, "name")


def test_equal_questions_share_an_answer() -> None:
    """White space does not count; another page or another text is another answer, and pages share their vectors."""
    keys = [build_answer_key(ask(query), _LIVE) for query in ("robot boy", " robot  boy", "robot girl")]
    assert keys[0] == keys[1] and keys[0].redis_key != keys[2].redis_key
    page = build_answer_key(ask("robot boy", limit=5), _LIVE)
    assert page.redis_key != keys[0].redis_key and page.beside == keys[0].beside


def test_what_is_shown_belongs_to_the_answer() -> None:
    """Two texts may lead to one plan: each gets back what was understood of its own words."""
    first, second = (ask("robots", shown={"understood": {"text": text}}) for text in ("the 90s", "the 1990s"))
    assert first.plan == second.plan
    assert build_answer_key(first, _LIVE).redis_key != build_answer_key(second, _LIVE).redis_key


def test_states_of_one_scope_share_a_place() -> None:
    """The next answer takes the place of the last one; a swap or an exclusion has a place of its own."""
    key = build_answer_key(ask("robots"), _LIVE)
    after = build_answer_key(ask("robots"), replace(_LIVE, state="titles_1:x:2"))
    swapped = build_answer_key(ask("robots"), replace(_LIVE, state="titles_2:x:2"))
    assert key != after and key.redis_key == after.redis_key
    assert swapped.redis_key != key.redis_key
