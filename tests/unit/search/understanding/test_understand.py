"""What rules read out of texts, and what they leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text import normalise_query
from search.filters import Range
from search.names.hits import LiveSegment
from search.names.index import NameIndex
from search.names.segment import build_segment
from search.understanding.lexicon import Lexicon, build_studios
from search.understanding.understand import understand
from search.understanding.understood import Understood
from storage.database.names import TitleNames

NAMES = {
    "naruto": ("Naruto", "ナルト"),
    "attack-on-titan": ("Shingeki no Kyojin", "Attack on Titan", "進撃の巨人"),
    "steins-gate": ("Steins;Gate",),
    "death-note": ("Death Note",),
    "movie": ("Gegege no Kitarou", "Movie)"),
    "comedy": ("Comedy",),
    "yamato": ("Space Battleship Yamato 2199",),
    "nana": ("Nana",),
}
STUDIOS = {
    "sunrise inc.": 400,
    "sunrise": 200,
    "studio ghibli": 40,
    "studio ghibli inc.": 60,
    "mappa co., ltd.": 100,
    "kyoto animation": 50,
    "bones inc.": 120,
    "madhouse": 120,
    "feel.": 100,
    "arms": 140,
    "studio nobody": 1,
}
LEXICON = Lexicon(build_studios(STUDIOS))
TITLES = [TitleNames(slug, names, 1, "TV", 2000, 0.5, False, False, 1) for slug, names in NAMES.items()]
INDEX = NameIndex([LiveSegment(build_segment([TITLES]), np.zeros(len(TITLES), bool))])


def read(text: str) -> Understood:
    """What the rules make of a text."""
    return understand(text, names=INDEX, lexicon=LEXICON)


def list_hard(understood: Understood) -> list[tuple[str | None, Any]]:
    """Fields and values of the conditions that were read."""
    return [(one.field, one.value) for one in understood.found if one.effect == "filter"]


def list_soft(understood: Understood) -> list[tuple[str, Any]]:
    """Kinds and values of the wishes that were read."""
    return [(one.kind, one.value) for one in understood.found if one.effect == "boost"]


def years(first: int | None, last: int | None) -> list[tuple[str, dict[str, int]]]:
    """The condition of a span of years."""
    return [("year", {name: year for name, year in (("gte", first), ("lte", last)) if year is not None})]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("mecha from the 90s", 1990, 1999),
        ("1990s space opera", 1990, 1999),
        ("80's anime", 1980, 1989),
        ("nineties romance", 1990, 1999),
        ("early 2000s horror", 2000, 2003),
        ("late 80s horror", 1986, 1989),
        ("90年代のロボットアニメ", 1990, 1999),
        ("九十年代 机战", 1990, 1999),
        ("90년대 애니", 1990, 1999),
        ("in 2013", 2013, 2013),
        ("horror movies of 2016", 2016, 2016),
        ("2013 anime", 2013, 2013),
        ("2013年のアニメ", 2013, 2013),
        ("2013년 애니", 2013, 2013),
        ("from 2010 to 2015", 2010, 2015),
        ("isekai between 2010 and 2015", 2010, 2015),
        ("isekai 2010-2015", 2010, 2015),
        ("before 2000", None, 1999),
        ("horror before the 90s", None, 1989),
        ("until 2005", None, 2005),
        ("after 2015", 2016, None),
        ("since 2018", 2018, None),
        ("isekai 2018 and later", 2018, None),
        ("from the 80s or the 90s", 1980, 1999),
    ],
)
def test_years_and_decades(text: str, first: int | None, last: int | None) -> None:
    """When something aired is a condition, in every language."""
    found = [one for one in read(text).filters if isinstance(one, Range)]
    assert found == [Range("year", gte=first, lte=last)]


@pytest.mark.parametrize(
    "text",
    [
        "Space Battleship Yamato 2199",
        "a woman in her 60s",
        "a story set in the 80s",
        "a war in 1945",
        "a soldier from 1945",
        "80s style city pop",
        "life in the 20s",
        "blade runner 2049 vibes",
    ],
)
def test_years_that_are_no_condition(text: str) -> None:
    """Ages, settings, styles and years in titles."""
    assert read(text).filters == ()


@pytest.mark.parametrize(
    ("text", "season", "year"),
    [
        ("winter 2019", "WINTER", 2019),
        ("anime from autumn 2020", "FALL", 2020),
        ("2021 spring season", "SPRING", 2021),
        ("2019年冬アニメ", "WINTER", 2019),
        ("2019년 여름 애니", "SUMMER", 2019),
    ],
)
def test_seasons_of_a_year(text: str, season: str, year: int) -> None:
    """A season counts with a year beside it."""
    assert list_hard(read(text)) == [("season", season), *years(year, year)]


def test_a_season_alone_is_a_word() -> None:
    """Summer is when a story happens."""
    assert read("a summer love story").filters == ()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("mecha by Sunrise", ["sunrise inc.", "sunrise"]),
        ("something from studio Ghibli", ["studio ghibli inc.", "studio ghibli"]),
        ("ghibli", ["studio ghibli inc.", "studio ghibli"]),
        ("KyoAni slice of life", ["kyoto animation"]),
        ("京アニの日常系", ["kyoto animation"]),
        ("지브리 영화", ["studio ghibli inc.", "studio ghibli"]),
        ("吉卜力 电影", ["studio ghibli inc.", "studio ghibli"]),
        ("action animated by bones", ["bones inc."]),
        ("by studio nobody", ["studio nobody"]),
        ("anime by Bones and by Madhouse", ["bones inc.", "madhouse"]),
    ],
)
def test_studios(text: str, keys: list[str]) -> None:
    """After by, from or studio, or by a name that nothing else has; under all spellings of the catalogue."""
    found = [one for one in read(text).found if one.kind == "studio"]
    assert {key for one in found for key in one.value} == set(keys)
    assert all(one.effect == "filter" for one in found)
    assert read(text).features


@pytest.mark.parametrize("text", ["a sunrise over the sea", "from feel to touch", "killed by arms", "bones and skulls"])
def test_words_that_studios_are_called_by(text: str) -> None:
    """A studio's name is a word where nothing says that it is a studio."""
    assert read(text).filters == ()


