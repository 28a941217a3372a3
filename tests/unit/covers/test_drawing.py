"""Covers are drawn from facts: the same ones always alike, different ones apart, relatives related."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from core.pictures import inspect_picture, perceptual_hash
from covers import drawing
from covers.album import load_documents
from covers.colours import build_palette
from covers.facts import TitleFacts, read_facts
from covers.motifs import GENERAL, MOTIFS, find_motif
from covers.motifs.signs import draw_star
from tests.unit.sample_data.test_sample_catalogue import CATALOGUE


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """The sample catalogue."""
    return load_documents(CATALOGUE)


def find_facts(documents: list[dict[str, Any]], title: str) -> TitleFacts:
    """Those of one sample title."""
    return read_facts(next(document for document in documents if document["title"] == title))


def measure_difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of the channels, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_the_same_facts_give_the_same_picture(documents: list[dict[str, Any]]) -> None:
    """Drawn twice, byte by byte."""
    facts = find_facts(documents, "Cowboy Bebop")
    assert drawing.draw_cover(facts).tobytes() == drawing.draw_cover(facts).tobytes()
    assert drawing.draw_banner(facts).tobytes() == drawing.draw_banner(facts).tobytes()
    portraits = [drawing.draw_portrait(facts, facts.characters[0]).tobytes() for _ in range(2)]
    assert portraits[0] == portraits[1]


def test_every_kind_has_its_size(documents: list[dict[str, Any]]) -> None:
    """And none of them is empty of content."""
    facts = find_facts(documents, "Cowboy Bebop")
    cover = drawing.draw_cover(facts)
    pictures = {
        drawing.COVER_SIZE: cover,
        drawing.THUMBNAIL_SIZE: drawing.draw_thumbnail(cover),
        drawing.BANNER_SIZE: drawing.draw_banner(facts),
        drawing.PORTRAIT_SIZE: drawing.draw_portrait(facts, facts.characters[0]),
    }
    for size, picture in pictures.items():
        assert picture.size == size
        assert picture.mode == "RGB"
        assert min(ImageStat.Stat(picture).stddev) > 15


def test_covers_of_different_titles_are_told_apart_by_their_hashes(documents: list[dict[str, Any]]) -> None:
    """No two of a sample of sixty covers are near duplicates by pHash."""
    hashes = [perceptual_hash(drawing.draw_cover(read_facts(document))) for document in documents[::5]]
    distances = [(one ^ other).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(distances) > 4


def test_titles_of_a_series_are_closer_in_colour_than_others(documents: list[dict[str, Any]]) -> None:
    """A season's palette is nearer to its other season's than to the middle of all titles."""

    def measure(one: TitleFacts, other: TitleFacts) -> float:
        pairs = zip(build_palette(one).accent, build_palette(other).accent, strict=True)
        return sum(abs(a - b) for a, b in pairs)

    first, second = (find_facts(documents, name) for name in ("Shingeki no Kyojin", "Shingeki no Kyojin Season 2"))
    others = sorted(measure(first, read_facts(document)) for document in documents)
    assert measure(first, second) < others[len(others) // 2]


@pytest.mark.parametrize(
    ("title", "motif"),
    [("Slam Dunk", "draw_basketball"), ("Yuri!!! on Ice", "draw_skate"), ("Mobile Suit Gundam", "draw_robot")],
)
def test_motifs_tell_what_a_title_is_about(documents: list[dict[str, Any]], title: str, motif: str) -> None:
    """A ball for basketball, a skate for skating."""
    found = find_motif(find_facts(documents, title))
    assert found.__name__ == motif


def test_most_motifs_are_in_use_and_few_titles_say_nothing(documents: list[dict[str, Any]]) -> None:
    """The catalogue uses two thirds of the motifs, and the plain star hardly ever."""
    used = [find_motif(read_facts(document)) for document in documents]
    assert len(set(used)) > (len(MOTIFS) + len(GENERAL)) * 2 / 3
    assert used.count(draw_star) <= len(documents) // 20


def test_names_in_japanese_and_latin_change_the_picture(documents: list[dict[str, Any]]) -> None:
    """Lettering is really there: without either name the cover differs."""
    document = next(document for document in documents if document["title"] == "Mononoke Hime")
    cover = drawing.draw_cover(read_facts(document))
    without = drawing.draw_cover(read_facts({**document, "title_japanese": None}))
    renamed = drawing.draw_cover(read_facts({**document, "title_english": "Another Name"}))
    assert measure_difference(cover, without) > 0.2
    assert measure_difference(cover, renamed) > 0.2


def test_a_title_with_next_to_no_facts_is_drawn_too() -> None:
    """A name is enough, however long it is."""
    for title in ("X", "A Title Of Which Nobody Knows Anything But That Its Name Is Far Too Long " * 3, "日本語だけ"):
        assert drawing.draw_cover(read_facts({"title": title})).size == drawing.COVER_SIZE
        assert drawing.draw_banner(read_facts({"title": title})).size == drawing.BANNER_SIZE


def test_jpeg_of_a_cover_is_a_picture_of_ours(documents: list[dict[str, Any]], tmp_path: Any) -> None:
    """core.pictures accepts what the demo serves."""
    path = tmp_path / "cover.jpg"
    drawing.draw_cover(find_facts(documents, "Monster")).save(path, "JPEG", quality=90)
    info = inspect_picture(path.read_bytes(), max_pixels=1_000_000)
    assert (info.media_type, info.width, info.height) == ("image/jpeg", *drawing.COVER_SIZE)
