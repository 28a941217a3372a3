"""From requests to questions: a plan, and what an answer says of it beside the plan's own words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import orjson

from core.errors import InvalidInputError
from core.identity import point_id
from core.settings import Settings
from messaging.picture_call import PictureQueryItem, WordsItem
from search.pictures.finder import PictureFinder
from search.pictures.planning import (
    build_multimodal_plan,
    build_picture_plan,
    choose_picture_query,
    choose_sides,
    get_options,
)
from search.pictures.request import MultimodalRequest, PictureRequest, VisualRequest
from search.plan import PictureQuery, SearchPlan
from search.planning import build_search_plan, build_similar_plan, check_query
from search.ranking import PICTURE_FUSION, PICTURE_WEIGHTS
from search.reference_boosts import build_reference_boosts
from search.referring import TitleFinder, refer_to
from search.request import WINDOW_MAX, ResultOptions, SearchRequest, SimilarRequest
from search.understanding.understood import Understands, Understood
from storage.database.pictures import PictureRow

Request = SearchRequest | SimilarRequest | PictureRequest | MultimodalRequest | VisualRequest


@dataclass(frozen=True, slots=True)
class Question:
    """`shown` joins `query_info`. `name` is equal for pages of one list: the request but for how it is shown.

    `picture` is what the plan's picture vectors are to be made of, where that is not in the index.
    """

    plan: SearchPlan
    shown: dict[str, Any]
    cursor: str | None
    name: str
    picture: PictureQueryItem | None = None

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

    def __init__(
        self,
        settings: Settings,
        *,
        finder: TitleFinder,
        understanding: Understands | None,
        pictures: PictureFinder | None = None,
    ) -> None:
        self._settings = settings
        self._finder = finder
        self._pictures = pictures
        self._understanding = understanding

    def build(self, request: Request) -> Question:
        """Raises InvalidInputError, NotFoundError, DependencyUnavailableError."""
        if isinstance(request, MultimodalRequest):
            request = choose_sides(request)
        if isinstance(request, MultimodalRequest):
            plan, shown = self._combine(request)
        elif isinstance(request, PictureRequest):
            plan, shown = build_picture_plan(request, self._settings, choose_picture_query(request, self._settings)), {}
        elif isinstance(request, VisualRequest):
            plan, shown = self._resemble(request)
        elif isinstance(request, SimilarRequest):
            plan, shown = self._refer(request)
        else:
            plan, shown = self._search(request)
        if plan.by_picture is not None:
            shown = {**describe_picture_side(plan), **shown}
        return Question(plan, shown, request.cursor, name_request(request), choose_item(request, plan))

    def _find_picture(self, request: VisualRequest) -> PictureRow | None:
        found = self._pictures
        return found.find(request.like, include_adult=request.include_adult) if found else None

    def _combine(self, request: MultimodalRequest) -> tuple[SearchPlan, dict[str, Any]]:
        understood, shown = self._understand(request.query, request)
        return build_multimodal_plan(request, self._settings, understood), shown

    def _resemble(self, request: VisualRequest) -> tuple[SearchPlan, dict[str, Any]]:
        """By the picture vectors of a title, or by a picture of the index; the title itself is left out."""
        options = get_options(request)
        if (picture := self._find_picture(request)) is not None:
            without = () if picture.slug is None else (point_id(picture.slug),)
            query = PictureQuery(picture_id=str(picture.id))
            return build_picture_plan(request, self._settings, query, without=without), {}
        vectors = request.vectors or PICTURE_WEIGHTS
        return self._refer(
            SimilarRequest(
                **{**options, "vectors": vectors, "fusion": request.fusion or PICTURE_FUSION},
                positive=(request.like,),
                include_related=request.include_related,
            ),
            place="id",
        )

    def _search(self, request: SearchRequest) -> tuple[SearchPlan, dict[str, Any]]:
        understood, shown = self._understand(request.query, request)
        return build_search_plan(request, self._settings, understood), shown

    def _understand(
        self, query: str | None, request: SearchRequest | MultimodalRequest
    ) -> tuple[Understood | None, dict[str, Any]]:
        """What the rules read out of a text, and what is said of it."""
        if query is None or not request.expand or self._understanding is None:
            return None, {}
        text = check_query(query, self._settings)
        understood = self._understanding.understand(text, include_adult=request.include_adult)
        return understood, {"understood": understood.to_json()}

    def _refer(self, request: SimilarRequest, *, place: str | None = None) -> tuple[SearchPlan, dict[str, Any]]:
        """`place`: the caller's name for his one reference."""
        names = {"positive": request.positive, "negative": request.negative}
        places = [place or f"{name}.{index}" for name, given in names.items() for index in range(len(given))]
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


def name_request(request: ResultOptions) -> str:
    """32 hex digits. The number, the fields and the explanations of the results may differ between pages."""
    asked = {field: getattr(request, field) for field in request.__dataclass_fields__}
    asked |= {"limit": 1, "cursor": None, "fields": None, "explain": False}
    if (picture := asked.get("picture")) is not None:
        asked["picture"] = picture.sha256
    return hashlib.blake2b(orjson.dumps(asked), digest_size=16).hexdigest()


def choose_item(request: Request, plan: SearchPlan) -> PictureQueryItem | None:
    """What a plan's picture vectors are to be made of, None where they are in the index or not needed."""
    by_picture = plan.by_picture
    if by_picture is None or by_picture.picture is None:
        return None
    if by_picture.picture.text is not None:
        return WordsItem(by_picture.picture.text)
    return getattr(request, "picture", None)


def describe_picture_side(plan: SearchPlan) -> dict[str, Any]:
    """What `query_info` says of the picture of a plan that has one."""
    side = plan.by_picture
    assert side is not None and side.picture is not None, "asked of plans with a picture only"
    picture = side.picture
    by = {"sha256": picture.sha256, "id": picture.picture_id, "text": picture.text, "title": picture.slug}
    shown: dict[str, Any] = {"picture": {name: value for name, value in by.items() if value is not None}}
    if plan.beside is not None:
        shown["text_weight"] = round(plan.beside.text_weight, 4)
        shown["image_weight"] = round(plan.beside.image_weight, 4)
    return shown