def test_likeness_to_a_studio_is_a_wish() -> None:
    """Ghibli-like is not by Ghibli."""
    understood = read("ghibli-like adventure")
    assert understood.filters == ()
    assert ("studio", ["studio ghibli inc.", "studio ghibli"]) in list_soft(understood)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sad movies about war", "MOVIE"),
        ("recommend me a good film", "MOVIE"),
        ("award winning short films", "MOVIE"),
        ("12 episode OVA", "OVA"),
        ("恋愛映画", "MOVIE"),
        ("로맨스 영화", "MOVIE"),
        ("tv series with dragons", "TV"),
        ("movies or OVAs", "OVA"),
    ],
)
def test_types_as_head_of_the_text(text: str, value: str) -> None:
    """What the search is for is a condition."""
    assert ("type", value) in list_hard(read(text))


@pytest.mark.parametrize("text", ["students making a movie", "a girl who wants to be in a movie", "映画監督の話"])
def test_types_inside_a_description(text: str) -> None:
    """A film that the story is about is none."""
    assert read(text).filters == ()


def test_two_types_are_alternatives() -> None:
    """Nothing is a movie and an OVA at once."""
    (condition,) = read("movies or OVAs").filters
    assert condition.values == ("MOVIE", "OVA")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("under 13 episodes", {"lte": 12}),
        ("at most 24 episodes", {"lte": 24}),
        ("more than 100 episodes", {"gte": 101}),
        ("26 eps or less", {"lte": 26}),
        ("10-13 episodes", {"gte": 10, "lte": 13}),
        ("a 12 episode series", 12),
    ],
)
def test_numbers_of_episodes(text: str, expected: Any) -> None:
    """Bounds and exact numbers."""
    assert list_hard(read(text)) == [("episodes", expected)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("upcoming movies", "UPCOMING"),
        ("currently airing", "ONGOING"),
        ("finished series", "FINISHED"),
        ("放送中のアニメ", "ONGOING"),
        ("완결 애니", "FINISHED"),
    ],
)
def test_states_of_airing(text: str, value: str) -> None:
    """Beside a noun, or in words of their own."""
    assert ("status", value) in list_hard(read(text))


def test_an_ongoing_war_is_no_state() -> None:
    """The word describes more than series."""
    assert read("an ongoing war between two nations").filters == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seinen", "seinen"),
        ("seinen anime with vampires", "seinen"),
        ("for kids", "kids"),
        ("shonen series", "shounen"),
        ("少女向けアニメ", "shoujo"),
    ],
)
def test_demographics_that_are_asked_for(text: str, value: str) -> None:
    """For whom it is made is a condition, in whatever field the catalogue says it."""
    understood = read(text)
    assert list_hard(understood) == [("demographic", value)]
    (condition,) = understood.filters
    assert [one.path for one in condition.conditions] == ["demographics", "genres", "tags"]  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["two kids lost in the woods", "少年と犬の物語", "a dark seinen mystery"])
