"""Texts of providers as plain text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrichment.cleaning import MAX_RAW_CHARS, clean_html, clean_line, flip_name, repair_encoding

_PIECES = st.sampled_from(
    ["<br>", "<br/>", "<i>", "</i>", "<p class='x'>", "</p>", "&amp;", "&lt;", "&#39;", "~!", "!~", "[b]", "[/b]", "__",
     "**", "(Source: ", "[Written by MAL Rewrite]", ")", "<script>", "</script>", "<Game>", "a", " ", "\n", "é",
     "http://anidb.net/ch1 [", "]", "<!--", "-->", "\u200b", "[spoiler]", "[/spoiler]"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("One.<br><br>\nTwo &amp; three.<br />Four.", "One.\n\nTwo & three.\nFour."),
        ("<p>One.</p><p>Two.</p>", "One.\n\nTwo."),
        ("<ul><li>One</li><li>Two</li></ul>", "One\nTwo"),
        ("a <b>bold</b> <a href='https://example.org/x'>link</a>", "a bold link"),
        ("<script>alert(1)</script>safe<style>p{}</style>", "safe"),
        ("&lt;i&gt;twice&lt;/i&gt; &amp;quot;escaped&amp;quot;", 'twice "escaped"'),
        ("Line one\r\nline two\rline three", "Line one\nline two\nline three"),
        ("too   many \t spaces \n\n\n\n and lines", "too many spaces\n\nand lines"),
    ],
)
def test_html_becomes_plain_text_with_line_breaks(given_text: str, expected: str) -> None:
    """Tags go, breaks and paragraphs stay as lines, entities become characters, scripts go with what is in them."""
    assert clean_html(given_text) == expected


@pytest.mark.parametrize("text", ["He plays <Infinite Realm> daily.", "I <3 you", "if a < b and c > d", "<<Sword>>"])
def test_what_only_looks_like_a_tag_stays(text: str) -> None:
    """Names in angle brackets and signs of comparison are text, beside real tags, too."""
    assert clean_html(text) == text
    assert clean_html(f"<i>{text}</i>") == text


@pytest.mark.parametrize(
    "text",
    [
        "Seen. ~!He is the killer.!~",
        "Seen. <span class='markdown_spoiler'><span>He is the killer.</span></span>",
        "Seen. [spoiler]He is\nthe killer.[/spoiler]",
        "Seen. [spoiler=End]He is the killer.[/spoiler]",
    ],
)
def test_spoilers_are_left_out(text: str) -> None:
    """In all forms that the providers mark them."""
    assert clean_html(text) == "Seen."


@pytest.mark.parametrize(
    "credit",
    ["[Written by MAL Rewrite]", "(Source: ANN)", "[Source: Some Publisher, edited]", "(Adapted from: the back)",
     "Source: Wikipedia", "~ Source: A Site", "(Source: Crunchyroll)<br>"],
)  # fmt: skip
def test_credits_are_left_out(credit: str) -> None:
    """Who wrote a synopsis is no part of the story."""
    assert clean_html(f"A story.\n\n{credit}") == "A story."


def test_the_word_source_inside_of_a_sentence_stays() -> None:
    """Only a line of its own or brackets name the source of a text."""
    text = "The source: a well in the woods, gives life."
    assert clean_html(text) == text


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("Sword of http://anidb.net/ch4 [Lafiel], princess", "Sword of Lafiel, princess"),
        ("see [the manga](https://example.org/m) and img220(https://example.org/i.png)", "see the manga and"),
        ("[b]bold[/b], [url=https://example.org]name[/url], [i]so[/i]", "bold, name, so"),
        ("__Height:__ 170 cm, **strong**", "Height: 170 cm, strong"),
        ("snake__case__name and 2**3**4", "snake__case__name and 2**3**4"),
    ],
)
def test_marks_of_other_languages_go(given_text: str, expected: str) -> None:
    """AniDB's links, Markdown and BBCode keep their words only."""
    assert clean_html(given_text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "No synopsis information has been added to this title. Help improve our database by adding a synopsis here.",
        "No synopsis has been added for this series yet.\n\nClick here to update this information.",
        "No background information has been added to this title. Help improve our database by adding background "
        "information here.",
        "<i>No description available.</i>",
        "(No synopsis yet.)",
    ],
)
def test_a_text_that_says_that_there_is_none_is_none(text: str) -> None:
    """Placeholders are not stored as stories."""
    assert clean_html(text) == ""


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [("CafÃ© donâ€™t", "Café don’t"), ("ã‚½ãƒ¼ãƒ‰", "ソード"), ("Café don’t", "Café don’t"), ("plain", "plain")],
)
def test_wrong_encodings_are_repaired(given_text: str, expected: str) -> None:
    """UTF-8 that was read as Windows-1252 is read again; what is right stays as it is."""
    assert repair_encoding(given_text) == expected
    assert clean_html(given_text) == expected
    assert clean_line(given_text) == expected


def test_a_line_is_one_line_without_entities() -> None:
    """Titles keep what looks like markup."""
    assert clean_line(" Tom &amp;amp; Jerry:\n The\u200b <Movie> ") == "Tom & Jerry: The <Movie>"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Yuuki, Asuna", "Asuna Yuuki"), ("Asuna", "Asuna"), ("Kim, Jr., Bob", "Kim, Jr., Bob"), (", X", ", X")],
)
def test_names_are_turned_round_where_a_comma_says_so(name: str, expected: str) -> None:
    """MyAnimeList writes the family name first."""
    assert flip_name(name) == expected


def test_a_lone_surrogate_is_refused() -> None:
    """It cannot be stored, and says so."""
    with pytest.raises(ValueError, match="lone surrogate"):
        clean_html("a\ud800b")


@given(st.lists(_PIECES, max_size=30).map("".join))
@example("<i><br>&lt;br&gt;")
def test_markup_of_any_kind_leaves_clean_text(text: str) -> None:
    """No control characters, no runs of spaces or lines, and no HTML that was not escaped several times."""
    cleaned = clean_html(text)
    assert cleaned == cleaned.strip()
    assert "\n\n\n" not in cleaned and "  " not in cleaned and "\u200b" not in cleaned
    assert "<br" not in cleaned and "</i>" not in cleaned and "<script>" not in cleaned


@given(st.text(max_size=500))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    """Nothing but a ValueError comes out of a text that is none."""
    for clean in (clean_html, clean_line):
        try:
            cleaned = clean(text)
        except ValueError:
            assert any("\ud800" <= character <= "\udfff" for character in text)
        else:
            assert "\x00" not in cleaned


@pytest.mark.parametrize(
    "piece",
    ["[", "~!a", "<i", "<", "**a", "__", "&amp;", "&amp;amp;", "http://a", "http://a [", "(Source: ", "<p ", "[a](",
     "<span class='markdown_spoiler'><span>a", "[spoiler]a", "[spoiler=", "[url=", "img(", "(", "\n", "~ ",
     "No synopsis "],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_long_texts_take_no_long_time(piece: str) -> None:
    """Half a megabyte of marks that are opened and never closed is cut, and no pattern runs away on it."""
    assert len(clean_html(piece * (500_000 // len(piece)))) <= MAX_RAW_CHARS
