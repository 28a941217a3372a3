"""Lists of pictures: what is taken, what is refused and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.picture_lists import BadLine, ListedPicture, parse_listed, read_list

URL = "https://example.org/a.jpg"


def test_a_list_of_both_forms() -> None:
    """URLs and objects may be mixed; blank lines and comments are nothing, and numbers are those of the file."""
    lines = [
        b"\xef\xbb\xbf# covers\n",
        b"\n",
        b" https://example.org/a.jpg \r\n",
        b'{"url": "https://example.org/b.jpg", "id": "b", "tags": ["x"], "title": "akira", "metadata": {"n": 1}}\n',
        b"http://example.org:8080/c?d=e#f",
    ]
    assert list(read_list(lines)) == [
        (3, ListedPicture(URL)),
        (4, ListedPicture("https://example.org/b.jpg", id="b", title="akira", tags=("x",), metadata={"n": 1})),
        (5, ListedPicture("http://example.org:8080/c?d=e#f")),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"ftp://example.org/a.jpg", "http or https"),
        (b"file:///etc/passwd", "http or https"),
        (b"example.org/a.jpg", "http or https"),
        (b"http:///a.jpg", "with a host"),
        (b"http://[::1/a.jpg", "not a URL"),
        (b"http://example.org:port/a.jpg", "not a URL"),
        (b"http://example.org/a b.jpg", "white space"),
        (b"http://example.org/" + b"a" * 5_000, "longer than 4096"),
        (b"http://example.org/\xff", "not UTF-8"),
        (b"http://example.org/\x01", "control character"),
        (b'{"url": ', "not JSON"),
        (b"{}", "line.url: must be a URL"),
        (b'{"url": 7}', "line.url: must be a URL"),
        (b'{"url": "https://example.org/a", "uri": 1}', "line.uri: is not known"),
        (b'{"url": "https://example.org/a", "id": ""}', "line.id"),
        (b'{"url": "https://example.org/a", "id": 5}', "line.id"),
        (b'{"url": "https://example.org/a", "title": "a\\u0000"}', "line.title: control character"),
        (b'{"url": "https://example.org/a", "tags": "red"}', "line.tags: must be a list"),
        (b'{"url": "https://example.org/a", "tags": [null]}', "line.tags: must be a list of texts"),
        (b'{"url": "https://example.org/a", "tags": [3]}', "line.tags.0"),
        (b'{"url": "https://example.org/a", "metadata": []}', "line.metadata: must be an object"),
        (b'{"url": "https://example.org/a", "metadata": {"a": "\\u0000"}}', "U+0000"),
        (b'{"url": "https://example.org/a", "adult": "no"}', "line.adult: must be true or false"),
        (b'{"url": "https://example.org/a", "metadata": {"a": "' + b"x" * 20_000 + b'"}}', "larger than 10000 bytes"),
        (b'{"url": "https://example.org/a"' + b" " * 200_000 + b"}", "longer than 100000 bytes"),
    ],
)
def test_bad_lines_do_not_stop_the_others(line: bytes, words: str) -> None:
    """A line that cannot be taken is told by number and reason, and the next one is read."""
    bad, good = read_list([line, URL.encode()])
    assert isinstance(bad, BadLine) and bad.line == 1 and words in bad.reason
    assert good == (2, ListedPicture(URL))


def test_a_value_that_is_neither_form() -> None:
    """Anything but a text or an object is refused by its place."""
    with pytest.raises(InvalidInputError, match=r"urls\.3: must be a URL or an object"):
        parse_listed(7, field="urls.3")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 10**9) | TEXTS, lambda inner: st.lists(inner, max_size=3)
)


@given(
    st.builds(
        ListedPicture,
        url=st.just(URL),
        id=st.none() | TEXTS,
        title=st.none() | TEXTS,
        tags=st.lists(TEXTS, max_size=4).map(tuple),
        metadata=st.dictionaries(TEXTS, VALUES, max_size=3),
        adult=st.booleans(),
    )
)
def test_what_is_written_is_read_again(picture: ListedPicture) -> None:
    """The JSON of a listed picture, as the params of a job keep it, is the same picture when it is read."""
    assert parse_listed(picture.to_json()) == picture


@given(
    st.recursive(st.none() | st.booleans() | st.text(max_size=30), lambda x: st.dictionaries(st.text(max_size=8), x))
)
def test_nothing_but_a_refusal(value: Any) -> None:
    """Whatever is given is taken or refused; nothing else is ever raised."""
    try:
        parse_listed(value)
    except InvalidInputError as error:
        assert error.field.startswith("urls") and error.reason
