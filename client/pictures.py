"""Searches by picture, stored pictures, and pictures and documents to be indexed at once.

A picture is given as its bytes, as the path of a file (`pathlib.Path`), or as a text: a data URL, or its address
(`https://...`), from which the service fetches it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from client import routes
from client.options import ImageOptions, MultimodalOptions, Target, VisualOptions
from client.routes import Route
from client.transport import Call, Transport
from client.values.pictures import Indexed, RemovedPicture
from client.values.search import SearchAnswer

PictureGiven = bytes | Path | str
# What the service waits by default, so that the answer says whether it is searchable.
INDEX_WAIT_S = 10.0


class PictureCalls:
    """What `Client` can do with pictures."""

    _transport: Transport

    def search_image(
        self,
        picture: PictureGiven | None = None,
        *,
        query: str | None = None,
        target: Target = "titles",
        **options: Unpack[ImageOptions],
    ) -> SearchAnswer:
        """A page of titles whose pictures look like this one; with `target="pictures"` the pictures themselves.

        With `query` instead of a picture: what is to be seen, in words. Raises ConflictError (`no-text-tower`) if the
        service's picture encoder knows no words.

            client.search_image(Path("frame.jpg"), limit=5)
        """
        return self._search(routes.SEARCH_IMAGE, picture, query, {"target": target, **options})

    def search_multimodal(
        self,
        query: str | None = None,
        picture: PictureGiven | None = None,
        **options: Unpack[MultimodalOptions],
    ) -> SearchAnswer:
        """A page of titles for a text and a picture together; one of both may be missing.

        client.search_multimodal("but in space", Path("cover.jpg"), image_weight=0.7, text_weight=0.3)
        """
        return self._search(routes.SEARCH_MULTIMODAL, picture, query, options)

    def similar_visual(
        self, identifier: str, *, target: Target = "titles", **options: Unpack[VisualOptions]
    ) -> SearchAnswer:
        """A page of what looks like a title, or like an indexed picture (by its id). Raises NotFoundError."""
        path = routes.SIMILAR_VISUAL.fill(id=identifier)
        params = {**options, "target": target}
        return self._transport.get(Call(route=routes.SIMILAR_VISUAL, path=path, params=params), SearchAnswer)

    def index_picture(
        self,
        image_id: str,
        picture: PictureGiven,
        *,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        title: str | None = None,
        adult: bool = False,
        wait_s: float = INDEX_WAIT_S,
    ) -> Indexed:
        """Store a picture under an id of your own and index it; the same id again replaces it. Needs an editor's key.

        `title` is the slug or `provider:id` of the title that it belongs to. When `searchable` is false the job goes
        on: `client.jobs.wait_for(indexed.job.id)`.

            client.index_picture("poster-17", Path("poster.jpg"), tags=["poster"], metadata={"year": 1995})
        """
        body = {"image_id": image_id, **build_picture(picture), "tags": tags, "metadata": metadata or {}}
        if title is not None:
            body["title"] = title
        return self._index({**body, "adult": adult}, wait_s=wait_s)

    def index_document(self, document: Mapping[str, Any], *, wait_s: float = INDEX_WAIT_S) -> Indexed:
        """Take over one title document and index it. Needs an editor's key; many at once: `admin.upsert_documents`."""
        return self._index({"document": document}, wait_s=wait_s)

    def remove_picture(self, image_id: str) -> RemovedPicture:
        """Take a picture out again, by your own id of it or by the one that searches show. Needs an editor's key.

        Raises NotFoundError, and ConflictError (`picture-named`) for a picture that a title's document names.
        """
        path = routes.REMOVE_PICTURE.fill(image_id=image_id)
        return self._transport.get(Call(route=routes.REMOVE_PICTURE, path=path), RemovedPicture)

    def get_media(self, sha256: str, *, width: int | None = None, include_adult: bool = False) -> bytes:
        """A stored picture, or a thumbnail of it as WebP: 96, 192, 320 or 640 pixels wide. Raises NotFoundError."""
        params = {"width": width, "include_adult": True if include_adult else None}
        path = routes.GET_MEDIA.fill(sha256=sha256)
        return self._transport.fetch(Call(route=routes.GET_MEDIA, path=path, params=params, accept="image/*"))

    def _search(
        self, route: Route, picture: PictureGiven | None, query: str | None, options: Mapping[str, Any]
    ) -> SearchAnswer:
        given = {} if picture is None else build_picture(picture)
        asked = {} if query is None else {"query": query}
        return self._transport.get(Call(route=route, path=route.path, body={**given, **asked, **options}), SearchAnswer)

    def _index(self, body: Mapping[str, Any], *, wait_s: float) -> Indexed:
        call = Call(route=routes.INDEX, path=routes.INDEX.path, body={**body, "wait": wait_s}, extra_s=wait_s)
        return self._transport.get(call, Indexed)


def build_picture(picture: PictureGiven) -> dict[str, str]:
    """The field of a body that says a picture.

    Raises OSError for a file that cannot be read, ValueError for a text that is no address.
    """
    if isinstance(picture, str):
        start = picture[:8].lower()
        if start.startswith(("http://", "https://")):
            return {"image_url": picture}
        if start.startswith("data:"):
            return {"image_data": picture}
        raise ValueError("a picture is bytes, a pathlib.Path, an http(s) address or a data URL")
    data = picture.read_bytes() if isinstance(picture, Path) else picture
    return {"image_data": base64.b64encode(data).decode()}
