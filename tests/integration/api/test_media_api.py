"""GET media over a real Postgres and a folder: sizes, caching, and who may see what."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import text

from api.app import create_app
from api.services import ApiServices, build_services
from core.document import content_hash
from core.pictures import DecodeBudget
from storage.database.media import MediaRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from tests.picture_host.pictures import draw, save

V1 = "/api/v1/media"
FOREVER = "public, max-age=31536000, immutable"
JPEG = save(draw(1, width=800, height=1_200), "JPEG", quality=95)
PNG = save(draw(2, width=50, height=40), "PNG")
ADULT = save(draw(3), "WEBP")
ADULT_SLUG = "velvet-hour"


def name(data: bytes) -> str:
    """The SHA-256 of a content."""
    return hashlib.sha256(data).hexdigest()


@dataclass
class Shelf:
    """Stores pictures as a download does."""

    api: ApiServices
    database: Database

    def add(self, data: bytes, media_type: str, *, slug: str | None = None, is_shown: bool = True) -> str:
        """A content with its row and, if it shall be shown, a picture."""
        sha256, pictures = name(data), PictureRepository(self.database)
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        self.api.pictures.store.put(sha256, data)
        with self.database.begin() as connection:
            row = MediaFile(sha256, len(data), media_type, width, height, 0, "#000000")
            MediaRepository(self.database).add(connection, row)
            if is_shown:
                ids = pictures.add_free_in(connection, [FreePicture(name=sha256, slug=slug)])
                pictures.attach_to(connection, ids, sha256)
        return sha256


@pytest.fixture(scope="module")
def api(index: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServices]:
    """One web process for all of the module, with an empty media store."""
    folder = tmp_path_factory.mktemp("media")
    services = build_services(index.settings.model_copy(update={"media_path": folder}))
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


@pytest.fixture(scope="module")
def shelf(api: ApiServices) -> Iterator[Shelf]:
    """A large JPEG and a small PNG that all may see, and a picture of an adult title."""
    database = Database(api.settings.database_url.get_secret_value())
    document = {"title": "Velvet Hour", "rating": "Rx"}
    with database.begin() as connection:
        row = StoredTitle(ADULT_SLUG, document, content_hash(document), True, excluded=False)
        TitleRepository(database).insert(connection, [row])
    shelf = Shelf(api, database)
    shelf.add(JPEG, "image/jpeg")
    shelf.add(PNG, "image/png")
    shelf.add(ADULT, "image/webp", slug=ADULT_SLUG)
    yield shelf
    database.close()


@pytest.fixture(autouse=True)
def _filled(shelf: Shelf, cache_url: str) -> None:
    """Every test has the pictures."""


def test_a_picture_is_answered_as_it_was_stored(client: FlaskClient) -> None:
    """The same bytes with their type, to be kept for a year, and nothing for a browser to guess."""
    response = client.get(f"{V1}/{name(JPEG)}")
    assert (response.status_code, response.data, response.mimetype) == (200, JPEG, "image/jpeg")
    assert response.headers["Cache-Control"] == FOREVER
    assert response.headers["ETag"] == f'"{name(JPEG)}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "inline"
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("width", [96, 192, 320, 640])
def test_a_thumbnail_is_webp_of_that_width(client: FlaskClient, width: int) -> None:
    """Its proportions are the picture's, and the second answer is the same bytes."""
    response = client.get(f"{V1}/{name(JPEG)}", query_string={"width": width})
    assert (response.status_code, response.mimetype) == (200, "image/webp")
    with Image.open(io.BytesIO(response.data)) as image:
        assert (image.format, image.size) == ("WEBP", (width, width * 3 // 2))
    assert response.headers["ETag"] == f'"{name(JPEG)}-{width}"'
    assert response.headers["Cache-Control"] == FOREVER
    assert client.get(f"{V1}/{name(JPEG)}", query_string={"width": width}).data == response.data


def test_a_thumbnail_is_never_larger_than_its_picture(client: FlaskClient) -> None:
    """A picture of 50 pixels stays one, whatever width is asked for."""
    response = client.get(f"{V1}/{name(PNG)}", query_string={"width": 640})
    with Image.open(io.BytesIO(response.data)) as image:
        assert image.size == (50, 40)


def test_a_thumbnail_is_made_once(client: FlaskClient, api: ApiServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first answer nothing is decoded for the second, in this process or another one."""
    path = f"{V1}/{name(PNG)}?width=96"
    first = client.get(path).data
    assert api.pictures.store.get_variant(name(PNG), "96.webp") == first
    monkeypatch.setattr("api.media_shelf.decode_picture", None)
    assert client.get(path).data == first


def test_what_the_caller_has_is_not_sent_again(client: FlaskClient) -> None:
    """304 for the same size, and a full answer for another one."""
    path, tag = f"{V1}/{name(JPEG)}", f'"{name(JPEG)}"'
    known = client.get(path, headers={"If-None-Match": tag})
    assert (known.status_code, known.data) == (304, b"")
    assert known.headers["Cache-Control"] == FOREVER
    assert known.headers["ETag"] == tag
    assert client.get(f"{path}?width=96", headers={"If-None-Match": tag}).status_code == 200
    small = {"If-None-Match": f'W/"{name(JPEG)}-96"'}
    assert client.get(f"{path}?width=96", headers=small).status_code == 304


def test_head_says_how_long_it_is(client: FlaskClient) -> None:
    """The headers of GET and none of the bytes."""
    for query in ({}, {"width": 96}):
        got = client.get(f"{V1}/{name(JPEG)}", query_string=query)
        head = client.head(f"{V1}/{name(JPEG)}", query_string=query)
        assert (head.status_code, head.data) == (200, b"")
        for header in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
            assert head.headers[header] == got.headers[header]


def test_adult_pictures_are_there_for_those_who_ask(client: FlaskClient) -> None:
    """Without include_adult the answer is that of an unknown hash, also to who has it; with it no shared cache may."""
    path = f"{V1}/{name(ADULT)}"
    hidden, unknown = client.get(path), client.get(f"{V1}/{'0' * 64}")
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.get_json()["title"] == unknown.get_json()["title"]
    for query in ({}, {"width": 96}):
        assert client.get(path, query_string=query, headers={"If-None-Match": f'"{name(ADULT)}"'}).status_code == 404
    shown = client.get(path, query_string={"include_adult": "true"})
    assert (shown.status_code, shown.data) == (200, ADULT)
    assert shown.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    small = client.get(path, query_string={"include_adult": "true", "width": 96})
    assert small.headers["Cache-Control"].startswith("private")


def test_excluded_titles_have_no_pictures(client: FlaskClient, shelf: Shelf) -> None:
    """A title that is taken out takes its pictures with it, whatever is asked for."""
    statement = text("UPDATE titles SET excluded = :excluded WHERE slug = :slug")
    for excluded, status in ((True, 404), (False, 200)):
        with shelf.database.begin() as connection:
            connection.execute(statement, {"excluded": excluded, "slug": ADULT_SLUG})
        assert client.get(f"{V1}/{name(ADULT)}?include_adult=true").status_code == status


def test_what_no_picture_shows_is_not_found(client: FlaskClient, shelf: Shelf, api: ApiServices) -> None:
    """A content that lies in the store without a row, or with a row and no picture, is nobody's to read."""
    stray, unused = save(draw(8), "PNG"), save(draw(9), "PNG")
    api.pictures.store.put(name(stray), stray)
    shelf.add(unused, "image/png", is_shown=False)
    for data in (stray, unused):
        assert client.get(f"{V1}/{name(data)}").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"{V1}/{'0' * 64}", 404, None),
        (f"{V1}/{'0' * 63}", 422, "sha256"),
        (f"{V1}/{'0' * 65}", 422, "sha256"),
        (f"{V1}/{name(JPEG).upper()}", 422, "sha256"),
        (f"{V1}/..%2F..%2Fetc%2Fpasswd", 404, None),
        (f"{V1}/{name(JPEG)}%00", 422, "sha256"),
        (f"{V1}/{name(JPEG)}?width=100", 422, "width"),
        (f"{V1}/{name(JPEG)}?width=0", 422, "width"),
        (f"{V1}/{name(JPEG)}?width=-96", 422, "width"),
        (f"{V1}/{name(JPEG)}?width=original", 422, "width"),
        (f"{V1}/{name(JPEG)}?height=96", 422, "height"),
        (f"{V1}/{name(JPEG)}?include_adult=perhaps", 422, "include_adult"),
        (V1, 404, None),
    ],
)
def test_a_bad_address_is_a_problem(client: FlaskClient, path: str, status: int, field: str | None) -> None:
    """An unknown hash, what is no hash, and sizes that there are not."""
    response = client.get(path)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert field is None or response.get_json()["field"] == field


