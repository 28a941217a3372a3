"""Pages made for people: trees that were built without network, and their structured data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from lxml import etree, html

from enrichment.providers.base import Fault, ShapeChangedError


def load_page(provider: str, body: bytes) -> html.HtmlElement:
    """The root of a page in UTF-8. Raises ShapeChangedError where there is none at all."""
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, huge_tree=False)
    try:
        page = html.document_fromstring(body, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise ShapeChangedError(provider, "/html", f"is no page: {error}") from error
    return page


def find_class(element: html.HtmlElement, name: str, *, tag: str = "*") -> list[html.HtmlElement]:
    """Descendants of this class, in the page's order."""
    path = f".//{tag}[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]"
    found: list[html.HtmlElement] = element.xpath(path)
    return found


def read_line(element: html.HtmlElement | None) -> str | None:
    """The text of an element in one line, with that of what is in it; None if it says nothing."""
    return None if element is None else " ".join(str(element.text_content()).split()) or None


def iterate_json_ld(page: html.HtmlElement, faults: list[Fault]) -> Iterator[dict[str, Any]]:
    """Objects of the page's JSON-LD scripts. A script that is no JSON is a fault of the page's shape."""
    for script in page.xpath("//script[@type='application/ld+json']"):
        try:
            value = orjson.loads(script.text or "")
        except orjson.JSONDecodeError as error:
            faults.append(Fault("script[ld+json]", f"is no JSON: {error}", "shape"))
            continue
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict))