def test_demographics_that_are_only_mentioned(text: str) -> None:
    """Children in a story are no audience."""
    assert read(text).filters == ()


def test_mentioned_genres_are_wishes_and_features() -> None:
    """They gain, they do not forbid the rest, and their words stay in the text."""
    understood = read("dark psychological thriller with robots")
    assert understood.filters == ()
    assert understood.text == "dark psychological thriller with robots"
    assert list_soft(understood) == [("genre", "psychological"), ("genre", "thriller"), ("theme", "robots")]
    assert understood.features == {"genre:psychological": 1.0, "genre:thriller": 1.0}
    assert [boost.label for boost in understood.boosts] == ["psychological", "thriller", "robots"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("異世界", "isekai"),
        ("로맨스", "romance"),
        ("机战", "mecha"),
        ("魔法少女", "mahou shoujo"),
        ("sci-fi", "sci-fi"),
        ("science fiction", "sci-fi"),
        ("vampires", "vampire"),
        ("Ｒｏｍａｎｃｅ", "romance"),
    ],
)
def test_genres_in_every_language(text: str, value: str) -> None:
    """One name for all spellings."""
    assert [wish for _, wish in list_soft(read(text))] == [value]


@pytest.mark.parametrize(
    ("text", "excluded", "rest"),
    [
        ("school comedy, not mecha", ["mecha"], "school comedy"),
        ("fantasy without romance or harem", ["romance", "harem"], "fantasy"),
        ("action, no ecchi", ["ecchi"], "action"),
        ("a non-harem isekai", ["harem"], "a isekai"),
        ("異世界 恋愛なし", ["romance"], "異世界"),
        ("로맨스 없는 판타지", ["romance"], "판타지"),
        ("anime like Naruto but not a movie", ["MOVIE"], "anime like Naruto"),
        ("isekai not by MAPPA", [["mappa co., ltd."]], "isekai"),
    ],
)
def test_what_shall_not_be_there(text: str, excluded: list[Any], rest: str) -> None:
    """It is excluded, and its words are not embedded, where they would attract it."""
    understood = read(text)
    assert [one.value for one in understood.found if one.effect == "exclude"] == excluded
    assert understood.text == rest
    assert len(understood.excluded) == len(excluded)


@pytest.mark.parametrize("text", ["boku no romance", "not only action", "no game no life"])
def test_words_that_forbid_nothing(text: str) -> None:
    """The Japanese particle, and a `not` that stands before something else."""
    assert read(text).excluded == ()


@pytest.mark.parametrize("text", ["Naruto", "naruot", "ナルト", "naruto anime", "Space Battleship Yamato 2199"])
def test_a_title_is_a_title_and_nothing_else(text: str) -> None:
    """A text that names a title has no conditions, no wishes, and is embedded as it is."""
    understood = read(text)
    assert understood.names
    assert understood == Understood(text, names=understood.names, found=understood.found)


def test_a_genre_that_is_a_title_stays_a_genre() -> None:
    """The title comes first, and the genre counts for the rest."""
    understood = read("comedy")
    assert [match.slug for match in understood.names] == ["comedy"]
    assert understood.features == {"genre:comedy": 1.0}


def test_a_synonym_made_of_known_words_is_no_title() -> None:
    """Somebody once called a film `Movie`; who types that wants movies."""
    understood = read("movie")
    assert understood.names == ()
    assert list_hard(understood) == [("type", "MOVIE")]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('have you seen "Death Note"?', "death-note"),
        ("「進撃の巨人」の続き", "attack-on-titan"),
        ("‘Naruto’ episodes", "naruto"),
    ],
)
def test_quoted_titles_are_named(text: str, slug: str) -> None:
    """In quotes of any kind, within a longer text."""
    assert [match.slug for match in read(text).names] == [slug]


def test_quotes_that_name_no_title_stay_text() -> None:
    """And nothing within them is read as anything else."""
    understood = read('"a romance from the 90s" with dragons')
    assert understood.names == ()
    assert understood.filters == ()
    assert understood.text == '"a romance from the 90s" with dragons'
    assert list_soft(understood) == [("theme", "dragons")]


