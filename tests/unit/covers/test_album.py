"""The folder of drawn pictures: whole, drawn once, drawn anew when the drawing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.document import AnimeDocument
from covers import album
from covers.album import add_addresses, draw_album, draw_albums, load_documents, plan_album
from tests.unit.sample_data.test_sample_catalogue import CATALOGUE

BASE = "http://127.0.0.1:8099"


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """Two titles, the one with characters."""
    wanted = ("Cowboy Bebop", "Jungle Taitei")
    return [document for document in load_documents(CATALOGUE) if document["title"] in wanted]


def test_titles_of_the_catalogue_share_no_file() -> None:
    """Each picture has a name of its own."""
    names = [name for document in load_documents(CATALOGUE) for name in plan_album(document).list_files()]
    assert len(names) == len(set(names))
    assert len(names) > 3 * 300


def test_an_album_has_all_its_files_as_jpeg(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    """Cover, thumbnail, banner and a portrait for each character; nothing half-written beside them."""
    for document in documents:
        planned = draw_album(document, tmp_path)
        assert len(planned.portraits) == len(document.get("characters", ()))
        for name in planned.list_files():
            with Image.open(tmp_path / name) as picture:
                assert picture.format == "JPEG"
    assert not list(tmp_path.rglob("*.part"))


def test_addresses_are_those_of_the_files_and_the_document_stays_valid(documents: list[dict[str, Any]]) -> None:
    """Our schema takes the document; each address names a planned file."""
    for document in documents:
        shown = AnimeDocument.model_validate(add_addresses(document, BASE))
        assert shown.images is not None
        addresses = [shown.images.picture, shown.images.thumbnail, shown.images.banner]
        addresses += [character.image for character in shown.characters]
        assert addresses == [f"{BASE}/{name}" for name in plan_album(document).list_files()]


def test_pictures_are_drawn_once_and_again_when_one_is_lost(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    """A second run draws nothing; a title that lacks a file is drawn again."""
    told: list[int] = []
    assert draw_albums(documents, tmp_path, processes=1, progress=told.append) == 2
    assert sum(told) == 2
    assert draw_albums(documents, tmp_path, processes=1) == 0
    (tmp_path / plan_album(documents[0]).banner).unlink()
    assert draw_albums(documents, tmp_path, processes=1) == 1


def test_new_drawing_code_draws_everything_anew(
    documents: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp of other code is not trusted."""
    draw_albums(documents, tmp_path, processes=1)
    monkeypatch.setattr(album, "describe_drawing", lambda: "other code")
    assert draw_albums(documents, tmp_path, processes=1) == 2
    assert draw_albums(documents, tmp_path, processes=1) == 0
