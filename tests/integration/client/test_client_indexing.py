"""Pictures and documents through the client into the index, with workers behind the service."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from client import Client, NotFoundError
from tests.picture_host.pictures import draw, save


def test_a_picture_is_indexed_found_and_shown(operator: Client, tmp_path: Path) -> None:
    """From a file to the index, and from there by a copy of it, by words and a copy, and by its own id."""
    path = tmp_path / "lantern.png"
    path.write_bytes(save(draw(201, width=300, height=400), "PNG"))
    indexed = operator.index_picture("lantern", path, tags=["light"], metadata={"scene": 4}, wait_s=30)
    assert (indexed.searchable, indexed.job.state) == (True, "completed")
    copy = save(draw(201, width=300, height=400).resize((150, 200)), "JPEG")
    found = operator.search_image(copy, target="pictures", limit=3, filters={"tags": "light"})
    assert found.results[0].id == indexed.id
    assert found.results[0].payload["metadata"] == {"scene": 4}
    assert (found.query_info.target, found.query_info.picture) == (
        "pictures",
        {"sha256": hashlib.sha256(copy).hexdigest()},
    )
    assert indexed.id is not None
    assert indexed.sha256 is not None
    alike = operator.similar_visual(indexed.id, target="pictures", limit=3)
    assert indexed.id not in [result.id for result in alike.results]
    assert operator.get_media(indexed.sha256) == path.read_bytes()
    with Image.open(io.BytesIO(operator.get_media(indexed.sha256, width=96))) as thumbnail:
        assert thumbnail.size == (96, 128)


def test_a_picture_is_taken_out_again(operator: Client) -> None:
    """By the caller's own id; a search finds it no more, and what is unknown is an error."""
    data = save(draw(202), "PNG")
    indexed = operator.index_picture("box/lid 1", data, wait_s=30)
    removed = operator.remove_picture("box/lid 1")
    assert (removed.id, removed.removed, removed.job_id is not None) == (indexed.id, True, True)
    assert indexed.id not in [result.id for result in operator.search_image(data, target="pictures").results]
    assert not operator.remove_picture(removed.id).removed
    with pytest.raises(NotFoundError):
        operator.remove_picture("box/lid 2")


def test_a_document_is_indexed(operator: Client) -> None:
    """Searchable when the call returns."""
    indexed = operator.index_document({"title": "Harbour of Paper Cranes", "year": 2011}, wait_s=30)
    assert (indexed.id, indexed.searchable) == ("harbour-of-paper-cranes", True)
    assert operator.get_title("harbour-of-paper-cranes").year == 2011
