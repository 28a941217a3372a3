"""Why some bytes are not taken as a picture."""

from __future__ import annotations

from typing import Literal, TypeAlias

from core.errors import InvalidInputError

RefusedWord: TypeAlias = Literal[
    "empty",
    "not-a-picture",
    "html",
    "svg",
    "unsupported-format",
    "truncated",
    "too-large",
    "too-many-pixels",
]


class PictureRefusedError(InvalidInputError):
    """These bytes are no picture that we take. `code_word` is stable; `reason` says it in words.

    `truncated` stands for every damage behind a good beginning: cut off, broken or a decoder's refusal.
    """

    code = "picture-refused"

    def __init__(self, field: str, reason: str, *, code_word: RefusedWord) -> None:
        super().__init__(field, reason)
        self.code_word = code_word
