"""From requests to plans for the pictures collection, which has one vector and payloads of its own."""

from __future__ import annotations

from dataclasses import replace

from core.errors import InvalidInputError
from core.settings import Settings
from core.vectors import Priority
from search import ranking
from search.filters import Condition, Match, parse_filters
from search.pictures.fields import PICTURES
from search.pictures.finder import PictureFinder
from search.pictures.planning import choose_picture_query
from search.pictures.request import PictureRequest, VisualRequest
from search.plan import PictureQuery, PlannedVector, SearchPlan
from search.planning import build_plan
from search.questions import Question, choose_item, describe_picture_side, name_request
from search.referring import TitleFinder
from search.request import ResultOptions
from storage.vectors.pictures import PICTURE_VECTOR

_VECTORS = (PlannedVector(PICTURE_VECTOR, 1.0, Priority.HIGH),)


class PictureQuestionBuilder:
    """Decides on searches for pictures; looks titles and pictures up."""

    def __init__(self, settings: Settings, *, titles: TitleFinder, pictures: PictureFinder) -> None:
        self._settings = settings
        self._titles = titles
        self._pictures = pictures

    def build(self, request: PictureRequest | VisualRequest) -> Question:
        """Raises InvalidInputError, NotFoundError, DependencyUnavailableError."""
        if isinstance(request, VisualRequest):
            plan = self._resemble(request)
        else:
            plan = build_pictures_plan(request, choose_picture_query(request, self._settings))
        shown = {"target": "pictures", **describe_picture_side(plan)}
        return Question(plan, shown, request.cursor, name_request(request), choose_item(request, plan))

    def _resemble(self, request: VisualRequest) -> SearchPlan:
        picture = self._pictures.find(request.like, include_adult=request.include_adult)
        if picture is not None:
            plan = build_pictures_plan(request, PictureQuery(picture_id=str(picture.id)))
            return replace(plan, without=(str(picture.id),))
        title = self._titles.find(request.like, include_adult=request.include_adult)
        plan = build_pictures_plan(request, PictureQuery(slug=title.slug))
        own: Condition = Match("slug", (title.slug,))
        return replace(plan, filter=replace(plan.filter, must_not=(*plan.filter.must_not, own)))


def build_pictures_plan(request: ResultOptions, query: PictureQuery) -> SearchPlan:
    """Decide on a search for pictures. Raises InvalidInputError."""
    for name, given in (("vectors", request.vectors), ("fusion", request.fusion), ("boost", request.boost)):
        if given is not None:
            raise InvalidInputError(name, "has no meaning for pictures, which have one vector each")
    return build_plan(
        request,
        vectors=_VECTORS,
        conditions=parse_filters(request.filters, include_adult=request.include_adult, fields=PICTURES.by_name),
        fusion=ranking.PICTURE_FUSION,
        rrf_k=ranking.SIMILAR_RRF_K,
        popularity=0.0,
        picture=query,
        table=PICTURES,
    )
