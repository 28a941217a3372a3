"""What a piece of text may hold before it reaches a model, a key or a database."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, except tab, line feed and carriage return, which are plain white space.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACE = re.compile(r"\s+")


def find_text_fault(text: str) -> str | None:
    """Why this text is refused ('control character U+0000 at position 3'), or None when it is fine."""
    if match := _SURROGATE.search(text):
        return f"lone surrogate U+{ord(match.group()):04X} at position {match.start()}"
    if match := _CONTROL.search(text):
        return f"control character U+{ord(match.group()):04X} at position {match.start()}"
    return None


def clean_text(text: str) -> str:
    """NFC, without control characters, outer white space removed. Raises ValueError on a lone surrogate."""
    if match := _SURROGATE.search(text):
        raise ValueError(f"lone surrogate U+{ord(match.group()):04X} at position {match.start()}")
    return unicodedata.normalize("NFC", _CONTROL.sub("", text)).strip()


def normalise_query(text: str) -> str:
    """NFC with runs of white space folded: two queries that are equal after this share one vector."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()
