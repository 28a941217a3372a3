"""From requests to questions: a plan, and what an answer says of it beside the plan's own words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import orjson

from core.errors import InvalidInputError
from core.identity import point_id
from core.settings import Settings
from search.plan import SearchPlan
from search.planning import build_search_plan, build_similar_plan, check_query
from search.reference_boosts import build_reference_boosts
from search.referring import TitleFinder, refer_to
from search.request import WINDOW_MAX, ResultOptions, SearchRequest, SimilarRequest
from search.understanding.understood import Understands

Request = SearchRequest | SimilarRequest


@dataclass(frozen=True, slots=True)
class Question:
    """`shown` joins `query_info`. `name` is equal for pages of one list: the request but for how it is shown."""

    plan: SearchPlan
    shown: dict[str, Any]
    cursor: str | None
    name: str

    @property
    def whole(self) -> SearchPlan:
        """The plan for the whole list that a cursor is cut from.

        A sort rearranges what the text is about: the candidates of an ordinary page, not the ten thousand behind them.
        """
        is_about_a_text = self.plan.sort is not None and not self.plan.is_listing
        limit = self.plan.candidates if is_about_a_text else WINDOW_MAX
        return replace(self.plan, limit=limit, offset=0, explain=False)


class QuestionBuilder:
    """Understands texts and looks references up."""

    def __init__(self, settings: Settings, *, finder: TitleFinder, understanding: Understands | None) -> None:
        self._settings = settings
        self._finder = finder
        self._understanding = understanding

    def build(self, request: Request) -> Question:
        """Raises InvalidInputError, NotFoundError, DependencyUnavailableError."""
        plan, shown = self._search(request) if isinstance(request, SearchRequest) else self._refer(request)
        return Question(plan, shown, request.cursor, _name(request))

    def _search(self, request: SearchRequest) -> tuple[SearchPlan, dict[str, Any]]:
        if request.query is None or not request.expand or self._understanding is None:
            return build_search_plan(request, self._settings), {}
        text = check_query(request.query, self._settings)
        understood = self._understanding.understand(text, include_adult=request.include_adult)
        return build_search_plan(request, self._settings, understood), {"understood": understood.to_json()}

    def _refer(self, request: SimilarRequest) -> tuple[SearchPlan, dict[str, Any]]:
        names = {"positive": request.positive, "negative": request.negative}
        places = [f"{name}.{index}" for name, given in names.items() for index in range(len(given))]
        titles = self._finder.find_all(
            [*request.positive, *request.negative], include_adult=request.include_adult, fields=places
        )
        positive, negative = titles[: len(request.positive)], titles[len(request.positive) :]
        slugs, documents = [title.slug for title in positive], [title.document for title in positive]
        if both := {title.slug for title in negative} & set(slugs):
            raise InvalidInputError("negative", f"{min(both)} is among the positive titles too")
        relatives: set[str] = set()
        if not request.include_related:
            relatives = self._finder.find_relatives(slugs, include_adult=request.include_adult)
        plan = build_similar_plan(
            request,
            self._settings,
            references=refer_to(positive) + refer_to(negative, is_positive=False),
            relatives=tuple(point_id(slug) for slug in relatives),
            # Whoever names the vectors, or wants no boost, wants to see what the vectors say.
            boosts=() if request.vectors or request.boost == 0 else build_reference_boosts(documents),
        )
        shown = {
            "positive": slugs,
            "negative": [title.slug for title in negative],
            "relatives_left_out": len(relatives),
        }
        return plan, shown


def _name(request: ResultOptions) -> str:
    """32 hex digits. The number, the fields and the explanations of the results may differ between pages."""
    asked = replace(request, limit=1, cursor=None, fields=None, explain=False)
    return hashlib.blake2b(orjson.dumps(asked), digest_size=16).hexdigest()
