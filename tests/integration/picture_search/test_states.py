"""What a search by picture answers while the index is not as it should be, and what becomes of hidden pictures."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from qdrant_client import models
from sqlalchemy import text

from api.app import create_app
from api.services import ApiServices, build_services
from core.identity import point_id
from embedded.services import EmbeddedServices
from inference.pictures.fake import FakePictureEncoder
from inference.pictures.visual_baseline import VisualBaseline
from storage.database.models import PictureKind
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureEntry, PictureLedgerRepository
from storage.database.pictures import FreePicture, PictureRepository
from storage.database.session import Database
from storage.vectors.store import VectorStore
from tests.integration.picture_search.conftest import (
    Builder,
    PictureIndex,
    StartWorker,
    build_settings,
    slug_of,
)

IMAGE = "/api/v1/search/image"


def encode(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


@pytest.fixture
def make_client() -> Iterator[Callable[[PictureIndex], tuple[ApiServices, FlaskClient]]]:
    """The API over another index."""
    built: list[ApiServices] = []

    def make(index: PictureIndex) -> tuple[ApiServices, FlaskClient]:
        built.append(build_services(index.settings))
        return built[-1], create_app(built[-1]).test_client()

    yield make
    for services in built:
        services.close()


@pytest.fixture
def new_index(
    services: EmbeddedServices, new_database: Callable[[], str], index: PictureIndex
) -> Callable[..., PictureIndex]:
    """Another index, with a database of its own and the same broker."""

    def make(encoder: Any = None, *, has_pictures: bool = True) -> PictureIndex:
        redis_url = index.settings.redis_url.get_secret_value()
        settings = build_settings(services, database_url=new_database(), redis_url=redis_url)
        return Builder(settings, encoder or VisualBaseline(), has_pictures=has_pictures).build()

    return make


def test_words_find_pictures_where_the_encoder_knows_them(
    new_index: Callable[..., PictureIndex], make_client: Callable[..., Any], start_worker: StartWorker, cache_url: str
) -> None:
    """With a text tower a text finds titles and pictures: text-to-picture search, cached as pictures are."""
    with start_worker(IMAGE_EMBEDDING_MODEL="fake"):
        services, client = make_client(new_index(FakePictureEncoder()))
        for target in ("titles", "pictures"):
            answer = client.post(IMAGE, json={"query": "white", "target": target, "limit": 5})
            assert answer.status_code == 200 and len(answer.get_json()["results"]) == 5
            assert answer.get_json()["query_info"]["picture"] == {"text": "white"}
        stats = services.picture_search.get_stats()["picture-embedding"]
        assert stats["keys"] == 1


def test_other_vectors_than_those_of_the_index_are_refused(
    client: FlaskClient, index: PictureIndex, start_worker: StartWorker
) -> None:
    """A worker with another picture encoder: 409, for pictures only; texts are searched as before."""
    with start_worker(IMAGE_EMBEDDING_MODEL="fake"):
        for target in ("titles", "pictures"):
            answer = client.post(IMAGE, json={"image_data": encode(index.get_cover(0)), "target": target})
            assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:avs:problem:recipe-mismatch")
        assert client.post("/api/v1/search", json={"query": "a story"}).status_code == 200


def test_a_worker_without_an_encoder_says_so(
    client: FlaskClient, index: PictureIndex, start_worker: StartWorker
) -> None:
    """IMAGE_EMBEDDING_MODEL=none at the worker: 409 with the setting."""
    with start_worker(IMAGE_EMBEDDING_MODEL="none"):
        problem = client.post(IMAGE, json={"image_data": encode(index.get_cover(1))}).get_json()
    assert problem["type"] == "urn:avs:problem:no-picture-encoder" and "IMAGE_EMBEDDING_MODEL" in problem["detail"]


def test_an_index_without_pictures_says_what_to_do(
    new_index: Callable[..., PictureIndex], make_client: Callable[..., Any], cache_url: str
) -> None:
    """409 before anything is encoded: there is no worker here; similarity by pictures says the same."""
    index = new_index(has_pictures=False)
    _, client = make_client(index)
    picture = encode(index.get_cover(0))
    answers = [
        client.post(IMAGE, json={"image_data": picture}),
        client.post(IMAGE, json={"image_data": picture, "target": "pictures"}),
        client.post("/api/v1/search/multimodal", json={"query": "x", "image_data": picture}),
        client.get(f"/api/v1/similarity/visual/{slug_of(0)}"),
        client.get(f"/api/v1/similarity/vector/{slug_of(0)}?vector=image_vector"),
    ]
    for answer in answers[:2] + answers[3:]:
        problem = answer.get_json()
        assert (answer.status_code, problem["type"]) == (409, "urn:avs:problem:no-picture-encoder"), problem
        assert "avs index --pictures" in problem["detail"]


def test_without_a_worker_the_server_is_named(client: FlaskClient, index: PictureIndex) -> None:
    """503 that names the query worker."""
    answer = client.post(IMAGE, json={"image_data": encode(index.get_cover(2))})
    assert (answer.status_code, answer.get_json()["dependency"]) == (503, "query-worker")


def test_pictures_of_a_hidden_title_are_hidden_at_once(
    new_index: Callable[..., PictureIndex], make_client: Callable[..., Any], worker: None, cache_url: str
) -> None:
    """A title that turns adult, or is excluded, takes its pictures out of the answers before any job has run."""
    index = new_index()
    cover = index.find(slug=slug_of(7), kind=PictureKind.COVER)
    banner = index.find(slug=slug_of(8), kind=PictureKind.BANNER)
    body = {"image_data": encode(index.get_cover(7)), "target": "pictures", "limit": 100}
    with index.open_database() as database:

        def list_ids(**more: Any) -> set[str]:
            _, client = make_client(index)
            return {one["id"] for one in client.post(IMAGE, json={**body, **more}).get_json()["results"]}

        assert {str(cover.id), str(banner.id)} <= list_ids()
        with database.begin() as connection:
            connection.execute(text("UPDATE titles SET adult = true WHERE slug = :slug"), {"slug": slug_of(7)})
            connection.execute(text("UPDATE titles SET excluded = true WHERE slug = :slug"), {"slug": slug_of(8)})
        assert not {str(cover.id), str(banner.id)} & list_ids()
        _, client = make_client(index)
        for hidden in (cover, banner):
            assert client.get(f"/api/v1/similarity/visual/{hidden.id}").status_code == 404
        assert client.get(f"/api/v1/similarity/visual/{cover.id}?include_adult=true").status_code == 200
        seen = list_ids(include_adult=True)
        assert str(cover.id) in seen and str(banner.id) not in seen


def follow(index: PictureIndex, database: Database, number: int) -> None:
    """What the jobs leave behind when they are long over: points and ledgers say of the title what Postgres does."""
    slug, repository = slug_of(number), PictureRepository(database)
    repository.sync_titles([slug])
    rows = [row for rows in repository.load_of_titles([slug]).values() for row in rows]
    pictures = index.settings.qdrant_pictures_collection_name
    store = VectorStore(index.settings, timeout_s=30)
    for collection, points in (
        (pictures, [str(row.id) for row in rows]),
        (f"{index.settings.qdrant_collection_name}_g1", [point_id(slug)]),
    ):
        payload = models.SetPayload(payload={"adult": rows[0].adult}, points=points)
        store.apply(collection, [models.SetPayloadOperation(set_payload=payload)])
    store.close()
    generation = PictureGenerationRepository(database).get_live(pictures)
    assert generation is not None
    with database.begin() as connection:
        entries = [PictureEntry(row.id, row.content_hash, row.sha256 or "") for row in rows]
        PictureLedgerRepository(database).record(connection, generation.collection, entries)
        connection.execute(
            text(
                "INSERT INTO embedding_ledger (collection, slug, document_hash, passages) "
                "SELECT :collection, slug, content_hash, '{}' FROM titles WHERE slug = :slug ON CONFLICT DO NOTHING"
            ),
            {"slug": slug, "collection": f"{index.settings.qdrant_collection_name}_g1"},
        )
        connection.execute(text("UPDATE titles SET visibility_changed_at = now() - interval '1 day'"))


@pytest.mark.parametrize("target", ["pictures", "titles"])
def test_no_answer_from_before_a_change_comes_back(
    new_index: Callable[..., PictureIndex],
    make_client: Callable[..., Any],
    worker: None,
    cache_url: str,
    target: str,
) -> None:
    """A title turns adult, then its points follow: no answer from before is shown, not even as a stale one."""
    index = new_index()
    cover = index.find(slug=slug_of(7), kind=PictureKind.COVER)
    own = str(cover.id) if target == "pictures" else slug_of(7)
    services, client = make_client(index)
    body = {"image_data": encode(index.get_cover(7)), "target": target, "limit": 100}
    scopes: list[tuple[str, str]] = []

    def ask() -> list[str]:
        services.forget_index()
        scopes.append((services.live.get().scope, services.live_pictures.get().scope))
        answer = client.post(IMAGE, json=body)
        assert answer.status_code == 200 and services.search.flush(timeout_s=10)
        return [one["id"] for one in answer.get_json()["results"]]

    with index.open_database() as database:
        assert own in ask() and own in ask()
        with database.begin() as connection:
            connection.execute(text("UPDATE titles SET adult = true WHERE slug = :slug"), {"slug": slug_of(7)})
        assert own not in ask()
        follow(index, database, 7)
        # Another process: this one would leave the points out by their ids for half a minute more.
        services, client = make_client(index)
        assert own not in ask() and own not in ask()
        assert not services.live.get().hidden.adult and not services.live_pictures.get().hidden.adult
    for of_one in zip(*scopes, strict=True):
        assert (of_one[0], of_one[3]) == (of_one[1], of_one[4]), "nothing had changed"
        assert len(set(of_one)) == 3, "no scope comes back"


def test_a_free_picture_that_turns_adult_is_hidden_at_once(
    new_index: Callable[..., PictureIndex], make_client: Callable[..., Any], worker: None, cache_url: str
) -> None:
    """Given again as an adult one, it is in no answer before any job has run, unless adult pictures are asked for."""
    index = new_index()
    still = index.find(slug=None, kind=PictureKind.FREE)
    services, client = make_client(index)
    body = {"image_data": encode(index.files[still.url or ""]), "target": "pictures", "limit": 100}

    def list_ids(**more: Any) -> list[str]:
        services.forget_index()
        return [one["id"] for one in client.post(IMAGE, json={**body, **more}).get_json()["results"]]

    assert list_ids()[0] == str(still.id)
    with index.open_database() as database:
        again = FreePicture(name=still.name, url=still.url, tags=still.tags, metadata=still.metadata, adult=True)
        assert PictureRepository(database).add_free([again]) == [still.id]
        assert str(still.id) not in list_ids()
        assert list_ids(include_adult=True)[0] == str(still.id)
        with database.begin() as connection:
            PictureRepository(database).remove(connection, [still.id])
        assert str(still.id) not in list_ids(include_adult=True)


def test_a_picture_that_is_not_indexed_yet_says_so(
    new_index: Callable[..., PictureIndex], make_client: Callable[..., Any], cache_url: str
) -> None:
    """Known in Postgres, not in the collection: 409, and not an empty list."""
    index = new_index()
    with index.open_database() as database, database.begin() as connection:
        statement = "INSERT INTO pictures (id, kind, name) VALUES (:id, 'free', 'late')"
        connection.execute(text(statement), {"id": (late := uuid.uuid4())})
    _, client = make_client(index)
    for target in ("titles", "pictures"):
        answer = client.get(f"/api/v1/similarity/visual/{late}?target={target}")
        assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:avs:problem:picture-not-indexed")