@pytest.mark.parametrize(
    ("text", "slugs"),
    [
        ("something like Naruto but lighter", ["naruto"]),
        ("anime similar to Steins;Gate and Death Note", ["steins-gate", "death-note"]),
        ("shows like Atack on Titan with dragons", ["attack-on-titan"]),
        ('anime like "Attack on Titan"', ["attack-on-titan"]),
        ("進撃の巨人みたいなアニメ", ["attack-on-titan"]),
        ("나루토 같은 애니", []),
        ("像ナルト一样的动画", ["naruto"]),
        ("I like action", []),
        ("not like Naruto", []),
    ],
)
def test_titles_that_something_shall_be_like(text: str, slugs: list[str]) -> None:
    """They are recognised, and not put first: who knows them wants others."""
    understood = read(text)
    assert [match.slug for match in understood.likes] == slugs
    assert understood.names == ()


def test_everything_at_once() -> None:
    """The query of the issue."""
    understood = read("mecha from the 90s by Sunrise")
    assert understood.text == "mecha"
    assert list_hard(understood) == [("label", "mecha"), *years(1990, 1999), ("studios", ["sunrise inc.", "sunrise"])]
    assert list_soft(understood) == []
    assert understood.features == {"genre:mecha": 1.0, "decade:1990": 0.3, "studio:sunrise": 0.7}
    assert [one.text for one in understood.found] == ["mecha", "from the 90s", "by Sunrise"]


def test_other_features() -> None:
    """Source, reception and length are wishes."""
    features = read("award winning and popular long-running series based on a light novel").features
    assert features == {"award:winner": 1.2, "popular": 0.8, "long-running": 0.3, "source:light novel": 0.6}


def test_a_text_of_conditions_only_is_embedded_whole() -> None:
    """There must be something to embed."""
    assert read("from the 90s by Sunrise").text == "from the 90s by Sunrise"


def test_without_names_the_other_rules_hold() -> None:
    """While names are read, years and genres are understood."""
    understood = understand("Naruto from the 90s", names=None, lexicon=Lexicon())
    assert understood.names == ()
    assert list_hard(understood) == years(1990, 1999)


def test_stories_are_left_alone() -> None:
    """A text of several hundred characters is told, not asked."""
    text = "A boy by Sunrise from the 90s, not mecha. " * 12
    assert read(text) == Understood(text)


def test_what_was_understood_as_json() -> None:
    """Everything that decided is shown."""
    shown = read('like "Death Note" from the 90s, not mecha').to_json()
    assert shown["likes"][0] == {"id": "death-note", "name": "Death Note", "similarity": 1.0, "kind": "exact"}
    assert [one["effect"] for one in shown["found"]] == ["kept", "filter", "exclude"]
    assert shown["found"][1] == {
        "text": "from the 90s",
        "kind": "year",
        "field": "year",
        "value": {"gte": 1990, "lte": 1999},
        "effect": "filter",
    }


WORDS = st.sampled_from(
    [
        "like",
        "not",
        "no",
        "without",
        "from",
        "by",
        "the",
        "90s",
        "1999",
        "2010",
        "to",
        "movie",
        "Sunrise",
        "romance",
        "Naruto",
        '"',
        "'",
        "「",
        "」",
        ",",
        ".",
        "(",
        "의",
        "の",
        "映画",
        "年",
        "なし",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(st.characters(exclude_categories=["Cs", "Cc"]))))
def test_no_text_is_too_odd(text: str) -> None:
    """Whatever is typed is understood somehow, and something is left to embed."""
    normal = normalise_query(text)
    if normal:
        assert read(normal).text


def test_in_a_text_of_nothing_but_facts_genres_are_conditions() -> None:
    """Beside a year or a studio, and without any other word of weight."""
    assert ("label", "romance") in list_hard(read("romance anime of fall 2017"))
    assert list_soft(read("romance anime")) == [("genre", "romance")]
    assert list_soft(read("romance with a shy ghost from 2017"))[0] == ("genre", "romance")


STORY = (
    'In the year 2071 a crew of bounty hunters called "Darkness" by everybody crosses space in an old ship, '
    "always broke, and each of them runs from something that the military did"
)


def test_a_story_states_no_conditions() -> None:
    """What a long text without a request tells is no filter and no feature, and a quoted word in it is no title."""
    understood = read(STORY)
    assert understood.filters == understood.excluded == understood.names == ()
    assert understood.features == {}
    assert understood.text == STORY
    wishes = read(f"please recommend a mecha series from 2013 where {STORY[20:]}")
    assert years(2013, 2013)[0] in list_hard(wishes)
