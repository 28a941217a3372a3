"""From requests with a picture to plans for titles: pure decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.errors import InvalidInputError
from core.settings import Settings
from core.vectors import PICTURE_VECTORS
from search import ranking
from search.checks import check_boost, check_min_score
from search.choosing import choose_vectors
from search.filters import parse_filters
from search.pictures.request import MultimodalRequest, PictureRequest
from search.plan import Fusion, PictureQuery, PictureSide, SearchPlan
from search.planning import build_plan, build_search_plan, check_query
from search.request import ResultOptions, SearchRequest
from search.understanding.understood import Understood

NEITHER = "is missing, and so is a picture: send query, image_data, image_url or the file image"


def choose_picture_query(request: PictureRequest, settings: Settings) -> PictureQuery:
    """What picture vectors are compared with. Raises InvalidInputError for none and for two."""
    if request.picture is None and request.query is None:
        raise InvalidInputError("query", NEITHER)
    if request.query is None and request.picture is not None:
        return PictureQuery(sha256=request.picture.sha256)
    if request.picture is not None or request.query is None:
        raise InvalidInputError("query", "is one too many beside a picture: search/multimodal takes both")
    return PictureQuery(text=check_query(request.query, settings))


def build_picture_plan(
    request: ResultOptions, settings: Settings, picture: PictureQuery, *, without: tuple[str, ...] = ()
) -> SearchPlan:
    """Titles by what picture vectors are compared with. `without` are point ids that never come back."""
    is_grouped = settings.title_pictures == "group"
    if is_grouped and request.fusion not in (None, Fusion.MAX):
        raise InvalidInputError("fusion", "must be max: pictures count one by one here (TITLE_PICTURES=group)")
    plan = build_plan(
        request,
        vectors=choose_vectors(
            request.vectors,
            settings,
            defaults=ranking.PICTURE_WEIGHTS,
            fusion=request.fusion,
            known=PICTURE_VECTORS,
        ),
        conditions=parse_filters(request.filters, include_adult=request.include_adult),
        fusion=ranking.PICTURE_FUSION,
        rrf_k=ranking.SIMILAR_RRF_K,
        popularity=check_boost(request.boost, default=ranking.PICTURE_POPULARITY),
        without=tuple(sorted(without)),
        picture=picture,
    )
    if request.fusion is None:
        # Unlike ranks of lists, cosines of one space need no other fusion when vectors are named.
        plan = replace(plan, fusion=Fusion(ranking.PICTURE_FUSION))
    return replace(plan, is_grouped=is_grouped)


def build_multimodal_plan(
    request: MultimodalRequest, settings: Settings, understood: Understood | None = None
) -> SearchPlan:
    """Decide on a search by text and by picture, both of which are given: see `choose_sides` for the other cases."""
    text_weight, image_weight = choose_weights(request)
    if request.picture is None or not text_weight or not image_weight:
        raise InvalidInputError("query", NEITHER)
    words, pictures = _split(request.vectors)
    # A least similarity is judged when both sides are one list.
    options = {**get_options(request), "min_score": None}
    plan = build_search_plan(
        SearchRequest(**{**options, "vectors": words}, query=request.query, expand=request.expand), settings, understood
    )
    beside = build_picture_plan(
        PictureRequest(**{**options, "vectors": pictures, "fusion": None, "boost": None}),
        settings,
        PictureQuery(sha256=request.picture.sha256),
    )
    # Both sides look at the same titles: also at no others than the words of the text leave.
    same = replace(beside, filter=plan.filter, sort=None, explain=False, fields=None)
    whole = text_weight + image_weight
    return replace(
        plan,
        beside=PictureSide(same, text_weight / whole, image_weight / whole),
        min_score=check_min_score(request.min_score, (*plan.vectors, *same.vectors)),
    )


def choose_sides(request: MultimodalRequest) -> SearchRequest | PictureRequest | MultimodalRequest:
    """The request itself where both sides count, else the one for the side that does: the very same search.

    Raises InvalidInputError if neither does.
    """
    text_weight, image_weight = choose_weights(request)
    has_text, has_picture = request.query is not None, request.picture is not None
    if not has_text and not has_picture:
        raise InvalidInputError("query", NEITHER)
    options = get_options(request)
    if has_text and (not has_picture or not image_weight):
        if not text_weight:
            raise InvalidInputError("text_weight", "is 0, and there is no picture: nothing is left to search by")
        words, pictures = _split(request.vectors)
        _refuse_foreign(pictures, "a picture", is_alone=words is None)
        return SearchRequest(**{**options, "vectors": words}, query=request.query, expand=request.expand)
    if not has_text or not text_weight:
        if not image_weight:
            raise InvalidInputError("image_weight", "is 0, and there is no text: nothing is left to search by")
        words, pictures = _split(request.vectors)
        _refuse_foreign(words, "a text", is_alone=pictures is None)
        return PictureRequest(**{**options, "vectors": pictures}, picture=request.picture)
    return request


def choose_weights(request: MultimodalRequest) -> tuple[float, float]:
    """(text, picture), as given or as measured. Raises InvalidInputError."""
    given = {"text_weight": request.text_weight, "image_weight": request.image_weight}
    for name, weight in given.items():
        if weight is not None and not (math.isfinite(weight) and 0 <= weight <= ranking.WEIGHT_MAX):
            raise InvalidInputError(name, f"must be between 0 and {ranking.WEIGHT_MAX:g}")
    if request.text_weight == 0 == request.image_weight:
        raise InvalidInputError("image_weight", "is 0, and so is text_weight: nothing is left to search by")
    defaults = ranking.SIDE_WEIGHTS
    text = defaults[0] if request.text_weight is None else request.text_weight
    image = defaults[1] if request.image_weight is None else request.image_weight
    return text, image


def get_options(request: ResultOptions) -> dict[str, Any]:
    """What every search takes, as arguments for a request of another kind."""
    return {name: getattr(request, name) for name in ResultOptions.__dataclass_fields__}


def _split(vectors: Mapping[str, float] | None) -> tuple[Mapping[str, float] | None, Mapping[str, float] | None]:
    """Those that a text is compared with, names that nobody knows among them, and those for a picture; None: none."""
    words = {name: weight for name, weight in (vectors or {}).items() if name not in PICTURE_VECTORS}
    pictures = {name: weight for name, weight in (vectors or {}).items() if name in PICTURE_VECTORS}
    # An empty object is refused by the plan of the text, as everywhere.
    return (words if words or (vectors is not None and not pictures) else None), pictures or None


def _refuse_foreign(vectors: Mapping[str, float] | None, needed: str, *, is_alone: bool) -> None:
    """Vectors of the side that is absent: naming nothing else is a mistake, naming both is not."""
    if vectors and is_alone:
        raise InvalidInputError(f"vectors.{min(vectors)}", f"needs {needed}")
