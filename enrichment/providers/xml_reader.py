"""XML from other people: no entities, no DTD, no network, no huge trees (https://lxml.de/FAQ.html)."""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from enrichment.providers.base import ShapeChangedError

# What makes a parser of XML safe; shared with the one that reads a stream.
SAFE_OPTIONS: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
_DOCTYPE: Final = re.compile(rb"<!DOCTYPE|<!ENTITY", re.IGNORECASE)


def load_xml(provider: str, body: bytes) -> etree._Element:
    """The root of a well-formed document. Raises ShapeChangedError for what is none, and for any DOCTYPE."""
    if _DOCTYPE.search(body):
        raise ShapeChangedError(provider, "/", "has a DOCTYPE, which is refused")
    parser = etree.XMLParser(recover=False, dtd_validation=False, **SAFE_OPTIONS)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ShapeChangedError(provider, "/", f"is no XML: {error}") from error
    # In UTF-16 the words above look otherwise.
    if root.getroottree().docinfo.internalDTD is not None:
        raise ShapeChangedError(provider, "/", "has a DOCTYPE, which is refused")
    return root