def test_too_many_thumbnails_at_once_are_sent_away(
    client: FlaskClient, api: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all places are taken a new thumbnail is a 503 with Retry-After; originals and kept thumbnails come."""
    budget = DecodeBudget(most_bytes=10_000_000, places=1, wait_s=0.05)
    monkeypatch.setattr(api.pictures.shelf, "_budget", budget)
    path = f"{V1}/{name(JPEG)}"
    client.get(f"{path}?width=96")
    fresh = Shelf(api, Database(api.settings.database_url.get_secret_value())).add(save(draw(11), "PNG"), "image/png")
    with budget.hold(1):
        refused = client.get(f"{V1}/{fresh}?width=96")
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get(path).status_code == 200
        assert client.get(f"{path}?width=96").status_code == 200
    assert client.get(f"{V1}/{fresh}?width=96").status_code == 200


def test_many_callers_get_the_same_thumbnail(api: ApiServices, shelf: Shelf) -> None:
    """Sixteen threads that ask for one that is not there yet all get the same bytes."""
    sha256 = shelf.add(save(draw(12, width=900, height=900), "JPEG"), "image/jpeg")
    app, answers = create_app(api), []

    def ask() -> None:
        answers.append(app.test_client().get(f"{V1}/{sha256}?width=320"))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1


def test_a_stored_picture_that_cannot_be_read_is_our_fault(client: FlaskClient, shelf: Shelf, api: ApiServices) -> None:
    """A file that a disk has damaged is a 500, and one that is lost a 404; neither says where it lay."""
    data = save(draw(13, width=400, height=400), "JPEG")
    sha256 = shelf.add(data, "image/jpeg")
    (path,) = Path(api.settings.get_media_path()).rglob(sha256)
    path.write_bytes(data[: len(data) // 2])
    damaged = client.get(f"{V1}/{sha256}?width=96")
    path.unlink()
    lost = client.get(f"{V1}/{sha256}")
    assert (damaged.status_code, lost.status_code) == (500, 404)
    assert str(path.parent) not in damaged.text + lost.text


def test_a_disk_that_is_away_is_a_503(client: FlaskClient, api: ApiServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem names the media store, and not its folder."""

    def fail(_path: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    response = client.get(f"{V1}/{name(JPEG)}")
    assert (response.status_code, response.get_json()["dependency"]) == (503, "media")
    assert str(api.settings.get_media_path()) not in response.text
