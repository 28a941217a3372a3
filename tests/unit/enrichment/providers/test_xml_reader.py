"""XML from other people."""

from __future__ import annotations

from pathlib import Path

import pytest

from enrichment.providers.base import ShapeChangedError
from enrichment.providers.xml_reader import load_xml

_BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>"""


def test_document_with_a_mark_of_byte_order() -> None:
    """A mark at the start and a comment change nothing."""
    root = load_xml("anidb", b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a><!-- x --><b>\xc3\xa9</b></a>")
    assert [(child.tag, child.text) for child in root] == [("b", "é")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_doctype_is_refused(encoding: str) -> None:
    """A DOCTYPE is refused in any encoding, so no entity is ever defined."""
    body = _BOMB.decode().replace('version="1.0"', f'version="1.0" encoding="{encoding[:6]}"').encode(encoding)
    with pytest.raises(ShapeChangedError):
        load_xml("anidb", body)


def test_files_of_ours_are_not_read(tmp_path: Path) -> None:
    """An external entity never reads a file."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    body = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a>&x;</a>'.encode()
    with pytest.raises(ShapeChangedError, match="DOCTYPE"):
        load_xml("anidb", body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<a>&unknown;</a>",
        b"no xml",
        b"<a>\xe9</a>",
        b"<a>\x00</a>",
        b"<a>" * 400 + b"</a>" * 400,
        b"<anime><titles><title>cut in the mid",
    ],
)
def test_no_xml_is_a_changed_shape(body: bytes) -> None:
    """What is not well-formed is refused as a whole: half an answer is none."""
    with pytest.raises(ShapeChangedError, match="anidb: /: is no XML"):
        load_xml("anidb", body)
