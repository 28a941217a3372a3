"""The demo's pictures: the host that serves them, the catalogue that names them, the pictures that it searches by."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console

from cli import demo_pictures
from cli.demo import SAMPLE
from cli.demo_pictures import ALLOWED, DemoPictures, allow_loopback, show_picture_searches
from cli.picture_host import PictureHost
from core.document import AnimeDocument
from core.errors import DependencyUnavailableError
from core.pictures import inspect_picture
from covers.album import load_documents, plan_album
from fetching import Fetcher, FetchOptions


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the two titles that the demo searches for are drawn."""
    home = tmp_path_factory.mktemp("home")
    sample = home / "sample.jsonl"
    wanted = [one for one in load_documents(SAMPLE) if one["title"] in ("Cowboy Bebop", "Mushishi")]
    sample.write_bytes(b"\n".join(map(orjson.dumps, wanted)))
    assert DemoPictures(home, sample).start_drawing().result() == 2
    return home


@pytest.fixture
def pictures(home: Path) -> DemoPictures:
    """The drawn ones, with a folder for what the demo writes."""
    pictures = DemoPictures(home, home / "sample.jsonl")
    pictures.write_catalogue("http://127.0.0.1:1")
    return pictures


@pytest.fixture
def host(home: Path) -> Iterator[PictureHost]:
    """Serves them."""
    with PictureHost(home / "covers") as host:
        yield host


def test_every_address_of_the_catalogue_is_served(pictures: DemoPictures, host: PictureHost) -> None:
    """As a JPEG picture with the time of its last change, so that it need not be sent twice."""
    catalogue = pictures.write_catalogue(host.address)
    addresses = []
    for line in catalogue.read_bytes().splitlines():
        document = AnimeDocument.model_validate(orjson.loads(line))
        assert document.images is not None
        addresses += [document.images.picture, document.images.thumbnail, document.images.banner]
        addresses += [character.image for character in document.characters]
    assert len(addresses) > 6
    with httpx.Client() as client:
        for address in addresses:
            answer = client.get(str(address))
            assert answer.headers["content-type"] == "image/jpeg"
            assert inspect_picture(answer.content, max_pixels=1_000_000).format == "JPEG"
            again = client.get(str(address), headers={"If-Modified-Since": answer.headers["last-modified"]})
            assert again.status_code == 304


def test_the_host_lists_nothing_and_has_nothing_else(host: PictureHost) -> None:
    """Folders, files above and files that are not there are 404."""
    for path in ("/", "/cowboy-bebop/", "/../sample.jsonl", "/robots.txt", "/none/cover.jpg"):
        assert httpx.get(f"{host.address}{path}").status_code == 404


def test_the_real_downloader_may_fetch_only_where_it_is_allowed(pictures: DemoPictures, host: PictureHost) -> None:
    """With the network that the demo sets, the guarded fetcher takes a cover."""
    networks = tuple(allow_loopback({})[ALLOWED].split(","))
    cover = next(iter(load_documents(pictures.write_catalogue(host.address))))["images"]["picture"]
    options = FetchOptions(user_agent="test", allowed_networks=networks)
    fetched: Any = Fetcher(options).fetch(cover)
    assert inspect_picture(fetched.body, max_pixels=1_000_000).width == 384


def test_networks_that_are_allowed_already_stay_allowed() -> None:
    """The demo adds its own to what the user has set."""
    assert allow_loopback({ALLOWED: "10.1.0.0/16"}) == {ALLOWED: "10.1.0.0/16,127.0.0.0/8"}
    assert allow_loopback({}) == {ALLOWED: "127.0.0.0/8"}


def test_query_pictures_are_changed_covers(pictures: DemoPictures) -> None:
    """Smaller than the cover and the same in every demo."""
    for title, path in (pictures.crop_cover(), pictures.spoil_cover()):
        document = next(one for one in load_documents(SAMPLE) if one["title"] == title)
        cover = inspect_picture((pictures.folder / plan_album(document).cover).read_bytes(), max_pixels=1_000_000)
        query = inspect_picture(path.read_bytes(), max_pixels=1_000_000)
        assert query.width < cover.width
    assert pictures.crop_cover()[1].read_bytes() == pictures.crop_cover()[1].read_bytes()


@pytest.mark.parametrize(("both", "is_good"), [(["Mushishi"], True), (["Cowboy Bebop", "Monster"], False)])
def test_searches_tell_whether_they_found_the_title(
    pictures: DemoPictures, monkeypatch: pytest.MonkeyPatch, both: list[str], *, is_good: bool
) -> None:
    """The cropped cover's title has to come first, that of the piece among those that are shown."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(address: str, body: dict[str, Any], *, path: str, **_: Any) -> dict[str, Any]:
        asked.append((path, body))
        titles = ["Cowboy Bebop"] if path.endswith("image") else both
        return {"results": [{"similarity": 0.9, "payload": {"title": title}} for title in titles]}

    monkeypatch.setattr(demo_pictures, "request_search", answer)
    console = Console(file=io.StringIO(), width=120)
    assert show_picture_searches("http://api", pictures, console) is is_good
    assert [path for path, _ in asked] == ["/api/v1/search/image", "/api/v1/search/multimodal"]
    assert "query" not in asked[0][1]
    assert asked[1][1]["query"]


def test_a_search_that_fails_is_told_and_the_demo_goes_on(
    pictures: DemoPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line instead of a traceback."""

    def refuse(*_: Any, **__: Any) -> dict[str, Any]:
        raise DependencyUnavailableError("query-worker", "it is gone")

    monkeypatch.setattr(demo_pictures, "request_search", refuse)
    output = io.StringIO()
    assert show_picture_searches("http://api", pictures, Console(file=output, width=200)) is False
    assert output.getvalue().count("it is gone") == 2
