"""`avs eval multimodal` on the real service: what it computes in memory is what the service answers."""

from __future__ import annotations

import pytest

from api.services import ApiServices
from core.pictures import hash_content
from core.query_picture import QueryPicture
from evaluation.asking import ask_each
from evaluation.pictures.joining import OURS, join_all
from search.pictures.request import MultimodalRequest, PictureRequest
from search.ranking import CANDIDATE_DEPTHS
from search.request import SearchRequest
from tests.integration.picture_search.conftest import PictureIndex, change

pytestmark = pytest.mark.usefixtures("worker")
_PAIRS = (("friends in the town of lake3", 3), ("a story of hero7", 7), ("drama of lake1 and friends", 11))


@pytest.mark.parametrize("image_weight", [0.3, 0.5, 0.8])
def test_the_join_in_memory_is_that_of_the_service(api: ApiServices, index: PictureIndex, image_weight: float) -> None:
    """From the two lists alone the same titles in the same order, at any weights."""
    depth, told = CANDIDATE_DEPTHS[0], []
    asked = [(text, _read(change(index.get_cover(number), "crop"))) for text, number in _PAIRS]
    texts = ask_each(
        api.search, [SearchRequest(query=text, limit=depth, fields=("id",)) for text, _ in asked], progress=told.append
    )
    pictures = ask_each(
        api.search,
        [PictureRequest(picture=picture, limit=depth, fields=("id",)) for _, picture in asked],
        progress=told.append,
    )
    served = ask_each(
        api.search,
        [
            MultimodalRequest(
                query=text,
                picture=picture,
                text_weight=1 - image_weight,
                image_weight=image_weight,
                limit=10,
                fields=("id",),
            )
            for text, picture in asked
        ],
        progress=told.append,
    )
    assert sum(told) == 3 * len(_PAIRS)
    joined = join_all(texts, pictures, OURS, image_weight=image_weight, limit=10)
    assert [answer.slugs for answer in served] == joined


def _read(data: bytes) -> QueryPicture:
    return QueryPicture(sha256=hash_content(data), data=data, width=1, height=1)
