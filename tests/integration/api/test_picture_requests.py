"""Pictures in requests, over a real Postgres and a host of pictures on loopback: what is refused, what it leaves."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from api.app import create_app
from api.services import ApiServices, build_services
from storage.database.pictures import FreePicture, PictureRepository
from storage.database.session import Database
from tests.picture_host import KINDS, PictureHost
from tests.picture_host.pictures import HTML, SVG, build_bomb, build_jpeg, build_long_jpeg, draw, save

INDEX = "/api/v1/index"
JPEG = build_jpeg(7)
TABLES = ("media_files", "pictures", "jobs")
# 127.0.0.1 may be fetched from in these tests, and no other address that is private.
ALLOWED = "127.0.0.1/32"


def encode(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    """Good and hostile pictures."""
    with PictureHost() as running:
        yield running


@pytest.fixture(scope="module")
def api(index: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServices]:
    """One web process for all of the module, with an empty media store."""
    changes = {
        "media_path": tmp_path_factory.mktemp("media"),
        "download_allowed_networks": ALLOWED,
        "download_timeout_s": 5.0,
        "image_embedding_model": "fake",
    }
    services = build_services(index.settings.model_copy(update=changes))
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


@pytest.fixture(scope="module")
def database(api: ApiServices) -> Iterator[Database]:
    """What the API writes to."""
    opened = Database(api.settings.database_url.get_secret_value())
    yield opened
    opened.close()


@pytest.fixture
def _nothing_written(database: Database, api: ApiServices, cache_url: str) -> Iterator[None]:
    """Fail if the test leaves a row or a file behind."""
    before = _count(database), len(list(api.pictures.store.list()))
    yield
    assert (_count(database), len(list(api.pictures.store.list()))) == before


def _count(database: Database) -> dict[str, int]:
    with database.begin() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES}


def check_problem(response: Any, status: int, code: str, field: str | None) -> None:
    """The answer is that problem and names that field."""
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
    problem = response.get_json()
    assert problem["type"] == f"urn:avs:problem:{code}", problem
    if field is not None:
        assert problem["field"] == field, problem


BAD_PICTURES: dict[str, tuple[bytes, int, str]] = {
    "zero bytes": (b"", 422, "picture-empty"),
    "not an image": (b"hello " * 100, 415, "picture-not-a-picture"),
    "HTML": (HTML, 415, "picture-html"),
    "SVG": (SVG, 415, "picture-svg"),
    "another format": (save(draw(1), "TIFF"), 415, "picture-unsupported-format"),
    "truncated": (save(draw(1, width=900, height=900), "JPEG")[:9_000], 422, "picture-truncated"),
    "10 MB and a byte": (build_long_jpeg(10_000_001), 413, "picture-too-large"),
    "a bomb of 100 megapixels": (build_bomb(), 422, "picture-too-many-pixels"),
}


@pytest.mark.usefixtures("_nothing_written")
@pytest.mark.parametrize("what", BAD_PICTURES)
def test_a_bad_picture_is_refused_and_leaves_nothing(client: FlaskClient, what: str) -> None:
    """As base64, as a data URL and as a file: the same problem, which names the field, and no row and no file."""
    data, status, code = BAD_PICTURES[what]
    for text_of_it in (encode(data), f"data:image/jpeg;base64,{encode(data)}"):
        answer = client.post(INDEX, json={"image_id": "bad", "image_data": text_of_it})
        check_problem(answer, status, code, "image_data")
    answer = client.post(INDEX, data={"image_id": "bad", "image": (io.BytesIO(data), "a.jpg")})
    check_problem(answer, status, code, "image")


@pytest.mark.usefixtures("_nothing_written")
@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.fetch or kind.picture])
def test_a_hostile_address_is_refused_and_leaves_nothing(client: FlaskClient, host: PictureHost, kind: str) -> None:
    """Whatever a host answers that is no good picture ends as a problem of the caller's, with the fetcher's word."""
    answer = client.post(INDEX, json={"image_id": "bad", "image_url": host.url(f"/kind/{kind}/x.jpg")})
    expected = KINDS[kind]
    assert 400 <= answer.status_code < 500, answer.text
    code = f"picture-url-{expected.fetch}" if expected.fetch else f"picture-{expected.picture}"
    check_problem(answer, answer.status_code, code, "image_url")


@pytest.mark.usefixtures("_nothing_written")
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "forbidden-address"),
        ("http://127.0.0.2/x.jpg", "forbidden-address"),
        ("http://[::1]/x.jpg", "forbidden-address"),
        ("http://10.0.0.1/x.jpg", "forbidden-address"),
        ("http://2130706434/x.jpg", "forbidden-address"),
        ("file:///etc/passwd", "forbidden-scheme"),
        ("gopher://example.org/", "forbidden-scheme"),
        ("http://127.0.0.1:1/x.jpg", "connect"),
        ("http://nobody.invalid/x.jpg", None),
        ("not a url", None),
        ("http://", "bad-url"),
        ("http://user:password@127.0.0.1/", "bad-url"),
    ],
)
def test_an_address_that_must_not_be_asked_is_refused(client: FlaskClient, url: str, code: str | None) -> None:
    """Private addresses, other schemes, and hosts that are not there: 422, and nothing of the network in the answer."""
    answer = client.post(INDEX, json={"image_id": "bad", "image_url": url})
    assert (answer.status_code, answer.get_json()["field"]) == (422, "image_url"), answer.text
    assert answer.get_json()["type"].startswith("urn:avs:problem:picture-url-")
    assert code is None or answer.get_json()["type"] == f"urn:avs:problem:picture-url-{code}"


@pytest.mark.usefixtures("_nothing_written")
def test_a_redirect_to_a_private_address_is_refused(client: FlaskClient, host: PictureHost) -> None:
    """The second address is judged like the first one."""
    for kind in ("to-metadata", "to-decimal", "to-mapped"):
        answer = client.post(INDEX, json={"image_id": "bad", "image_url": host.url(f"/kind/{kind}/x")})
        check_problem(answer, 422, "picture-url-forbidden-address", "image_url")


GOOD = {"image_id": "x", "image_data": encode(JPEG)}
# (body, status, field, part of the reason)
BAD_BODIES: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({}, 422, "body", "image_id"),
    ({"image_id": "x"}, 422, "image_data", "is missing"),
    ({"image_data": encode(JPEG)}, 422, "body", "image_id"),
    ({**GOOD, "image_url": "https://example.org/x.jpg"}, 422, "image_url", "too many"),
    ({**GOOD, "document": {"title": "x"}}, 422, "body", "either"),
    ({"document": {"title": "x"}, "image_url": "https://example.org/x.jpg"}, 422, "body", "either"),
    ({"document": {"title": "x"}, "tags": ["a"]}, 422, "body", "either"),
    ({**GOOD, "image_id": ""}, 422, "image_id", "at least 1"),
    ({**GOOD, "image_id": "x" * 201}, 422, "image_id", "at most 200"),
    ({**GOOD, "image_id": "nul \x00"}, 422, "image_id", "U+0000"),
    ({**GOOD, "image_id": 7}, 422, "image_id", "string"),
    ({**GOOD, "image_data": 7}, 422, "image_data", "string"),
    ({**GOOD, "image_data": "!!!"}, 422, "image_data", "base64"),
    ({**GOOD, "image_data": f"data:image/jpeg,{encode(JPEG)}"}, 422, "image_data", ";base64"),
    ({**GOOD, "image_data": f"data:text/html;base64,{encode(JPEG)}"}, 415, "image_data", "media type"),
    ({"image_id": "x", "image_url": ""}, 422, "image_url", "at least 1"),
    ({"image_id": "x", "image_url": "https://x/" + "a" * 2_000}, 422, "image_url", "at most 2000"),
    ({**GOOD, "tags": "poster"}, 422, "tags", "list"),
    ({**GOOD, "tags": [""]}, 422, "tags.0", "at least 1"),
    ({**GOOD, "tags": ["a"] * 101}, 422, "tags", "at most 100"),
    ({**GOOD, "tags": ["nul \x00"]}, 422, "tags.0", "U+0000"),
    ({**GOOD, "metadata": []}, 422, "metadata", "dictionary"),
    ({**GOOD, "metadata": {"a": "nul \x00"}}, 422, "metadata.a", "U+0000"),
    ({**GOOD, "metadata": {"nul \x00": 1}}, 422, "metadata", "U+0000"),
    ({**GOOD, "metadata": {"a": "x" * 20_000}}, 422, "metadata", "16384"),
    ({**GOOD, "metadata": {str(n): n for n in range(101)}}, 422, "metadata", "at most 100"),
    ({**GOOD, "title": "no-such-title"}, 422, "title", "names no title"),
    ({**GOOD, "title": "mal:0"}, 422, "title", "names no title"),
    ({**GOOD, "title": " "}, 422, "title", "empty"),
    ({**GOOD, "adult": "yes"}, 422, "adult", "boolean"),
    ({**GOOD, "wait": 31}, 422, "wait", "less"),
    ({**GOOD, "wait": -1}, 422, "wait", "greater"),
    ({**GOOD, "colour": "red"}, 422, "colour", "not permitted"),
    ({"document": []}, 422, "document", "dictionary"),
    ({"document": {}}, 422, "document.title", "required"),
    ({"document": {"title": " "}}, 422, "document.title", "blank"),
    ({"document": {"title": "nul \x00"}}, 422, "document.title", "U+0000"),
    ({"document": {"title": "x", "year": "soon"}}, 422, "document.year", "integer"),
    ({"document": {"title": "x", "year": 1800}}, 422, "document.year", "greater"),
]


@pytest.mark.usefixtures("_nothing_written")
@pytest.mark.parametrize(("body", "status", "field", "reason"), BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_body_is_refused_and_leaves_nothing(
    client: FlaskClient, body: dict[str, Any], status: int, field: str | None, reason: str
) -> None:
    """Each wrong value is named by its path, before anything is stored."""
    answer = client.post(INDEX, json=body)
    assert answer.status_code == status, answer.text
    problem = answer.get_json()
    assert (problem["field"], reason in problem["detail"]) == (field, True), problem


@pytest.mark.usefixtures("_nothing_written")
def test_a_bad_form_is_refused_and_leaves_nothing(client: FlaskClient) -> None:
    """An empty form, two pictures, a file of another name, a file of another type, a picture beside a document."""

    def build_file() -> tuple[io.BytesIO, str]:
        return io.BytesIO(JPEG), "a.jpg"

    empty = client.post(INDEX, data=b"--x--\r\n", content_type="multipart/form-data; boundary=x")
    check_problem(empty, 422, "picture-missing", "image")
    no_file = client.post(INDEX, data={"image_id": "x"}, content_type="multipart/form-data")
    check_problem(no_file, 422, "picture-missing", "image_data")
    empty_file = client.post(INDEX, data={"image_id": "x", "image": (io.BytesIO(b""), "")})
    assert empty_file.status_code == 422
    check_problem(
        client.post(INDEX, data={"image_id": "x", "image": [build_file(), build_file()]}), 422, "invalid-input", "image"
    )
    check_problem(client.post(INDEX, data={"image_id": "x", "picture": build_file()}), 422, "invalid-input", "picture")
    wrong_type = {"image_id": "x", "image": (io.BytesIO(JPEG), "a.pdf", "application/pdf")}
    check_problem(client.post(INDEX, data=wrong_type), 415, "picture-media-type", "image")
    both = {"document": '{"title": "x"}', "image": build_file()}
    check_problem(client.post(INDEX, data=both), 422, "invalid-input", "image")


@pytest.mark.usefixtures("_nothing_written")
def test_another_media_type_of_the_body_is_refused(client: FlaskClient) -> None:
    """A bare picture, a plain form, or no type at all is a 415; what is no JSON a 400."""
    for content_type in ("image/jpeg", "application/x-www-form-urlencoded", "text/plain", ""):
        check_problem(client.post(INDEX, data=JPEG, content_type=content_type), 415, "unsupported-media-type", None)
    for data in (b"", b"{", b"[1]", b'{"image_id": NaN}'):
        check_problem(client.post(INDEX, data=data, content_type="application/json"), 400, "malformed-body", "body")


@pytest.mark.usefixtures("_nothing_written")
def test_a_body_above_all_limits_is_not_read(client: FlaskClient) -> None:
    """14 MB hold a picture of 10 MB as base64; more is a 413, as JSON and as a form."""
    data = build_long_jpeg(10_600_000)
    for sent in (
        {"json": {"image_id": "x", "image_data": encode(data)}},
        {"data": {"image_id": "x", "image": (io.BytesIO(bytes(14_000_000)), "a.jpg")}},
    ):
        check_problem(client.post(INDEX, **sent), 413, "request-entity-too-large", None)


@pytest.mark.usefixtures("_nothing_written")
def test_without_an_encoder_nothing_is_stored(index: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """IMAGE_EMBEDDING_MODEL=none: a 409 that names the setting."""
    changes = {"media_path": tmp_path_factory.mktemp("none"), "image_embedding_model": "none"}
    services = build_services(index.settings.model_copy(update=changes))
    answer = create_app(services).test_client().post(INDEX, json=GOOD)
    check_problem(answer, 409, "no-picture-encoder", None)
    assert "IMAGE_EMBEDDING_MODEL" in answer.get_json()["detail"]
    services.close()


def test_a_picture_is_stored_before_its_job_is_done(client: FlaskClient, api: ApiServices, database: Database) -> None:
    """202 with the job, which names the picture; content, row and picture are there, and say what was given."""
    body = {**GOOD, "image_id": "poster-7", "tags": ["a", "b"], "metadata": {"page": 7}, "wait": 0}
    answer = client.post(INDEX, json=body)
    assert answer.status_code == 202, answer.text
    shown = answer.get_json()
    assert (shown["sha256"], shown["searchable"]) == (hashlib.sha256(JPEG).hexdigest(), False)
    assert (shown["job"]["kind"], shown["job"]["params"]) == ("pictures", {"pictures": [shown["id"]]})
    assert answer.headers["Location"] == f"/api/v1/jobs/{shown['job']['id']}"
    assert api.pictures.store.get(shown["sha256"]) == JPEG
    row = PictureRepository(database).get(FreePicture(name="poster-7").id)
    assert (str(row.id), row.sha256, row.tags, row.metadata) == (shown["id"], shown["sha256"], ("a", "b"), {"page": 7})
    assert row.media is not None
    assert (row.media.width, row.media.height, row.media.media_type) == (120, 120, "image/jpeg")
    assert client.get(f"/api/v1/media/{shown['sha256']}").data == JPEG


def test_the_same_id_again_replaces_the_picture(
    client: FlaskClient, api: ApiServices, database: Database, host: PictureHost
) -> None:
    """Another content, by file and by address, takes the place of the first; there is one picture with that id."""
    first = client.post(INDEX, json={**GOOD, "image_id": "again", "wait": 0}).get_json()
    other = save(draw(9), "PNG")
    form = {"image_id": "again", "image": (io.BytesIO(other), "a.png", "image/png"), "wait": "0", "tags": "c"}
    second = client.post(INDEX, data=form).get_json()
    fetched = {"image_id": "again", "image_url": host.url("/many/21.jpg"), "wait": 0}
    third = client.post(INDEX, json=fetched).get_json()
    assert first["id"] == second["id"] == third["id"]
    assert len({first["sha256"], second["sha256"], third["sha256"]}) == 3
    row = PictureRepository(database).get(FreePicture(name="again").id)
    assert (row.sha256, row.url, row.tags) == (third["sha256"], host.url("/many/21.jpg"), ())
    assert api.pictures.store.get(third["sha256"]) == build_jpeg(21)


def test_a_picture_may_belong_to_a_title(client: FlaskClient, index: Any, database: Database) -> None:
    """By its slug; one of an adult title is adult, and its content is shown only to those who ask."""
    plain = client.post(INDEX, json={**GOOD, "image_id": "of-title", "title": "shingeki-no-kyojin", "wait": 0})
    assert plain.status_code == 202, plain.text
    row = PictureRepository(database).get(FreePicture(name="of-title").id)
    assert (row.slug, row.adult) == ("shingeki-no-kyojin", False)
    data = save(draw(31), "PNG")
    body = {"image_id": "of-adult", "image_data": encode(data), "title": index.adult_slug, "wait": 0}
    adult = client.post(INDEX, json=body).get_json()
    assert PictureRepository(database).get(FreePicture(name="of-adult").id).adult
    assert client.get(f"/api/v1/media/{adult['sha256']}").status_code == 404
    assert client.get(f"/api/v1/media/{adult['sha256']}?include_adult=true").data == data


def test_a_request_with_a_picture_counts_as_five(index: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of twelve requests two with a picture take ten, whether they succeed or not; a limit below five allows none."""
    changes = {"media_path": tmp_path_factory.mktemp("charged"), "image_embedding_model": "fake"}
    settings = index.settings.model_copy(update={**changes, "rate_limit_open": "12/minute"})
    services = build_services(settings)
    client = create_app(services).test_client()
    sent = {"json": {**GOOD, "wait": 0}, "environ_base": {"REMOTE_ADDR": "127.0.0.41"}}
    left = [int(client.post(INDEX, **sent).headers["RateLimit-Remaining"])]
    bad = {**sent, "json": {"image_id": "x", "image_data": encode(b"no picture")}}
    left.append(int(client.post(INDEX, **bad).headers["RateLimit-Remaining"]))
    assert left == [7, 2]
    refused = client.post(INDEX, **sent)
    check_problem(refused, 429, "rate-limited", None)
    assert int(refused.headers["Retry-After"]) > 0
    services.close()
    services = build_services(settings.model_copy(update={"rate_limit_open": "4/minute"}))
    sent["environ_base"] = {"REMOTE_ADDR": "127.0.0.42"}
    check_problem(create_app(services).test_client().post(INDEX, **sent), 422, "invalid-input", "image_data")
    services.close()
