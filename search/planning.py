"""From a request to a plan: a pure decision, taken before anything is sent anywhere."""

from __future__ import annotations

from core.errors import InvalidInputError
from core.identity import point_id
from core.settings import Settings
from core.text import find_text_fault, normalise_query
from search import ranking
from search.checks import (
    TITLES,
    FieldTable,
    check_boost,
    check_diversity,
    check_fields,
    check_min_score,
    check_page,
    check_sort,
)
from search.choosing import choose_fusion, choose_vectors
from search.filters import AllOf, AnyOf, Condition, FilterSpec, parse_filters
from search.plan import Boost, PictureQuery, Pin, PlannedVector, Reference, SearchPlan
from search.request import Order, ResultOptions, SearchRequest, SimilarRequest
from search.understanding.understood import Understood


def build_search_plan(request: SearchRequest, settings: Settings, understood: Understood | None = None) -> SearchPlan:
    """Decide on a search by text. Raises InvalidInputError that names the field of the request.

    `understood` is what the rules read out of the text; None when nobody has read it.
    """
    text = None if request.query is None else check_query(request.query, settings)
    if text is None:
        return _build_listing(request)
    understood = understood or Understood(text)
    return build_plan(
        request,
        text=understood.text,
        vectors=choose_vectors(request.vectors, settings, defaults=ranking.TEXT_WEIGHTS, fusion=request.fusion),
        features=tuple(sorted(understood.features.items())),
        conditions=_add_understood(parse_filters(request.filters, include_adult=request.include_adult), understood),
        fusion=ranking.TEXT_FUSION,
        rrf_k=ranking.TEXT_RRF_K,
        pins=_pin(understood),
        boosts=understood.boosts,
        popularity=_choose_popularity(request, ranking.TEXT_POPULARITY),
    )


def build_similar_plan(
    request: SimilarRequest,
    settings: Settings,
    *,
    references: tuple[Reference, ...],
    relatives: tuple[str, ...],
    boosts: tuple[Boost, ...] = (),
) -> SearchPlan:
    """Decide on titles like the references, which are looked up already.

    `relatives` are point ids to leave out, `boosts` what the references have in common with a title beside vectors.
    """
    if not any(reference.is_positive for reference in references):
        raise InvalidInputError("positive", "names no title: what shall be found must be like something")
    vectors = choose_vectors(
        request.vectors,
        settings,
        defaults=ranking.SIMILAR_WEIGHTS,
        fusion=request.fusion,
        known=ranking.COMPARABLE_VECTORS,
    )
    return build_plan(
        request,
        references=references,
        vectors=vectors,
        conditions=parse_filters(request.filters, include_adult=request.include_adult),
        without=tuple(sorted({reference.point_id for reference in references} | set(relatives))),
        fusion=ranking.SIMILAR_FUSION,
        rrf_k=ranking.SIMILAR_RRF_K,
        boosts=boosts,
        popularity=_choose_popularity(request, ranking.SIMILAR_POPULARITY),
    )


def check_query(query: str, settings: Settings) -> str:
    """The text in its normal form. Raises InvalidInputError for `query`."""
    if len(query) > settings.query_max_chars:
        raise InvalidInputError("query", f"{len(query)} characters, at most {settings.query_max_chars} are allowed")
    if fault := find_text_fault(query):
        raise InvalidInputError("query", fault)
    normalised = normalise_query(query)
    if not normalised:
        raise InvalidInputError("query", "is empty")
    return normalised


def _build_listing(request: SearchRequest) -> SearchPlan:
    """No text: what passes the filters, the best known first unless a sort is named."""
    for name, given in (
        ("vectors", request.vectors),
        ("min_score", request.min_score),
        ("fusion", request.fusion),
        ("diversity", request.diversity or None),
        ("boost", request.boost),
    ):
        if given is not None:
            raise InvalidInputError(name, "has no meaning without a query")
    chosen = request.sort or ("popularity_score", "desc")
    return build_plan(
        request,
        vectors=(),
        conditions=parse_filters(request.filters, include_adult=request.include_adult),
        fusion=ranking.TEXT_FUSION,
        rrf_k=ranking.TEXT_RRF_K,
        popularity=0.0,
        sort=chosen,
    )


def build_plan(
    request: ResultOptions,
    *,
    vectors: tuple[PlannedVector, ...],
    conditions: FilterSpec,
    fusion: str,
    rrf_k: int,
    popularity: float,
    text: str | None = None,
    references: tuple[Reference, ...] = (),
    features: tuple[tuple[str, float], ...] = (),
    without: tuple[str, ...] = (),
    pins: tuple[Pin, ...] = (),
    boosts: tuple[Boost, ...] = (),
    sort: tuple[str, Order] | None = None,
    picture: PictureQuery | None = None,
    table: FieldTable = TITLES,
) -> SearchPlan:
    """The plan of a request, with what every search takes checked. Raises InvalidInputError."""
    check_page(request)
    diversity = check_diversity(request.diversity, vectors, has_sort=request.sort is not None)
    return SearchPlan(
        text=text,
        references=references,
        vectors=vectors,
        features=features,
        filter=conditions,
        without=without,
        fusion=choose_fusion(request.fusion, vectors, default=ranking.NAMED_FUSION if request.vectors else fusion),
        rrf_k=rrf_k,
        pins=pins,
        boosts=boosts,
        popularity=popularity,
        diversity=diversity,
        sort=check_sort(sort or request.sort, table),
        limit=request.limit,
        offset=request.offset,
        min_score=check_min_score(request.min_score, vectors),
        fields=check_fields(request.fields, table),
        explain=request.explain,
        picture=picture,
    )


def _pin(understood: Understood) -> tuple[Pin, ...]:
    """In the order of the names found: several titles may have the very same one, and the best known is meant."""
    return tuple(
        Pin(
            match.slug,
            point_id(match.slug),
            match.name,
            round(match.similarity, 4),
            score=ranking.PIN_SCORE - place * ranking.PIN_STEP,
        )
        for place, match in enumerate(understood.names)
    )


def _choose_popularity(request: ResultOptions, default: float) -> float:
    """Whoever names the vectors wants to see what they say."""
    return check_boost(request.boost, default=0.0 if request.vectors else default)


def _add_understood(given: FilterSpec, understood: Understood) -> FilterSpec:
    """What the caller says in `filters` counts first: a field that he filters himself is not read out of the text."""
    said = {_get_path(condition) for condition in (*given.must, *given.must_not)}
    must = tuple(one for one in understood.filters if _get_path(one) not in said)
    must_not = tuple(one for one in understood.excluded if _get_path(one) not in said)
    return FilterSpec(must=given.must + must, should=given.should, must_not=given.must_not + must_not)


def _get_path(condition: Condition) -> str:
    return condition.conditions[0].path if isinstance(condition, AllOf | AnyOf) else condition.path
