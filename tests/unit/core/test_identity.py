"""Slugs, ids at providers and point ids: the same on every machine, and assigned once."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identity import (
    SLUG_MAX_CHARS,
    assign_slug,
    build_slug,
    build_slug_suffix,
    parse_provider_key,
    point_id,
    provider_id_from_url,
)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Shingeki no Kyojin", "shingeki-no-kyojin"),
        ("Steins;Gate", "steins-gate"),
        ("K-On!!", "k-on"),
        ("Pokémon", "pokemon"),
        ("Kimi no Na wa.", "kimi-no-na-wa"),
        ("ガンダム", "gandamu"),
        ("Ёлки", "elki"),
        ("2.5 Jigen no Ririsa", "2-5-jigen-no-ririsa"),
        ("  spaces\tand\nlines ", "spaces-and-lines"),
        ("!!!", ""),
        ("", ""),
    ],
)
def test_slugs_are_transliterated_ascii(title: str, slug: str) -> None:
    """A slug is lower-case ASCII joined by hyphens; nothing is left of a title without letters."""
    assert build_slug(title) == slug


@given(st.text(max_size=300))
def test_slugs_hold_only_safe_characters(title: str) -> None:
    """Whatever the title, its slug can stand in an address and is never a `provider:id`."""
    slug = build_slug(title)
    assert len(slug) <= SLUG_MAX_CHARS
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not slug.startswith("-") and not slug.endswith("-")
    assert parse_provider_key(slug) is None


def test_a_taken_slug_gets_a_suffix_from_an_external_id() -> None:
    """The second title of one name is told apart by its id at the first known provider."""
    ids = {"kitsu": 5, "anilist": 7, "mal": 1}
    assert assign_slug("Monster", ids, is_taken={"monster"}.__contains__) == "monster-mal1"
    assert assign_slug("Monster", ids, is_taken=set().__contains__) == "monster"


def test_an_empty_slug_is_the_suffix_alone() -> None:
    """A title without letters is named by its external id, and by a word where it has none."""
    assert assign_slug("!!!", {"anilist": 42}, is_taken=set().__contains__) == "anilist42"
    assert assign_slug("!!!", {}, is_taken=set().__contains__) == "untitled"
    assert assign_slug("!!!", {}, is_taken={"untitled"}.__contains__) == "untitled-2"


def test_slugs_are_numbered_when_everything_is_taken() -> None:
    """A free name is found even where base and suffix are taken."""
    taken = {"monster", "monster-mal1", "monster-mal1-2"}
    assert assign_slug("Monster", {"mal": 1}, is_taken=taken.__contains__) == "monster-mal1-3"


def test_the_suffix_does_not_depend_on_the_order_of_the_ids() -> None:
    """Two readers that saw the ids in another order give the same suffix."""
    assert build_slug_suffix({"kitsu": 5, "mal": 1}) == build_slug_suffix({"mal": 1, "kitsu": 5}) == "mal1"
    assert build_slug_suffix({"zeta": "b-2", "alpha": "a-1"}) == "alphaa1"
    assert build_slug_suffix({}) == ""


@given(st.permutations([("Monster", {"mal": 19}), ("Monster!", {"mal": 20}), ("monster", {"anilist": 3})]))
def test_every_order_gives_distinct_slugs_that_later_titles_keep(titles: list[tuple[str, dict[str, int]]]) -> None:
    """Same-named titles get different slugs in any order, and the first to come has the plain one."""
    taken: set[str] = set()
    for title, ids in titles:
        taken.add(assign_slug(title, ids, is_taken=taken.__contains__))
    assert len(taken) == 3 and "monster" in taken


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://myanimelist.net/anime/16498/Shingeki_no_Kyojin", ("mal", "16498")),
        ("https://anilist.co/anime/16498", ("anilist", "16498")),
        ("https://kitsu.app/anime/7442", ("kitsu", "7442")),
        ("https://kitsu.io/anime/7442", ("kitsu", "7442")),
        ("https://anidb.net/anime/9541", ("anidb", "9541")),
        ("https://anidb.net/a9541", ("anidb", "9541")),
        ("https://anime-planet.com/anime/attack-on-titan", ("anime-planet", "attack-on-titan")),
        ("https://anisearch.com/anime/8017", ("anisearch", "8017")),
        ("https://livechart.me/anime/70", ("livechart", "70")),
        ("https://simkl.com/anime/39687", ("simkl", "39687")),
        ("https://simkl.com/39687", ("simkl", "39687")),
        ("https://animecountdown.com/39687", ("animecountdown", "39687")),
        ("https://animenewsnetwork.com/encyclopedia/anime.php?id=14950", ("animenewsnetwork", "14950")),
        ("https://example.org/anime/1", None),
        ("https://myanimelist.net/manga/1", None),
        ("", None),
    ],
)
def test_provider_ids_are_read_from_addresses(url: str, key: tuple[str, str] | None) -> None:
    """The address of a page at a known provider gives its id there; any other gives nothing."""
    assert provider_id_from_url(url) == key


def test_provider_keys_are_told_from_slugs() -> None:
    """`mal:16498` is an id at a provider; a slug, an unknown provider or a missing id is not."""
    assert parse_provider_key("mal:16498") == ("mal", "16498")
    assert parse_provider_key("anime-planet:attack-on-titan") == ("anime-planet", "attack-on-titan")
    assert parse_provider_key("animenewsnetwork:422") == ("animenewsnetwork", "422")
    for other in ("shingeki-no-kyojin", "nowhere:1", "mal:", ":1", ""):
        assert parse_provider_key(other) is None


def test_point_ids_never_change() -> None:
    """The id of a point is fixed for all time: a change would orphan every index."""
    assert point_id("shingeki-no-kyojin") == str(
        uuid.uuid5(uuid.UUID("6f4d7c1e-0b57-5d43-9f0a-3c1f0a1f7a10"), "shingeki-no-kyojin")
    )
    assert point_id("a") != point_id("b")
