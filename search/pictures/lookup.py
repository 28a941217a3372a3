"""The query side of pictures: the vector of what was sent, or of a picture in the index, and grouped hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from core.errors import NoPictureEncoderError
from core.identity import point_id
from core.vectors import CHARACTER_IMAGE_VECTOR
from messaging.picture_call import PictureQueryItem
from search.backend import SearchBackend
from search.encoding import RecipeMismatchError
from search.executor import Finish
from search.filters import ADULT
from search.grouping import BestPicture, GroupedHits
from search.live import LiveIndex
from search.pictures.embedding import PictureEmbedding
from search.pictures.finder import PictureNotIndexedError
from search.pictures.live import LivePictures, LivePicturesReader
from search.plan import PictureQuery, SearchPlan
from search.qdrant_query import QueryRequest, ScoredPoint, build_stored_vectors
from search.questions import Question
from search.ranking import GROUPED_DEPTH_FACTOR
from search.request import WINDOW_MAX
from search.retrieve import QuerySide
from storage.database.models import PictureKind
from storage.vectors.pictures import PICTURE_VECTOR

# More pictures than any title has by far.
_TITLE_PICTURES_MAX = 256


class PictureLookupService:
    """Makes query sides. Safe between threads."""

    def __init__(self, *, embedding: PictureEmbedding, pictures: LivePicturesReader, backend: SearchBackend) -> None:
        self._embedding = embedding
        self._pictures = pictures
        self._backend = backend

    def get_content(self, plan: SearchPlan) -> LivePictures | None:
        """The pictures collection if the plan looks into it, None if it does not."""
        by_picture = plan.by_picture
        if by_picture is None or by_picture.picture is None:
            return None
        if by_picture.picture.picture_id is not None:
            return self._pictures.get()
        return self._find_live() if by_picture.is_grouped else None

    def begin(self, question: Question, live: LiveIndex) -> Finish:
        """What completes a side with the picture's vector for each planned one; that is being made meanwhile.

        Raises, at once or when it is called, what PictureEmbedding.embed and `load_vector` raise.
        """
        # The pages of a cursor are cut from one list, so what it is made of is as deep for each of them.
        plan = (question.plan if question.cursor is None else question.whole).by_picture
        recipe = live.recipes.image
        if plan is None or plan.picture is None or recipe is None:
            raise NoPictureEncoderError("the titles have no picture vectors")
        fingerprint = recipe.fingerprint
        find = self.begin_vector(plan.picture, question.picture, recipe=fingerprint)

        def finish(side: QuerySide) -> tuple[QuerySide, bool]:
            vector, is_known = find()
            vectors = {**side.vectors, **{one.name: vector for one in plan.vectors}}
            hits = self._group(plan, vector, fingerprint) if plan.is_grouped else None
            return QuerySide(vectors, hits), is_known

        return finish

    def begin_vector(
        self, query: PictureQuery, item: PictureQueryItem | None, *, recipe: str
    ) -> Callable[[], tuple[NDArray[np.float32], bool]]:
        """What waits for the unit vector that a plan compares with, and says whether it was known already."""
        if (picture_id := query.picture_id) is not None:
            return lambda: (self.load_vector(picture_id, recipe=recipe), True)
        if item is None:
            raise ValueError("a plan with a picture came without it")
        return self._embedding.begin(item, recipe=recipe)

    def load_vector(self, picture_id: str, *, recipe: str) -> NDArray[np.float32]:
        """The stored vector of a picture. Raises PictureNotIndexedError, RecipeMismatchError."""
        live = self._get_live(recipe)
        [points] = self._ask(live, [build_stored_vectors([picture_id], [PICTURE_VECTOR])])
        stored = points[0].vector if points else None
        if not isinstance(stored, dict) or PICTURE_VECTOR not in stored:
            raise PictureNotIndexedError(f"the picture {picture_id} is not indexed yet: run `avs index --pictures`")
        return np.asarray(stored[PICTURE_VECTOR], np.float32)

    def load_title_vector(self, slug: str, *, recipe: str) -> NDArray[np.float32] | None:
        """The mean of the pictures of a title, of length 1: those of its characters only if there are no others."""
        live = self._get_live(recipe)
        belongs = models.FieldCondition(key="slug", match=models.MatchValue(value=slug))
        request = QueryRequest(
            filter=models.Filter(must=[belongs]),
            limit=_TITLE_PICTURES_MAX,
            with_payload=models.PayloadSelectorInclude(include=["kind"]),
            with_vector=[PICTURE_VECTOR],
        )
        [points] = self._ask(live, [request])
        others = [point for point in points if (point.payload or {}).get("kind") != PictureKind.CHARACTER]
        vectors = [np.asarray(one.vector[PICTURE_VECTOR]) for one in others or points if isinstance(one.vector, dict)]
        if not vectors:
            return None
        mean = np.mean(vectors, axis=0)
        length = float(np.linalg.norm(mean))
        return (mean / length).astype(np.float32) if length > 0 else None

    def _group(self, plan: SearchPlan, vector: NDArray[np.float32], recipe: str) -> GroupedHits:
        """The best picture of each title among those most like the query, by the point id of the title.

        None while the pictures are of another recipe than the titles, which is so for a while when the encoder is
        changed: titles are then found by the means of their pictures alone.
        """
        live = self._find_live()
        if live is None or live.recipe.fingerprint != recipe:
            return {}
        hidden = live.hidden.select(include_adult=not plan.filter.hides_adult)
        requests = [_build_grouped(plan, name, vector, hidden) for name in _names(plan)]
        best: dict[str, BestPicture] = {}
        weights = {one.name: one.weight for one in plan.vectors}
        for name, points in zip(_names(plan), self._ask(live, requests), strict=True):
            for point in points:
                title = point_id(str((point.payload or {})["slug"]))
                hit = BestPicture(str(point.id), name, point.score)
                known = best.get(title)
                if known is None or weights[name] * hit.cosine > weights[known.vector] * known.cosine:
                    best[title] = hit
        return best

    def _find_live(self) -> LivePictures | None:
        try:
            return self._pictures.get()
        except NoPictureEncoderError:
            return None

    def _get_live(self, recipe: str) -> LivePictures:
        live = self._pictures.get()
        if live.recipe.fingerprint != recipe:
            raise RecipeMismatchError(
                f"the pictures collection was made by recipe {live.recipe.fingerprint}, but the titles by {recipe}: "
                "run `avs index --pictures` and `avs index` with one IMAGE_EMBEDDING_MODEL"
            )
        return live

    def _ask(self, live: LivePictures, requests: Sequence[QueryRequest]) -> Sequence[list[ScoredPoint]]:
        return self._backend.build_ask(live, forget=self._pictures.forget)(requests)


def _names(plan: SearchPlan) -> list[str]:
    return [one.name for one in plan.vectors]


def _build_grouped(plan: SearchPlan, name: str, vector: NDArray[np.float32], hidden: Sequence[str]) -> QueryRequest:
    """Pictures of titles, of the kinds that a vector of titles stands for: several of one title may be among them."""
    is_character = models.FieldCondition(key="kind", match=models.MatchValue(value=PictureKind.CHARACTER.value))
    must_not: list[models.Condition] = [models.IsEmptyCondition(is_empty=models.PayloadField(key="slug"))]
    if plan.filter.hides_adult:
        must_not.append(models.FieldCondition(key=ADULT.path, match=models.MatchValue(value=True)))
    if hidden:
        must_not.append(models.HasIdCondition(has_id=list(hidden)))
    if name != CHARACTER_IMAGE_VECTOR:
        must_not.append(is_character)
    return QueryRequest(
        query=np.round(vector.astype(np.float64), 7).tolist(),
        using=PICTURE_VECTOR,
        filter=models.Filter(must=[is_character] if name == CHARACTER_IMAGE_VECTOR else None, must_not=must_not),
        # The graph is walked on quantized vectors, and these cosines are shown.
        params=models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True)),
        limit=min(GROUPED_DEPTH_FACTOR * plan.candidates, WINDOW_MAX),
        with_payload=models.PayloadSelectorInclude(include=["slug"]),
    )
