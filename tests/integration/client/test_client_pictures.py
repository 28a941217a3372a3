"""Pictures through the client and gunicorn: sizes and problems."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from client import Client, ConflictError, InvalidRequestError, NotFoundError
from tests.picture_host.pictures import build_long_jpeg, draw, save


@pytest.fixture(scope="module")
def storing(start_web: Any, worker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of gunicorn with a media store of its own, and no worker that embeds."""
    with start_web(MEDIA_PATH=str(tmp_path_factory.mktemp("media"))) as web, Client(web.url) as made:
        yield made


def test_the_largest_picture_passes_the_web_server(storing: Client) -> None:
    """10 MB as base64 are taken by gunicorn and stored whole; without a worker the job goes on."""
    data = build_long_jpeg(10_000_000)
    indexed = storing.index_picture("large", data, wait_s=0)
    assert (indexed.searchable, indexed.sha256) == (False, hashlib.sha256(data).hexdigest())
    assert storing.get_media(hashlib.sha256(data).hexdigest()) == data


def test_problems_of_pictures_are_typed(storing: Client) -> None:
    """A picture that is too large or none, a hash that nobody knows, and a search while no pictures are indexed."""
    for data, code in ((build_long_jpeg(10_000_001), "picture-too-large"), (b"text", "picture-not-a-picture")):
        with pytest.raises(InvalidRequestError) as caught:
            storing.index_picture("bad", data)
        assert (caught.value.code, caught.value.field) == (code, "image_data")
    with pytest.raises(NotFoundError):
        storing.get_media("0" * 64)
    with pytest.raises(ConflictError):
        storing.search_image(save(draw(1), "PNG"))
